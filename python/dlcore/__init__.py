"""Deep learning on CPUs: PyTorch's names in Python, one engine in Rust underneath.

    import dlcore
    import dlcore.nn.functional as F
    from dlcore import models, nn, optim

Importing this costs milliseconds: numpy and the parts that are packages of their own load when first used. The
functions are listed in `dlcore.engine`, by theme.
"""

from __future__ import annotations

from math import e, inf, nan, pi

from dlcore import amp, answers, autograd, composed, engine, memory
from dlcore._core import __version__
from dlcore.amp import autocast, get_autocast_dtype, is_autocast_enabled, set_autocast_dtype
from dlcore.answers import layout, strided
from dlcore.autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from dlcore.composed import (
    adjoint,
    asarray,
    detach,
    empty_strided,
    get_device,
    is_complex,
    is_nonzero,
    is_same_size,
    is_signed,
    narrow_copy,
    nonzero_static,
    scalar_tensor,
    segment_max,
    segment_mean,
    segment_sum,
    to_dlpack,
    unsafe_chunk,
    unsafe_split,
)
from dlcore.engine import *

answers.give()
composed.give()
newaxis = None

__all__ = [
    "amp", "array_api", "autograd", "data", "datasets", "distributions", "func", "io", "linalg", "memory", "models",
    "nn", "optim", "random", "signal", "special", "testing", "train", "utils",
    "adjoint", "asarray", "broadcast_shapes", "detach", "is_complex", "is_nonzero", "scalar_tensor",
    "segment_max", "segment_mean", "segment_sum",
    "empty_strided", "get_device", "is_same_size", "is_signed", "narrow_copy", "nonzero_static", "to_dlpack",
    "unsafe_chunk", "unsafe_split",
    "Size", "layout", "strided", "newaxis", "e", "inf", "nan", "pi", "__version__",
    "bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window",
    "pca_lowrank", "svd_lowrank",
    "alpha_dropout", "batch_norm", "constant_pad_nd", "dropout", "dropout_", "embedding", "feature_alpha_dropout",
    "feature_dropout", "instance_norm",
    "bilinear", "celu_", "native_channel_shuffle", "pdist", "rrelu_", "selu_", "threshold_",
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor",
    "IntTensor", "LongTensor", "ShortTensor", "set_default_tensor_type",
    "autocast", "get_autocast_dtype", "is_autocast_enabled", "set_autocast_dtype",
    "enable_grad", "no_grad", "inference_mode", "set_grad_enabled",
    "is_grad_enabled", "is_inference_mode_enabled",
    "save", "load", "vmap", "compile", "guard", "summary", "TrainingWarning",
    "get_default_device", "set_default_device", "get_num_interop_threads", "set_num_interop_threads",
    "use_deterministic_algorithms", "are_deterministic_algorithms_enabled", "set_flush_denormal",
    "is_anomaly_enabled", "set_anomaly_enabled",
]  # fmt: skip
__all__ += engine.__all__

# What loads when it is first asked for: packages, and the modules that hold further names.
_PACKAGES = {
    "accelerator", "array_api", "backends", "compiler", "cpu", "cuda", "data", "datasets", "distributed",
    "distributions", "func", "io", "jit", "linalg", "models", "multiprocessing", "nn", "optim", "random", "signal",
    "special", "testing", "train", "utils", "version", "xpu",
}  # fmt: skip
_ELSEWHERE = {
    name: module
    for module, names in {
        "advice": "TrainingWarning",
        "autograd.anomaly": "is_anomaly_enabled set_anomaly_enabled",
        "compiling": "compile",
        "func": "vmap",
        "hints": "are_deterministic_algorithms_enabled get_default_device get_num_interop_threads set_default_device "
        "set_flush_denormal set_num_interop_threads use_deterministic_algorithms",
        "io": "load save",
        "layers": "alpha_dropout batch_norm constant_pad_nd dropout dropout_ embedding feature_alpha_dropout "
        "feature_dropout instance_norm",
        "low_rank": "pca_lowrank svd_lowrank",
        "nn.functional": "bilinear celu_ native_channel_shuffle pdist rrelu_ selu_ threshold_",
        "nn.guard": "guard",
        "nn.summary": "summary",
        "shapes": "Size broadcast_shapes",
        "typed": "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor "
        "LongTensor ShortTensor set_default_tensor_type",
        "windows": "bartlett_window blackman_window hamming_window hann_window kaiser_window",
    }.items()
    for name in names.split()
}

TYPE_CHECKING = False  # as in `typing`, which would be the larger part of this import
if TYPE_CHECKING:  # the same, for who reads the sources without running them; to them, other names are errors
    from dlcore import (
        accelerator,
        array_api,
        backends,
        compiler,
        cpu,
        cuda,
        data,
        datasets,
        distributed,
        distributions,
        func,
        io,
        jit,
        linalg,
        models,
        multiprocessing,
        nn,
        optim,
        random,
        signal,
        special,
        testing,
        train,
        utils,
        version,
        xpu,
    )
    from dlcore.advice import TrainingWarning
    from dlcore.autograd.anomaly import is_anomaly_enabled, set_anomaly_enabled
    from dlcore.compiling import compile
    from dlcore.func import vmap
    from dlcore.hints import *
    from dlcore.io import load, save
    from dlcore.layers import *
    from dlcore.low_rank import *
    from dlcore.nn.functional import (
        bilinear,
        celu_,
        native_channel_shuffle,
        pdist,
        rrelu_,
        selu_,
        threshold_,
    )
    from dlcore.nn.guard import guard
    from dlcore.nn.summary import summary
    from dlcore.shapes import *
    from dlcore.typed import *
    from dlcore.windows import *
else:

    def __getattr__(name):
        """Load a part of dlcore when it is first asked for."""
        from importlib import import_module

        if name in _PACKAGES:
            return import_module(f"dlcore.{name}")
        if name in _ELSEWHERE:
            return getattr(import_module(f"dlcore.{_ELSEWHERE[name]}"), name)
        if name.startswith("_foreach_"):
            return getattr(import_module("dlcore.foreach"), name)
        if name[:1] != "_" == name[-1:] and hasattr(engine.Tensor, name):  # `relu_(x)` is `x.relu_()`
            return getattr(engine.Tensor, name)
        raise AttributeError(f"module 'dlcore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
