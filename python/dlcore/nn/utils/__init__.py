"""PyTorch's name for what acts on the parameters of a whole model, and for sequences of different lengths."""

from dlcore.nn.utils import parametrizations, parametrize, rnn
from dlcore.nn.utils.clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from dlcore.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from dlcore.nn.utils.parametrizations import spectral_norm, weight_norm

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "rnn",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]
