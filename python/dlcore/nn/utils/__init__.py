"""PyTorch's name for what acts on the parameters of a whole model."""

from dlcore.nn.utils.clip_grad import clip_grad_norm_, clip_grad_value_

__all__ = ["clip_grad_norm_", "clip_grad_value_"]
