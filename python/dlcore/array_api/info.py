"""What the namespace can do, for programs that ask."""

from __future__ import annotations

import dlcore
from dlcore._core import dtype
from dlcore.array_api.dtypes import FLOATS, KINDS, check_device

__all__ = ["Info", "__array_namespace_info__"]


class Info:
    """Capabilities, devices and dtypes, as ``__array_namespace_info__()`` returns them.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.__array_namespace_info__().default_device()
        'cpu'
    """

    def capabilities(self) -> dict[str, object]:
        """Optional parts of the standard: masks as indices and shapes that depend on values are supported."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 32}

    def default_device(self) -> str:
        """Where arrays are made."""
        return "cpu"

    def devices(self) -> list[str]:
        """All devices."""
        return ["cpu"]

    def default_dtypes(self, *, device: str | None = None) -> dict[str, dtype]:
        """The dtypes of arrays made without one."""
        check_device(device)
        default = dlcore.get_default_dtype()
        return {
            "real floating": default if default in FLOATS else dlcore.float32,
            "integral": dlcore.int64,
            "indexing": dlcore.int64,
        }

    def dtypes(self, *, device: str | None = None, kind: str | tuple[str, ...] | None = None) -> dict[str, dtype]:
        """The standard's dtypes by name, all or those of a kind."""
        check_device(device)
        kinds = tuple(KINDS) if kind is None else kind if isinstance(kind, tuple) else (kind,)
        for name in kinds:
            if name not in KINDS:
                raise ValueError(f"dtypes: there is no kind {name!r}; there are {', '.join(map(repr, KINDS))}")
        found = (dtype for name in kinds for dtype in KINDS[name])
        return {repr(dtype).removeprefix("dlcore."): dtype for dtype in found if dtype not in NOT_STANDARD}


NOT_STANDARD = (dlcore.float16, dlcore.bfloat16)


def __array_namespace_info__() -> Info:  # noqa: N807 - the standard's name
    """What the namespace can do.

    Example:
        >>> import dlcore.array_api as xp
        >>> sorted(xp.__array_namespace_info__().dtypes(kind="real floating"))
        ['float32', 'float64']
    """
    return Info()
