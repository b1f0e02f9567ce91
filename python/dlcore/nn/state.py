"""The state dict of a module: its parameters and persistent buffers by dotted name, read and written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from dlcore import _core
from dlcore._core import Tensor
from dlcore.autograd import no_grad
from dlcore.hooks import RemovableHandle
from dlcore.nn.parameter import Parameter

if TYPE_CHECKING:
    from dlcore.nn.module import Module

__all__ = ["IncompatibleKeys", "Stateful"]

_EXTRA = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` left out."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Stateful:
    """The part of `Module` that saves and loads."""

    _hooks: Mapping[str, dict[int, Any]]
    _of_kind: Callable[[str], dict[int, Any]]

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """All parameters and persistent buffers by dotted name, PyTorch's names and shapes.

        The tensors share the module's memory, so that a later step of the optimizer changes them too;
        `dlcore.save` writes them as they are, ``{name: t.clone() for ...}`` keeps them.

        Args:
            destination: a dictionary to add them to.
            prefix: put before every name.
            keep_vars: give the tensors themselves instead of detached ones.
        """
        state: dict[str, Any] = OrderedDict() if destination is None else destination
        modules = [(f"{prefix}{path}." if path else prefix, module) for path, module in _modules(self)]
        for start, module in modules:
            for hook in module._hooks.get("state_dict_pre", {}).values():
                hook(module, start, keep_vars)
            module._save_to_state_dict(state, start, keep_vars)
            if _has_extra_state(module):
                state[start + _EXTRA] = module.get_extra_state()
        for start, module in reversed(modules):
            for hook in module._hooks.get("state_dict_post", {}).values():
                hook(module, state, start, {})
        return state

    # Modules of others override these two, whose names are PyTorch's, to add to a state dict or to change one.

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, tensor in self._own_state():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        # Tensors are copied when all modules were called, if there are no errors then.
        for hook in list(self._hooks.get("load_pre", {}).values()):  # a lazy layer removes its own
            hook(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)

    def _own_state(self) -> Iterator[tuple[str, Tensor]]:
        module = cast("Module", self)
        yield from module._own_parameters()
        yield from ((name, tensor) for name, tensor in module._own_buffers() if module._persistent[name])

    def get_extra_state(self) -> Any:
        """More for the state dict than tensors; a module that defines it also defines `set_extra_state`."""
        raise NotImplementedError(f"{type(self).__name__} has no get_extra_state()")

    def set_extra_state(self, state: Any) -> None:
        """Take what `get_extra_state` gave."""
        raise NotImplementedError(f"{type(self).__name__} has no set_extra_state()")

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy the values of a state dict into this module, converted to its dtypes.

        Args:
            state_dict: tensors (or numpy arrays) by dotted name, as `state_dict` gives them.
            strict: whether missing and unexpected names are errors. Shapes must match in any case.
            assign: make the given tensors the module's own, with their dtypes, instead of copying their values. An
                optimizer that was made before would keep training the old ones.

        Returns:
            The names that were missing and the names that were not used.

        Raises:
            RuntimeError: names or shapes do not match; the message lists all of them, with the nearest names.
                Nothing is copied then.
            TypeError: not a dictionary.

        Example:
            >>> from dlcore import nn
            >>> layer = nn.Linear(2, 1)
            >>> layer.load_state_dict({"weight": [[1.0, 2.0]], "bias": [3.0]})
            <All keys matched successfully>
            >>> layer.bias.item()
            3.0
        """
        if not isinstance(state_dict, Mapping):
            fix = "; give its state_dict()" if hasattr(state_dict, "state_dict") else ""
            raise TypeError(f"load_state_dict takes a dictionary of tensors, got {type(state_dict).__name__}{fix}")
        state, modules = dict(state_dict), [(f"{path}." if path else "", module) for path, module in _modules(self)]
        missing: list[str] = []
        unexpected: list[str] = []
        problems: list[str] = []
        for start, module in modules:
            module._load_from_state_dict(state, start, {}, strict, missing, unexpected, problems)
        own = {
            start + name: (module, name, tensor) for start, module in modules for name, tensor in module._own_state()
        }
        extra = {start + _EXTRA: module for start, module in modules if _has_extra_state(module)}
        missing += [name for name in [*own, *extra] if name not in state]
        unexpected += [name for name in state if name not in own and name not in extra]
        new = {name: _core.as_tensor(state[name]) for name in own if name in state}
        for name, tensor in new.items():
            given, needed = tuple(tensor.shape), tuple(own[name][2].shape)
            if given != needed and not getattr(own[name][2], "_takes_any_shape", False):
                problems.append(f"{name}: shape {given} given, {needed} needed")
        if strict:
            problems += [f"missing: {name}" for name in missing]
            problems += [f"unexpected: {name}{_nearest(name, missing)}" for name in unexpected]
        if problems:
            raise RuntimeError(f"load_state_dict of {type(self).__name__}:\n  " + "\n  ".join(problems))
        with no_grad():
            for name, tensor in new.items():
                module, attribute, old = own[name]
                if not assign:
                    old.copy_(tensor)
                elif isinstance(old, Parameter):
                    own_kind = isinstance(tensor, Parameter)
                    setattr(module, attribute, tensor if own_kind else Parameter(tensor, old.requires_grad))
                else:
                    setattr(module, attribute, tensor)
        for name, module in extra.items():
            if name in state:
                module.set_extra_state(state[name])
        result = IncompatibleKeys(missing, unexpected)
        for _, module in reversed(modules):
            for hook in module._hooks.get("load_post", {}).values():
                hook(module, result)
        return result

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before the module's part of a state dict is gathered."""
        return RemovableHandle(self._of_kind("state_dict_pre"), hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` afterwards, to change it in place."""
        return RemovableHandle(self._of_kind("state_dict_post"), hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call a hook before a state dict is loaded, as to rename what older versions saved.

        It is called as ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs)`` and may change the dictionary and the lists in place; the caller's dictionary is not touched.

        Example:
            >>> from dlcore import nn
            >>> layer = nn.Linear(1, 1, bias=False)
            >>> def rename(module, state_dict, prefix, *_):
            ...     state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")
            >>> handle = layer.register_load_state_dict_pre_hook(rename)
            >>> layer.load_state_dict({"w": [[2.0]]})
            <All keys matched successfully>
        """
        return RemovableHandle(self._of_kind("load_pre"), hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after a state dict was loaded."""
        return RemovableHandle(self._of_kind("load_post"), hook)

    # PyTorch's names of before, which programs still use.

    _register_state_dict_hook = register_state_dict_post_hook

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        return self.register_load_state_dict_pre_hook(hook if with_module else partial(_without_module, hook))


def _without_module(hook: Callable[..., Any], _module: Module, *args: Any) -> Any:
    return hook(*args)


def _modules(module: Stateful) -> list[tuple[str, Module]]:
    """All modules with their paths; a shared one under each of its names."""
    return list(cast("Module", module).named_modules(remove_duplicate=False))


def _has_extra_state(module: Stateful) -> bool:
    return type(module).get_extra_state is not Stateful.get_extra_state


def _nearest(name: str, others: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, others, n=1)
    return f" (is it {near[0]}?)" if near else ""
