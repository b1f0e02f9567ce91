"""Functions that modules and optimizers call on the way, and the handles that take them away again."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

__all__ = ["RemovableHandle", "call_all"]


class RemovableHandle:
    """What registering a hook returns: `remove` takes the hook away, as does the end of a ``with``.

    Example:
        >>> from dlcore import nn, zeros
        >>> layer = nn.ReLU()
        >>> with layer.register_forward_hook(lambda module, args, output: output + 1):
        ...     hooked = layer(zeros(3))
        >>> hooked.tolist(), layer(zeros(3)).tolist()
        ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
    """

    _count = 0

    def __init__(self, hooks: dict[int, Any], hook: Any, prepend: bool = False) -> None:
        RemovableHandle._count += 1
        self.id, self._hooks = RemovableHandle._count, hooks
        later = dict(hooks) if prepend else {}
        if prepend:
            hooks.clear()
        hooks[self.id] = hook
        hooks.update(later)

    def remove(self) -> None:
        """Take the hook away; a second time nothing happens."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def call_all(hooks: dict[int, Callable[..., Any]] | None, *args: Any) -> None:
    """Call every hook, in the order of registering."""
    for hook in list((hooks or {}).values()):
        hook(*args)
