//! Second names of keyword arguments: `axis=` for `dim=`, `keepdims=` for `keepdim=`, as numpy spells them and PyTorch takes
//! them, one table for all functions.
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

use pyo3::impl_::extract_argument::{
    self as real, KeywordOnlyParameterDescription, VarargsHandler, VarkeywordsHandler,
};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

/// Second names, each with the first that it stands for.
const NAMES: [(&str, &str); 6] =
    [("axis", "dim"), ("keepdims", "keepdim"), ("x", "input"), ("a", "input"), ("x1", "input"), ("x2", "other")];

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

    /// The names of a call's keywords with first names for second ones, where there are such.
    fn renamed<'py>(&self, names: &Bound<'py, PyTuple>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let mut found = false;
        let firsts = names.iter().map(|name| {
            let first = name.cast::<PyString>().ok().and_then(|name| self.first_name(name.to_str().ok()?));
            found |= first.is_some();
            first.map_or(name, |first| PyString::new(names.py(), first).into_any())
        });
        let firsts: Vec<_> = firsts.collect();
        if found { PyTuple::new(names.py(), firsts).map(Some) } else { Ok(None) }
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
        let Some(firsts) = self.renamed(names.cast()?)? else { return Err(refused) };
        output.fill(None);
        // SAFETY: the caller's; `firsts` has as many entries as `names` and lives to the end of this function, and nothing
        // of it stays in the output.
        unsafe { self.0.extract_arguments_fastcall::<V, K>(py, args, nargs, firsts.as_ptr(), output) }
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
