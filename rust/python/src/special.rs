//! The special functions that have no name but under `dlcore.special`.

use crate::convert::{Arg, Operand};
use crate::functional::one_tensor;
use crate::out::{self, Out};
use crate::tensor::PyTensor;
use dlcore_core::ops::{pairs, special as core, unary};
use pyo3::prelude::*;

macro_rules! special {
    (
        of_one: { $($(#[$doc:meta])* $name:ident as $text:literal => $op:expr;)* }
        of_two: { $($(#[$pair_doc:meta])* $pair:ident as $pair_text:literal => $pair_op:expr;)* }
    ) => {
        $(
            $(#[$doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(name = $text, signature = (input, *, out = None))]
            fn $name<'py>(py: Python<'py>, input: Arg, out: Out<'py>) -> PyResult<Bound<'py, PyTensor>> {
                out::into(py, stringify!($name), input.0.numel(), out, || $op(&input.0))
            }
        )*
        $(
            $(#[$pair_doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(name = $pair_text, signature = (input, other, *, out = None))]
            fn $pair<'py>(
                py: Python<'py>, input: Operand, other: Operand, out: Out<'py>,
            ) -> PyResult<Bound<'py, PyTensor>> {
                one_tensor($pair_text, &input, &other)?;
                let (a, b) = Operand::pair(input, other)?;
                out::into(py, stringify!($pair), a.numel().max(b.numel()), out, || $pair_op(&a, &b))
            }
        )*

        /// Registers the functions of this file.
        pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            $(module.add_function(wrap_pyfunction!($pair, module)?)?;)*
            Ok(())
        }
    };
}

special! {
    of_one: {
    /// ``-x * log(x)`` of each element: 0 at zero, minus infinity below.
    ///
    /// >>> dlcore.special.entr(dlcore.tensor([0.0, 0.5]))
    /// tensor([0.0000, 0.3466])
    entr as "special_entr" => unary::entr;
    /// ``exp(x ** 2) * erfc(x)`` of each element.
    ///
    /// >>> dlcore.special.erfcx(dlcore.tensor([0.0, 10.0]))
    /// tensor([1.0000, 0.0561])
    erfcx as "special_erfcx" => unary::erfcx;
    /// The modified Bessel function of the first kind of order 0, over ``exp(|x|)``.
    ///
    /// >>> dlcore.special.i0e(dlcore.tensor([0.0, 10.0]))
    /// tensor([1.0000, 0.1278])
    i0e as "special_i0e" => unary::i0e;
    /// The modified Bessel function of the first kind of order 1.
    ///
    /// >>> dlcore.special.i1(dlcore.tensor([0.0, 1.0]))
    /// tensor([0.0000, 0.5652])
    i1 as "special_i1" => unary::i1;
    /// The modified Bessel function of the first kind of order 1, over ``exp(|x|)``.
    ///
    /// >>> dlcore.special.i1e(dlcore.tensor([0.0, 1.0]))
    /// tensor([0.0000, 0.2079])
    i1e as "special_i1e" => unary::i1e;
    /// The logarithm of ``ndtr``, accurate also where that vanishes.
    ///
    /// >>> dlcore.special.log_ndtr(dlcore.tensor([-10.0, 0.0]))
    /// tensor([-53.2313,  -0.6931])
    log_ndtr as "special_log_ndtr" => core::log_ndtr;
    /// The probability that a standard normal variable stays below each element.
    ///
    /// >>> dlcore.special.ndtr(dlcore.tensor([0.0, 1.0]))
    /// tensor([0.5000, 0.8413])
    ndtr as "special_ndtr" => core::ndtr;
    /// The number that a standard normal variable stays below with each probability; NaN outside 0 to 1 (Wichura 1988).
    ///
    /// >>> dlcore.special.ndtri(dlcore.tensor([0.5, 0.975]))
    /// tensor([0.0000, 1.9600])
    ndtri as "special_ndtri" => unary::ndtri;

    }
    of_two: {
    /// ``input * log1p(other)``: zero where ``input`` is, whatever ``other`` is, but for NaN.
    ///
    /// >>> dlcore.special.xlog1py(dlcore.tensor([0.0, 2.0]), dlcore.tensor([-1.0, 1.0]))
    /// tensor([0.0000, 1.3863])
    xlog1py as "special_xlog1py" => core::xlog1py;
    /// Hurwitz's zeta function: the sum of ``1 / (k + other) ** input`` over ``k`` from 0 on.
    ///
    /// >>> dlcore.special.zeta(dlcore.tensor([2.0]), 1.0)
    /// tensor([1.6449])
    zeta as "special_zeta" => pairs::zeta;
    }
}
