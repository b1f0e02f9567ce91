"""Finding the operation behind a wrong gradient: where it was recorded, in which module, and where nan came up."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

from dlcore import _core
from dlcore._core import is_anomaly_enabled

__all__ = ["detect_anomaly", "is_anomaly_enabled", "set_anomaly_enabled", "set_detect_anomaly"]

_PACKAGE = str(Path(__file__).parents[1])
_MODULES = str(Path(__file__).parents[1] / "nn" / "module.py")


def _origin() -> str | None:
    """Where the program is: the innermost line outside dlcore, and the path of the module whose forward runs."""
    frame: FrameType | None = sys._getframe()
    place, modules = None, []
    while frame is not None:
        code = frame.f_code
        if code.co_filename == _MODULES and code.co_name == "_call":
            modules.append(frame.f_locals["self"])
        elif place is None and not code.co_filename.startswith(_PACKAGE):
            line = linecache.getline(code.co_filename, frame.f_lineno).strip()
            place = f"at {code.co_filename}:{frame.f_lineno} in {code.co_name}" + (f": {line}" if line else "")
        frame = frame.f_back
    if modules:
        place = f"{place or 'inside dlcore'}, in module {_path(modules[::-1])}"
    return place


def _path(modules: list[Any]) -> str:
    """The way from the outermost of `modules` to the innermost, each called by the one before."""
    path = type(modules[0]).__name__
    for parent, module in pairwise(modules):
        names = (name for name, found in parent.named_modules() if found is module)
        path += f".{next(names, f'<{type(module).__name__}>')}"
    return path


@contextmanager
def traced(origin: Callable[[], str | None]) -> Iterator[None]:
    """Inside, remember what `origin` says of each operation that is recorded: its `Node.origin`."""
    previous = _core._set_tracing(True, False, origin)
    try:
        yield
    finally:
        _core._set_tracing(*previous, _origin)


class detect_anomaly:  # noqa: N801 - PyTorch's name, used as a function
    """Remember where each operation is recorded, and refuse nan in gradients, naming that place.

    For looking for an error: recording takes several times as long. Errors of a backward say which operation it
    belonged to, at which line of the program it was recorded and in which module. The mode belongs to the thread.

    Args:
        check_nan: whether a backward that gives nan raises.

    Raises:
        GradientError: from ``backward``, where a gradient has nan.

    Example:
        >>> import dlcore
        >>> x = dlcore.tensor([0.0, 1.0], requires_grad=True)
        >>> with dlcore.autograd.detect_anomaly():
        ...     (x.sqrt() * dlcore.tensor([0.0, 1.0])).sum().backward()
        Traceback (most recent call last):
        ...
        dlcore.GradientError: detect_anomaly: the backward of sqrt gave nan in the gradient of shape (2,) by input 0
        sqrt was recorded at ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan

    def __enter__(self) -> None:
        self._previous = _core._set_tracing(True, self._check_nan, _origin)

    def __exit__(self, *exception: object) -> None:
        _core._set_tracing(*self._previous, _origin)


class set_detect_anomaly(detect_anomaly):  # noqa: N801 - PyTorch's name, used as a function
    """As `detect_anomaly`, by a flag: as a statement at once, or after ``with`` for a block.

    Args:
        mode: whether to remember.
        check_nan: whether a backward that gives nan raises.

    Example:
        >>> import dlcore
        >>> with dlcore.autograd.set_detect_anomaly(True):
        ...     dlcore.autograd.anomaly.is_anomaly_enabled()
        True
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._previous = _core._set_tracing(bool(mode), bool(mode) and check_nan, _origin)

    def __enter__(self) -> None:
        pass


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """`set_detect_anomaly` as a statement.

    Example:
        >>> import dlcore
        >>> dlcore.set_anomaly_enabled(True)
        >>> dlcore.is_anomaly_enabled()
        True
        >>> dlcore.set_anomaly_enabled(False)
    """
    set_detect_anomaly(mode, check_nan)
