//! Second names of keyword arguments: `axis=` for `dim=`, `keepdims=` for `keepdim=`, as numpy spells them and PyTorch takes
//! them, one table for all functions; and keywords that change nothing on a CPU.
//!
//! PyO3 reads the arguments of a function by a description that its macros write. A function or an `impl` that says
//! `crate = "crate::exchange::keywords"` gets the description of this file in its place: PyO3's own, which is handed the
//! first names of what a call that it refused says by second ones. All other calls are as without this file.

pub use pyo3::*;

/// PyO3's parts that its macros name, with the one of this file among them.
pub mod impl_ {
    pub use pyo3::impl_::*;

    /// As PyO3's, but for [`FunctionDescription`].
    pub mod extract_argument {
        pub use crate::exchange::keywords::FunctionDescription;
        pub use pyo3::impl_::extract_argument::*;
    }
}

use pyo3::exceptions::PyValueError;
use pyo3::impl_::extract_argument::{
    self as real, KeywordOnlyParameterDescription, VarargsHandler, VarkeywordsHandler,
};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

/// Second names, each with the first that it stands for.
const NAMES: [(&str, &str); 6] =
    [("axis", "dim"), ("keepdims", "keepdim"), ("x", "input"), ("a", "input"), ("x1", "input"), ("x2", "other")];

/// What may be said wherever a device may: there is one memory, and one way to lie in it.
const SETTLED: [&str; 2] = ["layout", "pin_memory"];

/// Refuses what no tensor is, for one of [`SETTLED`].
fn check_settled(name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    if name == "pin_memory" {
        value.extract::<Option<bool>>()?;
    } else if !value.is_none() && !value.is(&value.py().import("dlcore")?.getattr("strided")?) {
        return Err(PyValueError::new_err(format!("layout is dlcore.strided, there is no other; got {value}")));
    }
    Ok(())
}

/// The name and the value of an argument.
type Keyword<'py> = (Bound<'py, PyString>, Bound<'py, PyAny>);

/// What a function takes, and how a call's arguments become it.
pub struct FunctionDescription(real::FunctionDescription);

impl FunctionDescription {
    /// As the macros write it.
    pub const fn new(
        class: Option<&'static str>,
        function: &'static str,
        positional: &'static [&'static str],
        positional_only: usize,
        required: usize,
        keyword_only: &'static [KeywordOnlyParameterDescription],
    ) -> Self {
        Self(real::FunctionDescription::new(class, function, positional, positional_only, required, keyword_only))
    }

    fn takes(&self, name: &str) -> bool {
        self.0.positional_parameter_names.contains(&name)
            || self.0.keyword_only_parameters.iter().any(|p| p.name == name)
    }

    /// The parameter that `name` is a second name of.
    fn first_name(&self, name: &str) -> Option<&'static str> {
        let &(_, first) = NAMES.iter().find(|&&(second, _)| second == name)?;
        (!self.takes(name) && self.takes(first)).then_some(first)
    }

    fn is_settled(&self, name: &str) -> bool {
        SETTLED.contains(&name) && !self.takes(name) && self.takes("device")
    }

    /// A call's keywords with first names for second ones and without those that are settled, and their values; none where
    /// there is neither.
    fn renamed<'py>(
        &self,
        names: &Bound<'py, PyTuple>,
        values: &[Bound<'py, PyAny>],
    ) -> PyResult<Option<Vec<Keyword<'py>>>> {
        let (mut changed, mut read) = (false, Vec::new());
        for (name, value) in names.iter().zip(values) {
            let name = name.cast_into::<PyString>()?;
            let text = name.to_str()?;
            if self.is_settled(text) {
                check_settled(text, value)?;
                changed = true;
                continue;
            }
            let first = self.first_name(text).map(|first| PyString::new(names.py(), first));
            changed |= first.is_some();
            read.push((first.unwrap_or(name), value.clone()));
        }
        Ok(changed.then_some(read))
    }

    /// The arguments of a call, in the order of the description.
    ///
    /// # Safety
    /// As of PyO3's: `args` points to as many arguments as `nargs` and `names` say, `names` to a tuple or nowhere.
    #[inline]
    pub unsafe fn extract_arguments_fastcall<'py, V: VarargsHandler<'py>, K: VarkeywordsHandler<'py>>(
        &self,
        py: Python<'py>,
        args: *const *mut ffi::PyObject,
        nargs: ffi::Py_ssize_t,
        names: *mut ffi::PyObject,
        output: &mut [Option<Borrowed<'py, 'py, PyAny>>],
    ) -> PyResult<(V::Varargs, K::Varkeywords)> {
        // SAFETY: the caller's.
        let found = unsafe { self.0.extract_arguments_fastcall::<V, K>(py, args, nargs, names, output) };
        match found {
            // SAFETY: the caller's.
            Err(refused) if !names.is_null() => unsafe {
                self.by_second_names::<V, K>(py, args, nargs, names, output, refused)
            },
            found => found,
        }
    }

    /// The arguments of a call that was `refused`, if second names are why.
    ///
    /// # Safety
    /// As of [`Self::extract_arguments_fastcall`], with `names`.
    #[cold]
    unsafe fn by_second_names<'py, V: VarargsHandler<'py>, K: VarkeywordsHandler<'py>>(
        &self,
        py: Python<'py>,
        args: *const *mut ffi::PyObject,
        nargs: ffi::Py_ssize_t,
        names: *mut ffi::PyObject,
        output: &mut [Option<Borrowed<'py, 'py, PyAny>>],
        refused: PyErr,
    ) -> PyResult<(V::Varargs, K::Varkeywords)> {
        // SAFETY: the caller's.
        let names = unsafe { Bound::from_borrowed_ptr(py, names) };
        let names = names.cast::<PyTuple>()?;
        let places = usize::try_from(nargs).unwrap_or(0);
        // SAFETY: the caller's: there are as many objects, which outlive the call.
        let given = unsafe { std::slice::from_raw_parts(args, places + names.len()) };
        // SAFETY: as above.
        let value = |&value: &*mut ffi::PyObject| unsafe { Bound::from_borrowed_ptr(py, value) };
        let values: Vec<_> = given[places..].iter().map(value).collect();
        let Some(read) = self.renamed(names, &values)? else { return Err(refused) };
        let firsts = PyTuple::new(py, read.iter().map(|(name, _)| name))?;
        let given: Vec<_> =
            given[..places].iter().copied().chain(read.iter().map(|(_, value)| value.as_ptr())).collect();
        output.fill(None);
        // SAFETY: the caller's; `firsts` has as many entries as there are arguments behind the first `nargs`, and what goes
        // into the output are the caller's objects: nothing of `firsts` or of `given` itself.
        unsafe { self.0.extract_arguments_fastcall::<V, K>(py, given.as_ptr(), nargs, firsts.as_ptr(), output) }
    }

    /// As PyO3's: what is called with a dictionary has no second names.
    ///
    /// # Safety
    /// As of PyO3's: `args` is a tuple, `kwargs` a dictionary or null.
    pub unsafe fn extract_arguments_tuple_dict<'py, V: VarargsHandler<'py>, K: VarkeywordsHandler<'py>>(
        &self,
        py: Python<'py>,
        args: *mut ffi::PyObject,
        kwargs: *mut ffi::PyObject,
        output: &mut [Option<Borrowed<'py, 'py, PyAny>>],
    ) -> PyResult<(V::Varargs, K::Varkeywords)> {
        // SAFETY: the caller's.
        unsafe { self.0.extract_arguments_tuple_dict::<V, K>(py, args, kwargs, output) }
    }
}
