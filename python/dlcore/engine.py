"""What the engine offers as names of `dlcore`, by theme: the one list of them.

All of the engine comes in, as its stub types it, and `__all__` says what goes on to be `dlcore.<name>`. The rest is in
`nn.functional`, `linalg`, `special` and `optim`, or is for the package alone.
"""

from dlcore._core import *
from dlcore._core import cat as concat, cat as concatenate

__all__ = [
    # what everything is made of, and what goes wrong
    "Tensor", "device", "Generator", "ShapeError", "DTypeError", "GradientError",
    # dtypes
    "dtype", "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "short", "int32", "int", "int64",
    "long", "float16", "half", "bfloat16", "float32", "float", "float64", "double", "finfo", "iinfo",
    "is_floating_point", "can_cast", "promote_types", "result_type", "get_default_dtype", "set_default_dtype",
    # how they lie in memory
    "memory_format", "contiguous_format", "preserve_format", "channels_last", "channels_last_3d",
    # making tensors
    "tensor", "as_tensor", "from_numpy", "from_dlpack", "frombuffer", "empty", "empty_like", "zeros", "zeros_like",
    "ones", "ones_like", "full", "full_like", "fill", "zero_", "eye", "arange", "linspace", "logspace", "clone",
    "meshgrid", "cartesian_prod", "combinations", "tril_indices", "triu_indices", "vander",
    # random numbers
    "manual_seed", "seed", "initial_seed", "default_generator", "get_rng_state", "set_rng_state", "rand",
    "rand_like", "randn", "randn_like", "randint", "randint_like", "randperm", "normal", "truncated_normal",
    "bernoulli", "multinomial", "poisson", "standard_gamma",
    # arithmetic, number by number
    "add", "sub", "subtract", "rsub", "mul", "multiply", "div", "divide", "true_divide", "floor_divide",
    "remainder", "fmod", "pow", "float_power", "square", "sqrt", "rsqrt", "reciprocal", "abs", "absolute", "neg",
    "negative", "positive", "sign", "sgn", "signbit", "copysign", "nextafter", "ldexp", "frexp", "addcmul",
    "addcdiv", "lerp", "gcd", "lcm", "hypot", "exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "logaddexp",
    "logaddexp2", "xlogy", "sigmoid", "logit", "ceil", "floor", "round", "trunc", "fix", "frac", "clamp",
    "clamp_max", "clamp_min", "clip", "nan_to_num", "heaviside", "maximum", "minimum", "fmax", "fmin", "sin", "cos",
    "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "arcsin", "arccos",
    "arctan", "arctan2", "arcsinh", "arccosh", "arctanh", "sinc", "deg2rad", "rad2deg", "angle", "conj",
    "conj_physical", "real", "erf", "erfc", "erfinv", "lgamma", "mvlgamma", "digamma", "polygamma", "igamma",
    "igammac", "i0",
    # comparisons, truth and bits
    "eq", "ne", "not_equal", "lt", "less", "le", "less_equal", "gt", "greater", "ge", "greater_equal", "equal",
    "allclose", "isclose", "isfinite", "isinf", "isposinf", "isneginf", "isnan", "isreal", "isin", "is_tensor",
    "where", "logical_and", "logical_or", "logical_xor", "logical_not", "bitwise_and", "bitwise_or", "bitwise_xor",
    "bitwise_not", "bitwise_left_shift", "bitwise_right_shift",
    # from many numbers, fewer
    "sum", "nansum", "prod", "mean", "nanmean", "median", "nanmedian", "mode", "std", "std_mean", "var", "var_mean",
    "max", "min", "amax", "amin", "aminmax", "argmax", "argmin", "all", "any", "count_nonzero", "numel", "norm",
    "dist", "logsumexp", "quantile", "nanquantile", "kthvalue", "topk", "cov", "corrcoef", "histc", "histogram",
    "bincount", "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "diff", "gradient", "trapezoid", "trapz",
    "cumulative_trapezoid", "renorm",
    # order
    "sort", "argsort", "msort", "unique", "unique_consecutive", "searchsorted", "bucketize",
    # shapes and places
    "reshape", "ravel", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "t", "swapaxes",
    "swapdims", "moveaxis", "movedim", "broadcast_to", "broadcast_tensors", "atleast_1d", "atleast_2d",
    "atleast_3d", "as_strided", "flip", "fliplr", "flipud", "roll", "rot90", "tile", "repeat_interleave", "cat",
    "concat", "concatenate", "stack", "hstack", "vstack", "dstack", "column_stack", "row_stack", "block_diag",
    "split", "split_with_sizes", "chunk", "tensor_split", "hsplit", "vsplit", "dsplit", "unbind", "diag",
    "diagflat", "diag_embed", "diagonal", "tril", "triu", "select", "narrow", "take", "take_along_dim", "gather",
    "index_select", "masked_select", "nonzero", "argwhere", "unravel_index", "scatter", "scatter_add",
    "scatter_reduce", "index_add", "index_copy", "index_fill", "index_put", "index_reduce", "masked_fill",
    "masked_scatter", "put", "as_strided_scatter", "diagonal_scatter", "select_scatter", "slice_scatter",
    # products and matrices
    "matmul", "mm", "bmm", "mv", "dot", "vdot", "inner", "outer", "ger", "addmm", "addmv", "addr", "addbmm",
    "baddbmm", "chain_matmul", "einsum", "tensordot", "kron", "cross", "trace", "cdist", "cholesky",
    "cholesky_inverse", "cholesky_solve", "det", "logdet", "slogdet", "geqrf", "inverse", "pinverse", "lu",
    "lu_solve", "lu_unpack", "qr", "svd", "matrix_exp", "matrix_power",
    # layers as functions
    "softmax", "log_softmax", "relu", "rrelu", "prelu", "celu", "selu", "threshold", "hardshrink", "layer_norm",
    "group_norm", "rms_norm", "ctc_loss", "cosine_similarity", "pairwise_distance", "conv1d", "conv2d", "conv3d",
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "max_pool1d", "max_pool2d", "max_pool3d",
    "avg_pool1d", "adaptive_avg_pool1d", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "lstm", "lstm_cell",
    "gru", "gru_cell", "rnn_tanh", "rnn_tanh_cell", "rnn_relu", "rnn_relu_cell",
    # how it runs and shows
    "get_num_threads", "set_num_threads", "get_float32_matmul_precision", "set_float32_matmul_precision",
    "get_printoptions", "set_printoptions",
]  # fmt: skip
