"""Warning of layers that a module keeps in a plain list, tuple or dictionary, where nothing finds them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlcore._core import Tensor
from dlcore.advice import advise
from dlcore.nn.parameter import Parameter

if TYPE_CHECKING:
    from dlcore.nn.module import Module

__all__ = ["warn_of_unregistered"]

_DEPTH = 3  # lists in lists in lists


def is_being_made(module: Module) -> bool:
    """Whether an ``__init__`` of the module is running, which may still register what it holds."""
    frame = sys._getframe(1).f_back
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__init__" and code.co_argcount and frame.f_locals.get(code.co_varnames[0]) is module:
            return True
        frame = frame.f_back
    return False


def warn_of_unregistered(root: Module) -> None:
    """Warn of the first container with parameters to be trained that are not among those of `root`."""
    from dlcore.nn.module import Module

    registered = {id(parameter) for module in root.modules() for _, parameter in module._own_parameters()}
    for path, module in root.named_modules():
        if type(module).parameters is not Module.parameters or type(root).parameters is not Module.parameters:
            continue  # it says itself what its parameters are
        for name, value in module.__dict__.items():
            for item in _items(value, _DEPTH):
                if any(id(parameter) not in registered for parameter in _trained(item)):
                    advise(_text(".".join(filter(None, [type(root).__name__, path, name])), value, item))
                    return


def _text(where: str, container: object, item: Module | Parameter) -> str:
    parameters, kind = isinstance(item, Tensor), "Dict" if isinstance(container, dict) else "List"
    return (
        f"{where}: {'parameters' if parameters else 'layers'} in a plain {type(container).__name__} are not part of "
        "the module: its parameters(), state_dict() and to() leave them out; keep them in an "
        f"nn.{'Parameter' if parameters else 'Module'}{kind}"
    )


def _items(value: object, depth: int) -> Iterator[Module | Parameter]:
    """The modules and parameters in a container, looked for only where the first entry may be one.

    A list or tuple of one entry is how a program holds a module on purpose without making it a part.
    """
    from dlcore.nn.module import Module

    if depth and ((isinstance(value, (list, tuple)) and len(value) > 1) or (isinstance(value, dict) and value)):
        entries = value.values() if isinstance(value, dict) else value
        if isinstance(next(iter(entries)), (Module, Parameter, list, tuple, dict)):
            for entry in entries:
                if isinstance(entry, (Module, Parameter)):
                    yield entry
                else:
                    yield from _items(entry, depth - 1)


def _trained(item: Module | Parameter) -> Iterator[Parameter]:
    own = [item] if isinstance(item, Parameter) else (p for m in item.modules() for _, p in m._own_parameters())
    return (parameter for parameter in own if parameter.requires_grad)
