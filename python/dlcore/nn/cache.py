"""Keys and values of the positions that a transformer has seen, so that each new one costs one position."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import Tensor
from dlcore.autograd import is_grad_enabled

__all__ = ["KVCache"]


class KVCache:
    """The keys and values of one attention layer, for generating.

    Memory doubles when it is full, so that a step writes the new position and copies nothing else.

    Args:
        max_length: how many positions there may be; None for any number.

    Raises:
        ValueError: when `append` gets shapes that do not continue the kept ones, or too many positions.
        RuntimeError: when it gets what a gradient is recorded for.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> import dlcore.nn.functional as F
        >>> x = dlcore.randn(1, 2, 5, 4)  # (N, heads, T, features)
        >>> whole = F.scaled_dot_product_attention(x, x, x, is_causal=True)
        >>> cache, steps = nn.KVCache(), []
        >>> for new in x.split(1, dim=2):
        ...     keys, values = cache.append(new, new)
        ...     steps.append(F.scaled_dot_product_attention(new, keys, values))
        >>> len(cache), dlcore.allclose(dlcore.cat(steps, 2), whole, atol=1e-6)
        (5, True)
    """

    def __init__(self, max_length: int | None = None) -> None:
        self.max_length = max_length
        self._length = 0
        self._memory: tuple[Tensor, Tensor] | None = None

    def __len__(self) -> int:
        return self._length

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keep (..., T, E) and (..., T, V) after what is there, and give all that is there, as views."""
        if is_grad_enabled() and (key.requires_grad or value.requires_grad):
            raise RuntimeError("KVCache.append writes in place, without a gradient: generate under dlcore.no_grad()")
        if key.shape[:-1] != value.shape[:-1]:
            raise ValueError(f"KVCache: keys {tuple(key.shape)} and values {tuple(value.shape)} do not fit together")
        start, end = self._length, self._length + key.shape[-2]
        if self.max_length is not None and end > self.max_length:
            raise ValueError(f"KVCache: {end} positions do not fit its {self.max_length}")
        if self._memory is None:
            self._memory = (_empty(key, end), _empty(value, end))
        kept = self._memory
        for new, old in zip((key, value), kept, strict=True):
            if (*old.shape[:-2], old.shape[-1]) != (*new.shape[:-2], new.shape[-1]):
                shapes = f"{tuple(new.shape)} do not continue {(*old.shape[:-2], start, old.shape[-1])}"
                raise ValueError(f"KVCache: {shapes}; reset() begins anew")
        if end > kept[0].shape[-2]:
            kept = self._memory = (self._grown(kept[0], end), self._grown(kept[1], end))
        kept[0].narrow(-2, start, end - start).copy_(key.detach())
        kept[1].narrow(-2, start, end - start).copy_(value.detach())
        self._length = end
        return kept[0].narrow(-2, 0, end), kept[1].narrow(-2, 0, end)

    def truncate(self, length: int) -> None:
        """Forget the positions from `length` on."""
        if not 0 <= length <= self._length:
            raise ValueError(f"KVCache: cannot truncate {self._length} positions to {length}")
        self._length = length

    def reset(self) -> None:
        """Forget everything, the shapes as well."""
        self._length, self._memory = 0, None

    def _grown(self, old: Tensor, least: int) -> Tensor:
        room = max(2 * old.shape[-2], least)
        new = _empty(old, room if self.max_length is None else min(room, self.max_length))
        new.narrow(-2, 0, self._length).copy_(old.narrow(-2, 0, self._length))
        return new


def _empty(like: Tensor, length: int) -> Tensor:
    return _core.empty((*like.shape[:-2], length, like.shape[-1]), dtype=like.dtype)
