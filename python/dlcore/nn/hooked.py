"""Functions that are called around a module's ``forward``.

A module without hooks pays one look at an empty dictionary; hooks are kept by kind, in the order of registering.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dlcore.hooks import RemovableHandle

if TYPE_CHECKING:
    from dlcore.nn.backward_hooks import BackwardHooks

__all__ = ["ComputingHook", "Hooked"]

_Hooks = dict[int, Any]


class ComputingHook:
    """A hook before ``forward`` that sets the attribute `name` of its module to a tensor computed from others."""

    name: str


class Hooked:
    """The part of `Module` that calls hooks."""

    # kind -> hooks; an instance gets its own when it needs one
    _hooks: Mapping[str, _Hooks] = {}
    forward: Callable[..., Any]

    def __getstate__(self) -> dict[str, Any]:
        # What a hook computes is copied and pickled without its graph: the copy's next call computes its own.
        state = self.__dict__.copy()
        for hook, _ in self._hooks.get("forward_pre", {}).values():
            if isinstance(hook, ComputingHook):
                state[hook.name] = state[hook.name].detach()
        return state

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

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients by the positional arguments are known.

        Args:
            hook: takes two tuples, with None for what is no tensor or needs no gradient; gives None or another
                `grad_input`.
            prepend: call it before those that are registered already.

        Returns:
            A handle whose ``remove`` takes the hook away.

        Example:
            >>> from dlcore import nn, ones
            >>> layer, seen = nn.ReLU(), []
            >>> handle = layer.register_full_backward_hook(lambda module, inward, outward: seen.append(inward[0]))
            >>> layer(ones(2, requires_grad=True)).sum().backward()
            >>> seen
            [tensor([1., 1.])]
        """
        return RemovableHandle(self._of_kind("backward"), hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when the gradients by the outputs are known, before they are used.

        Args:
            hook: gives None or another `grad_output`.
            prepend: call it before those that are registered already.

        Returns:
            A handle whose ``remove`` takes the hook away.
        """
        return RemovableHandle(self._of_kind("backward_pre"), hook, prepend)

    register_backward_hook = register_full_backward_hook

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
        backward = self._backward_hooks()
        args = args if backward is None else backward.enter(args)
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
        return output if backward is None else backward.leave(output)

    def _backward_hooks(self) -> BackwardHooks | None:
        if not (self._hooks.get("backward") or self._hooks.get("backward_pre")):
            return None
        from dlcore.nn.backward_hooks import BackwardHooks

        return BackwardHooks(self)
