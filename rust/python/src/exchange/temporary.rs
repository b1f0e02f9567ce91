//! Operands that die with the expression: `a * b` in `a * b + c`, whose memory the sum may take (as numpy does it).
//!
//! A reference count of one does not prove it: whoever calls an operator from C may hand over an object that a list or a
//! field of its own holds. The one reference is the interpreter's, which drops it as soon as the operator returns, if
//! the interpreter itself called: the instruction that it is at is a binary operator, and on the C stack nothing but
//! `PyNumber_...` stands between its loop and this library. What cannot be proved so is left alone: other platforms
//! than Linux with glibc, operators in unusual builds, and CPython from 3.14 on, where a local variable may lend the
//! interpreter's stack its only reference.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Whether there is one reference to the object: the first thing to ask, at no cost.
#[inline]
pub fn has_one_reference(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive, and this thread is attached to the interpreter.
    unsafe { pyo3::ffi::Py_REFCNT(object.as_ptr()) == 1 }
}

/// Whether an object with one reference dies with the operator that is being called, unseen by anybody until then.
pub fn is_temporary(object: &Bound<'_, PyAny>) -> bool {
    interpreter::is_at_an_operator(object.py()) && !is_weakly_referenced(object)
}

/// A weak reference may show the object to another thread at any time.
fn is_weakly_referenced(object: &Bound<'_, PyAny>) -> bool {
    static COUNT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let count = COUNT.import(object.py(), "weakref", "getweakrefcount").and_then(|count| count.call1((object,)));
    count.and_then(|count| count.extract::<usize>()).map_or(true, |count| count > 0)
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod interpreter {
    use pyo3::ffi;
    use pyo3::prelude::*;
    use pyo3::sync::PyOnceLock;
    use std::ffi::{CStr, c_void};
    use std::mem::MaybeUninit;
    use std::sync::{Mutex, PoisonError};

    /// Whether the innermost Python frame is executing a binary operator and has called this library for it.
    pub fn is_at_an_operator(py: Python<'_>) -> bool {
        static OPERATOR: PyOnceLock<Option<u8>> = PyOnceLock::new();
        let operator = *OPERATOR.get_or_init(py, || {
            let known = py.version_info() < (3, 14);
            let code = || py.import("opcode")?.getattr("opmap")?.get_item("BINARY_OP")?.extract::<u8>();
            known.then(code)?.ok()
        });
        operator.is_some_and(|operator| instruction(py).is_ok_and(|at| at == operator)) && is_called_directly()
    }

    /// The instruction that the innermost Python frame is executing.
    fn instruction(py: Python<'_>) -> PyResult<u8> {
        // SAFETY: the frame is borrowed from the interpreter, and is null where no Python code runs.
        let frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) };
        let frame = frame.ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("no frame"))?;
        frame.getattr("f_code")?.getattr("co_code")?.get_item(frame.getattr("f_lasti")?)?.extract()
    }

    /// More than lie between an operator of this library and the interpreter's loop.
    const DEPTH: usize = 10;

    /// Return addresses from this library to the interpreter's loop, found to be direct calls. There are a few for each
    /// operator.
    static DIRECT: Mutex<Vec<Box<[usize]>>> = Mutex::new(Vec::new());

    /// Whether nothing but `PyNumber_...` stands on the C stack between this library and the interpreter's loop.
    fn is_called_directly() -> bool {
        let mut frames = [std::ptr::null_mut(); DEPTH];
        let room = libc::c_int::try_from(DEPTH).unwrap_or(0);
        // SAFETY: writes at most as many addresses as there is room for.
        let count = unsafe { libc::backtrace(frames.as_mut_ptr(), room) };
        let frames = frames.map(<*mut c_void>::addr);
        let frames = &frames[..usize::try_from(count).unwrap_or(0).min(DEPTH)];
        let mut direct = DIRECT.lock().unwrap_or_else(PoisonError::into_inner);
        if direct.iter().any(|known| frames.starts_with(known)) {
            return true;
        }
        let Some(depth) = direct_depth(frames) else { return false };
        direct.push(frames[..depth].into());
        true
    }

    /// How many calls lead from the interpreter's loop here, if it has called directly.
    fn direct_depth(frames: &[usize]) -> Option<usize> {
        let own = Symbol::at(direct_depth as fn(&[usize]) -> Option<usize> as usize)?.library;
        let symbols: Vec<Symbol> = frames.iter().map_while(|&frame| Symbol::at(frame - 1)).collect();
        let first = symbols.iter().position(|symbol| symbol.library != own)?;
        let depth = symbols.iter().position(|symbol| symbol.is(c"_PyEval_EvalFrameDefault"))?;
        let (python, between) = (symbols[depth].library, symbols.get(first..depth)?);
        let (number, inner) = between.split_last()?;
        // A static function of the interpreter may stand in front (it has no name here), but no second `PyNumber_...`,
        // which somebody between the two would have called.
        let direct = number.starts_with("PyNumber_") && inner.len() <= 1 && inner.iter().all(|s| s.name.is_none());
        (direct && between.iter().all(|symbol| symbol.library == python)).then_some(depth + 1)
    }

    /// Where an address of code belongs.
    struct Symbol {
        library: *mut c_void,
        name: Option<&'static CStr>,
    }

    impl Symbol {
        fn at(address: usize) -> Option<Self> {
            let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
            // SAFETY: dladdr takes any address, and fills what all-zero bytes make valid before.
            let info = unsafe {
                (libc::dladdr(std::ptr::without_provenance(address), info.as_mut_ptr()) != 0)
                    .then(|| info.assume_init())
            }?;
            // SAFETY: a name is a string of a library that is loaded and, with its code on the stack, stays so.
            let name = (!info.dli_sname.is_null()).then(|| unsafe { CStr::from_ptr(info.dli_sname) });
            Some(Self { library: info.dli_fbase, name })
        }

        fn is(&self, name: &CStr) -> bool {
            self.name == Some(name)
        }

        fn starts_with(&self, prefix: &str) -> bool {
            self.name.is_some_and(|name| name.to_bytes().starts_with(prefix.as_bytes()))
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod interpreter {
    pub fn is_at_an_operator(_: pyo3::Python<'_>) -> bool {
        false
    }
}
