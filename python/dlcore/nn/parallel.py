"""PyTorch's wrappers for several devices and processes, of which there is one."""

from __future__ import annotations

from typing import Any

from dlcore.nn.module import Module

__all__ = ["DataParallel", "DistributedDataParallel"]


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


class DistributedDataParallel(Module):
    """What programs that may train in several processes import; dlcore trains in one.

    Raises:
        RuntimeError: when it is made.

    Example:
        >>> from dlcore.nn.parallel import DistributedDataParallel
        >>> from dlcore import nn
        >>> model, processes = nn.Linear(2, 3), 1
        >>> model = DistributedDataParallel(model) if processes > 1 else model
    """

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - whatever it is given
        raise RuntimeError("DistributedDataParallel: dlcore trains in one process, on all its cores; leave it out")
