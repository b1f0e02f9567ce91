"""PyTorch's wrapper for several devices, of which there is one."""

from __future__ import annotations

from typing import Any

from dlcore.nn.module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """Call the module: dlcore splits the work over the CPU's cores itself.

    It is here for programs and checkpoints that have it: names in the state dict begin with ``module.``.

    Args:
        module: what is called.
        device_ids: accepted for PyTorch's programs.
        output_device: likewise.
        dim: likewise.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> model = nn.DataParallel(nn.Linear(2, 3))
        >>> model(dlcore.zeros(4, 2)).shape, list(model.state_dict())
        ((4, 3), ['module.weight', 'module.bias'])
    """

    def __init__(
        self,
        module: Module,
        device_ids: object = None,  # noqa: ARG002 - there is one device
        output_device: object = None,  # noqa: ARG002
        dim: int = 0,  # noqa: ARG002
    ) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module gives."""
        return self.module(*args, **kwargs)
