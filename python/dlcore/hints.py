"""PyTorch's hints about determinism, devices and threads, which programs give: they change nothing here."""

from __future__ import annotations

from dlcore._core import device as _device

__all__ = [
    "are_deterministic_algorithms_enabled",
    "get_default_device",
    "get_num_interop_threads",
    "set_default_device",
    "set_flush_denormal",
    "set_num_interop_threads",
    "use_deterministic_algorithms",
]


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Do nothing: results are the same bits in every run, whatever `mode` says.

    Example:
        >>> import dlcore
        >>> dlcore.use_deterministic_algorithms(True)
    """


def are_deterministic_algorithms_enabled() -> bool:
    """True: there are no others.

    Example:
        >>> import dlcore
        >>> dlcore.are_deterministic_algorithms_enabled()
        True
    """
    return True


def set_default_device(device: str | _device | None) -> None:
    """Do nothing for the CPU, which is the one device.

    Raises:
        RuntimeError: another device.

    Example:
        >>> import dlcore
        >>> dlcore.set_default_device("cpu")
    """
    if device is not None:
        _device(device)


def get_default_device() -> _device:
    """The CPU.

    Example:
        >>> import dlcore
        >>> dlcore.get_default_device()
        device(type='cpu')
    """
    return _device("cpu")


def set_num_interop_threads(num: int) -> None:
    """Do nothing: operations run one after the other, each in the threads of `dlcore.set_num_threads`.

    Example:
        >>> import dlcore
        >>> dlcore.set_num_interop_threads(1)
    """


def set_flush_denormal(mode: bool) -> bool:  # noqa: ARG001 - for PyTorch's programs
    """False, as nothing is done: numbers of less than full precision are computed with as all others.

    Example:
        >>> import dlcore
        >>> dlcore.set_flush_denormal(True)
        False
    """
    return False


def get_num_interop_threads() -> int:
    """1: operations run one after the other.

    Example:
        >>> import dlcore
        >>> dlcore.get_num_interop_threads()
        1
    """
    return 1
