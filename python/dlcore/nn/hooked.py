"""Functions that are called around a module's ``forward``.

A module without hooks pays one look at an empty dictionary; hooks are kept by kind, in the order of registering.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dlcore.hooks import RemovableHandle

__all__ = ["Hooked"]

_Hooks = dict[int, Any]


class Hooked:
    """The part of `Module` that calls hooks."""

    # kind -> hooks; an instance gets its own when it needs one
    _hooks: Mapping[str, _Hooks] = {}
    forward: Callable[..., Any]

    def _of_kind(self, kind: str) -> _Hooks:
        """The hooks of a kind, to be changed."""
        if kind not in self._hooks:
            self._hooks = {**self._hooks, kind: {}}
        return self._hooks[kind]

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before every ``forward``; what it returns, if anything, replaces the arguments.

        Args:
            hook: gives None, one argument or a tuple of arguments.
            prepend: call it before those that are registered already.
            with_kwargs: call ``hook(module, args, kwargs)``, which gives None or new ``(args, kwargs)``.

        Returns:
            A handle whose ``remove`` takes the hook away.

        Example:
            >>> from dlcore import nn, ones
            >>> layer = nn.Identity()
            >>> handle = layer.register_forward_pre_hook(lambda module, args: args[0] * 2)
            >>> layer(ones(2)).tolist()
            [2.0, 2.0]
        """
        return RemovableHandle(self._of_kind("forward_pre"), (hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after every ``forward``; what it returns, if anything, is the output.

        Args:
            hook: gives None or another output.
            prepend: call it before those that are registered already.
            with_kwargs: call ``hook(module, args, kwargs, output)``.
            always_call: call it also, with the output None, when ``forward`` raises.

        Returns:
            A handle whose ``remove`` takes the hook away.

        Example:
            >>> from dlcore import nn, ones
            >>> layer, seen = nn.Linear(2, 3), []
            >>> with layer.register_forward_hook(lambda module, args, output: seen.append(output.shape)):
            ...     _ = layer(ones(4, 2))
            >>> seen
            [(4, 3)]
        """
        return RemovableHandle(self._of_kind("forward"), (hook, with_kwargs, always_call), prepend)

    def _call_hooked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for hook, with_kwargs in list(self._hooks.get("forward_pre", {}).values()):
            if with_kwargs:
                new = hook(self, args, kwargs)
                if new is not None:
                    args, kwargs = new
            else:
                new = hook(self, args)
                if new is not None:
                    args = new if isinstance(new, tuple) else (new,)
        after = list(self._hooks.get("forward", {}).values())
        try:
            output = self.forward(*args, **kwargs)
        except Exception:
            for hook, with_kwargs, always in after:
                if always:
                    hook(self, args, kwargs, None) if with_kwargs else hook(self, args, None)
            raise
        for hook, with_kwargs, _ in after:
            new = hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
            output = output if new is None else new
        return output
