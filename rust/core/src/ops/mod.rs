//! The operations, one family a file, and the one list of them.
//!
//! To add one: a struct in its family's file with forward, backward and samples side by side, and its name in
//! `registry!` below. Bindings, Python names and test references follow from there; a test names what is missing.

pub mod activation;
pub mod adaptive;
pub mod addmm;
pub mod arithmetic;
pub mod arrange;
pub mod attention;
pub mod bag;
pub mod batch_norm;
pub mod blend;
pub mod cast;
pub mod compare;
pub mod conv;
mod conv_integer;
pub mod convolution;
pub mod copy;
pub mod cross_entropy;
pub mod ctc;
pub mod cut;
pub mod distances;
pub mod dropout;
pub mod extremum;
pub mod factors;
pub mod gather;
pub mod grid;
pub mod images;
pub mod index;
pub mod join;
pub mod least_squares;
pub mod length;
pub mod likelihood;
pub mod linalg;
pub mod linear_cross_entropy;
pub mod loss;
pub mod lu;
pub mod margin;
pub mod matrices;
pub mod matrix_stack;
pub mod nextafter;
pub mod norm;
pub(crate) mod order;
pub mod over;
pub mod pad;
pub mod pairs;
pub mod placing;
pub mod pool;
pub mod pooling;
pub mod products;
pub mod recurrent;
pub mod reduce;
pub mod resample;
pub mod rms_norm;
pub mod sample;
pub mod samples;
pub mod scan;
pub mod scatter_reduce;
pub mod search;
pub mod select;
pub mod select_rows;
pub mod sets;
pub mod shape;
pub mod softmax;
pub mod sort;
pub mod special;
pub mod statistics;
pub mod strided;
pub mod systems;
pub mod unary;
pub mod variance;

pub use activation::leaky_relu;
pub use arithmetic::{accumulate_into, add, div, floor_divide, maximum, minimum, mul, neg, pow, remainder, sub};
pub use attention::{AttentionOptions, scaled_dot_product_attention};
pub use bag::{Bags, embedding_bag};
pub use batch_norm::{BatchNormOptions, batch_norm};
pub use cast::cast;
pub use compare::{
    eq, ge, gt, isclose, isfinite, isinf, isnan, le, logical_and, logical_not, logical_or, logical_xor, lt, ne,
};
pub use conv::{Convolution, conv2d};
pub use copy::copy;
pub use cross_entropy::cross_entropy;
pub use dropout::dropout;
pub use extremum::{amax, amin, argmax, argmin, max_dim, min_dim};
pub use gather::{gather, scatter_add};
pub use index::{embedding, index, index_put, index_select, masked_select, nonzero, one_hot};
pub use join::{cat, flip, repeat, stack, tril, triu};
pub use linalg::{linear, matmul};
pub use linear_cross_entropy::linear_cross_entropy;
pub use loss::{Reduction, binary_cross_entropy_with_logits, huber_loss, l1_loss, mse_loss, nll_loss, smooth_l1_loss};
pub use nextafter::nextafter;
pub use norm::{group_norm, layer_norm};
pub use pad::{Border, pad};
pub use pairs::{atan2, bitwise_and, bitwise_not, bitwise_or, bitwise_xor, copysign, fmod, hypot};
pub use pool::{Pooling, avg_pool2d, max_pool2d};
pub use recurrent::{Kind as RecurrentKind, RecurrentOptions, recurrent, recurrent_cell};
pub use reduce::{all_of, any_of, logsumexp, mean, prod, sum};
pub use rms_norm::rms_norm;
pub use scan::{cumprod, cumsum};
pub use select::{clamp, masked_fill, where_};
pub use shape::{broadcast_to, contiguous, pad_end, permute, reshape, reshape_inferred, slice, sum_to, transpose};
pub use softmax::{log_softmax, softmax};
pub use sort::{sort, topk};
pub use unary::{
    abs, acos, acosh, asin, asinh, atan, atanh, ceil, cos, cosh, digamma, erf, erfc, erfinv, exp, exp2, expm1, floor,
    frac, gelu, lgamma, log, log1p, log2, log10, logsigmoid, reciprocal, relu, round, rsqrt, scaled_softplus, sigmoid,
    sign, silu, sin, sinh, softplus, sqrt, square, tan, tanh, trunc,
};
pub use variance::{std, var};

use sample::{Entry, differentiable, discrete};

macro_rules! registry {
    (differentiable: $($smooth:path),* ; discrete: $($jumpy:path),* $(;)?) => {
        /// Every operation, in the order of this file.
        #[must_use]
        pub fn registry() -> Vec<Entry> {
            vec![$(differentiable::<$smooth>(),)* $(discrete::<$jumpy>(),)*]
        }
    };
}

registry! {
    differentiable:
        arithmetic::Add, arithmetic::Sub, arithmetic::Mul, arithmetic::Div, arithmetic::Neg, arithmetic::Pow,
        arithmetic::Maximum, arithmetic::Minimum, arithmetic::Remainder, arithmetic::FloorDivide, pairs::Fmod, pairs::Atan2, pairs::Hypot,
        pairs::Copysign, pairs::LogAddExp, pairs::LogAddExp2,
        cast::Cast, copy::Copy,
        unary::Exp, unary::Exp2, unary::Expm1, unary::Log, unary::Log2, unary::Log10, unary::Log1p, unary::Sqrt, unary::Rsqrt, unary::Reciprocal, unary::Sin,
        unary::Cos, unary::Tanh, unary::Sigmoid, unary::LogSigmoid, unary::Softplus, unary::Relu, unary::Gelu,
        unary::Silu, unary::Erf, unary::Abs, unary::Square, unary::Sign, unary::Floor, unary::Ceil, unary::Round,
        unary::Trunc, unary::Angle, unary::Frac, unary::Cube, unary::InverseSquare, unary::Logit, unary::Tan, unary::Asin, unary::Acos, unary::Atan, unary::Sinh, unary::Cosh, unary::Asinh,
        unary::Acosh, unary::Atanh, unary::Erfc, unary::Erfinv, unary::Lgamma, unary::Digamma, special::Polygamma,
        unary::Sinc, unary::Entr,
        unary::I0, unary::I0e, unary::I1, unary::I1e, unary::Erfcx, unary::Ndtri, pairs::Igamma, pairs::Igammac,
        activation::Elu, activation::LeakyRelu, activation::Hardtanh, activation::Threshold, activation::Hardshrink,
        activation::Softshrink, activation::Hardsigmoid, activation::Hardswish, activation::Softsign, activation::Mish,
        select::Where, select::Constant, select::Clamp, select::ClampBetween, select::NanToNum, nextafter::Frexp,
        reduce::Sum, reduce::NanSum, reduce::Mean, reduce::Prod, reduce::LogSumExp, variance::Spread<false>, variance::Spread<true>, length::Length,
        extremum::Amax, extremum::Amin, extremum::MaxDim, extremum::MinDim,
        join::Cat, join::Flip, join::Roll, join::Triangle, pad::Pad, placing::Scatter, arrange::Diagonal,
        arrange::Unfold, strided::AsStrided, strided::AsStridedScatter, scan::Cumsum, scan::Cumprod, sort::Sort, sort::TopK,
        sort::RunningExtreme<true>, sort::RunningExtreme<false>,
        linalg::MatMul, products::Cross, addmm::AddMm, linalg::Linear,
        systems::Solve, systems::SolveTriangular, systems::Inverse, systems::Det, systems::LogAbsDet, lu::Lu,
        factors::Cholesky, factors::Qr, factors::Svd, factors::Eigh, factors::Pinv,
        likelihood::BinaryCrossEntropy, ctc::CtcLoss, blend::Lerp, blend::AddProduct, blend::AddRatio, loss::Huber,
        distances::Distances, distances::PairDistances, statistics::Median,
        conv::Conv2d, conv::Conv2dGradInput, conv::Conv2dGradWeight,
        pool::MaxPool2d, adaptive::AdaptiveMaxPool2d, pool::AvgPool2d, pool::AvgPool2dGrad, pooling::MaxUnpool, images::Im2col, resample::Resample, grid::GridSample,
        softmax::Softmax, softmax::LogSoftmax, cross_entropy::CrossEntropy, linear_cross_entropy::LinearCrossEntropy,
        attention::ScaledDotProductAttention, recurrent::Recurrent,
        norm::LayerNorm, rms_norm::RmsNorm, batch_norm::BatchNorm, batch_norm::BatchNormInference,
        select_rows::IndexSelect, select_rows::IndexAdd, select_rows::IndexPut, gather::Gather, gather::ScatterAdd,
        scatter_reduce::ScatterReduce, scan::LogCumSumExp,
        shape::Reshape, shape::Permute, shape::Expand, shape::Slice, shape::SliceScatter;
    discrete:
        compare::Eq, compare::Ne, compare::Lt, compare::Le, compare::Gt, compare::Ge,
        compare::LogicalAnd, compare::LogicalOr, compare::LogicalXor, compare::LogicalNot,
        compare::IsNan, compare::IsInf, compare::IsFinite,
        reduce::All, reduce::Any, extremum::ArgMax, extremum::ArgMin,
        pairs::BitwiseAnd, pairs::BitwiseOr, pairs::BitwiseXor,
        pairs::ShiftLeft, pairs::ShiftRight, pairs::Gcd, pairs::Lcm, pairs::Zeta, blend::Heaviside, index::Nonzero, index::OneHot;
}
