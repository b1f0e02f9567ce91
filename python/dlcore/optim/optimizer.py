"""What every optimizer shares: groups of parameters with their settings, and a state for each parameter.

The update itself is one call of the core for a whole group (`FusedOptimizer`), or a composition of operations; Python
only gathers what belongs together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any, overload

from dlcore import _core
from dlcore._core import Tensor, zero_grad, zeros_like
from dlcore.autograd import enable_grad, no_grad
from dlcore.hooks import RemovableHandle, call_all
from dlcore.optim.first_steps import FirstSteps

__all__ = ["FusedOptimizer", "Optimizer", "required"]


class _Required:
    """A default that says that there is none: optimizers written for PyTorch give it to settings, as ``lr``."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


class Optimizer:
    """The base of every optimizer.

    A subclass defines `_update`, which steps one group, or `step` itself as PyTorch's programs do.

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone. Pairs of a name and a tensor
            (``model.named_parameters()``) do as well; the names are kept as the group's ``"param_names"``.
        defaults: the settings of groups that do not have their own.

    Attributes:
        param_groups: one dictionary per group, with ``"params"`` and every setting; changing a setting takes
            effect.
        state: what the optimizer remembers, by parameter.

    Raises:
        ValueError: no parameters, one in two groups, or one that is the result of an operation.
        TypeError: parameters that are not tensors.

    Example:
        >>> import dlcore
        >>> class SignDescent(dlcore.optim.Optimizer):
        ...     def step(self):
        ...         with dlcore.no_grad():
        ...             for group in self.param_groups:
        ...                 for p in group["params"]:
        ...                     p -= group["lr"] * p.grad.sign()
        >>> w = dlcore.tensor([1.0, -1.0], requires_grad=True)
        >>> optimizer = SignDescent([w], defaults={"lr": 0.5})
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach()
        tensor([ 0.5000, -0.5000])
    """

    # Whether it took a step, for what schedules warn of; True where that is not known.
    _stepped: bool = True

    def __init__(self, params: Iterable[Tensor] | Iterable[Mapping[str, Any]], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError("an optimizer takes a list of tensors or of groups; put the tensor in a list")
        if not isinstance(params, Iterable):
            fix = "; give its parameters()" if hasattr(params, "parameters") else ""
            raise TypeError(f"an optimizer takes a list of tensors or of groups, got {type(params).__name__}{fix}")
        self.defaults = defaults
        self._hooks: dict[str, dict[int, Callable[..., Any]]] = {}
        self.param_groups: list[dict[str, Any]] = []
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self._given_names: dict[int, str] = {}
        groups = self._listed(params)
        if not groups:
            raise ValueError(
                "the optimizer got an empty parameter list; an iterator, as parameters(), gives its items once"
            )
        for group in groups if isinstance(groups[0], Mapping) else [{"params": groups}]:
            self.add_param_group(group)
        FirstSteps(self)
        self._stepped = type(self).step is not Optimizer.step  # one that calls no hooks is not seen to step

    def _listed(self, params: Iterable[Any]) -> list[Any]:
        """All of `params`; what ``Module.parameters()`` gives has names, which warnings use."""
        listed = list(params)
        self._given_names.update(zip(map(id, listed), getattr(params, "names", ()), strict=False))
        return listed

    def _name_of(self, param: Tensor) -> str:
        """How a warning names one of the parameters."""
        for number, group in enumerate(self.param_groups):
            for place, other in enumerate(group["params"]):
                if other is param:
                    named = self._given_names.get(id(param)) or group.get("param_names", {place: None})[place]
                    return f"{named or f'number {place} of group {number}'}, shape {tuple(param.shape)}"
        raise KeyError(f"{type(self).__name__} does not train this parameter")

    def add_param_group(self, param_group: Mapping[str, Any] | Any) -> None:
        """Add parameters with settings of their own, as when more layers are to be trained.

        Raises:
            ValueError: a parameter that is in a group already, or that is the result of an operation; a setting that
                has no default and is not given.
            TypeError: not a dictionary, or parameters that are not tensors.
        """
        if not isinstance(param_group, Mapping):
            raise TypeError(f"a parameter group must be a dict, got {type(param_group).__name__}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError("parameters must be in an order that stays: give a list, not a set")
        params = [params] if isinstance(params, Tensor) else self._listed(params)
        named = [isinstance(param, tuple) for param in params]
        if any(named) != all(named):
            raise ValueError("either all parameters of a group have names or none")
        if any(named):
            param_group = {**param_group, "param_names": [name for name, _ in params]}
            params = [param for _, param in params]
        if self.param_groups and ("param_names" in param_group) != ("param_names" in self.param_groups[0]):
            raise ValueError("either all parameter groups have names or none")
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"an optimizer trains tensors, got {type(param).__name__}")
            if not param.is_leaf:
                raise ValueError("cannot optimize a tensor that is the result of an operation; use its detach()")
        ids = {id(param) for param in params}
        if len(ids) < len(params):
            raise ValueError("a parameter is twice in one group")
        if any(id(param) in ids for group in self.param_groups for param in group["params"]):
            raise ValueError("a parameter is in more than one group")
        group = {**self.defaults, **param_group, "params": params}
        for setting, value in group.items():
            if value is required:
                raise ValueError(f"{type(self).__name__}: a parameter group has no value for {setting!r}, give one")
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        for group in self.param_groups:
            zero_grad(group["params"], set_to_none)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], Tensor]) -> Tensor: ...
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Update all parameters that have a gradient.

        Args:
            closure: clears the gradients, computes the loss, calls ``backward`` and returns the loss.

        Returns:
            The closure's loss, or None.
        """
        if self._hooks:
            call_all(self._hooks.get("step_pre"), self, (closure,), {})
        loss = self._step_all(closure)
        if self._hooks:
            call_all(self._hooks.get("step_post"), self, (closure,), {})
        return loss

    def _step_all(self, closure: Callable[[], Tensor] | None) -> Tensor | None:
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                self._update(group)
        return loss

    def _update(self, group: dict[str, Any]) -> None:
        """Take one step with the parameters of `group`; every optimizer defines it."""
        raise NotImplementedError(f"{type(self).__name__} has no _update()")

    # --- hooks ----------------------------------------------------------------------------------------------

    def _register(self, kind: str, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        return RemovableHandle(self._hooks.setdefault(kind, {}), hook, prepend)

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before every `step`; the handle's ``remove`` takes it away."""
        return self._register("step_pre", hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after every `step`."""
        return self._register("step_post", hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` before `state_dict`; with `prepend` before the hooks that are there."""
        return self._register("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` on what `state_dict` gives; what it returns, if any, replaces it."""
        return self._register("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before it is loaded; what it returns, if anything, is loaded instead."""
        return self._register("load_pre", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` after a state dict was loaded."""
        return self._register("load_post", hook, prepend)

    # --- the state dict -------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All state and settings, with parameters replaced by their number.

        Returns:
            ``{"state": {number: {...}}, "param_groups": [{..., "params": [number, ...]}]}``. Tensors are
            shared, not copied.
        """
        call_all(self._hooks.get("state_dict_pre"), self)
        numbers = {id(param): number for number, param in enumerate(self._params())}
        groups = [{**group, "params": [numbers[id(param)] for param in group["params"]]} for group in self.param_groups]
        state = {
            "state": {numbers[id(param)]: dict(state) for param, state in self.state.items()},
            "param_groups": groups,
        }
        for hook in self._hooks.get("state_dict_post", {}).values():
            state = hook(self, state) or state
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave. Tensors are copied, in the dtype of their parameter.

        Raises:
            ValueError: groups of other sizes.
        """
        state_dict = dict(state_dict)  # a hook may change it
        for hook in self._hooks.get("load_pre", {}).values():
            state_dict = hook(self, state_dict) or state_dict
        groups = state_dict["param_groups"]
        sizes, needed = ([len(group["params"]) for group in g] for g in (groups, self.param_groups))
        if sizes != needed:
            raise ValueError(f"load_state_dict: groups of {sizes} parameters given, groups of {needed} needed")
        by_number = dict(zip((n for group in groups for n in group["params"]), self._params(), strict=True))
        self.state.clear()
        for number, state in state_dict["state"].items():
            if number not in by_number:
                raise ValueError(f"load_state_dict: state for parameter {number}, which is in no group")
            param = by_number[number]
            self.state[param] = {key: self._restored(value, key, param) for key, value in state.items()}
        for own, group in zip(self.param_groups, groups, strict=True):
            own.update({key: value for key, value in group.items() if key != "params"})
        self._stepped = True
        call_all(self._hooks.get("load_post"), self)

    def _restored(self, value: Any, key: str, param: Tensor, /) -> Any:
        """A copy of a value of a state dict."""
        if key == "step":
            return int(value)
        if not isinstance(value, Tensor):
            return value
        copy = _core.empty(value.shape, dtype=param.dtype if value.is_floating_point() else value.dtype)
        return copy.copy_(value.detach())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "state": list(self.state.items()), "_hooks": {}, "_given_names": {}, "_stepped": True}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.state = defaultdict(dict, state["state"])

    def _params(self) -> Iterable[Tensor]:
        return (param for group in self.param_groups for param in group["params"])

    def __repr__(self) -> str:
        groups = []
        for number, group in enumerate(self.param_groups):
            settings = [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
            groups.append("\n".join([f"Parameter Group {number}", *settings]))
        return f"{type(self).__name__} (\n" + "\n\n".join(groups) + "\n)"


class FusedOptimizer(Optimizer):
    """An optimizer whose step is one call of the core for all parameters that have the same numbers.

    Numbers are what the state holds beside tensors: of every one ``"step"``, the number of steps taken.

    Attributes:
        _kept: the names of the state's tensors, each of its parameter's shape, in the core's order.
    """

    _kept: tuple[str, ...]

    def _update(self, group: dict[str, Any]) -> None:
        names, numbers = self._names(group), self._numbers(group)
        further, several, tensors_of = len(numbers) > 1, len(names) > 1, itemgetter(*names)
        states_by_param, last = self.state, None
        # Parameters that have the same numbers, their states, and the tensors of these.
        cohorts: dict[Any, tuple[list[Tensor], list[dict[str, Any]], list[Any]]] = {}
        for param in group["params"]:
            if param.grad is None:
                continue
            state = states_by_param[param]
            try:
                kept = tensors_of(state)
            except KeyError:
                state.update({name: value for name, value in numbers.items() if name not in state})
                state.update({name: self._fresh(name, param, group) for name in names if name not in state})
                kept = tensors_of(state)
            step = state["step"] = state["step"] + 1
            key = (step, *[state[name] for name in numbers if name != "step"]) if further else step
            if key != last:
                params, states, tensors = cohorts.setdefault(key, ([], [], []))
                last = key
            params.append(param)
            states.append(state)
            tensors.append(kept)
        for key, (params, states, tensors) in cohorts.items():
            columns = list(map(list, zip(*tensors, strict=True))) if several else [tensors]
            changed = self._step(group, params, columns, *(key if further else (key,)))
            for state in states if changed else ():
                state.update(changed)

    def _names(self, _group: dict[str, Any], /) -> tuple[str, ...]:
        """The names of the state's tensors with the settings of a group."""
        return self._kept

    def _numbers(self, _group: dict[str, Any], /) -> dict[str, Any]:
        """The state's numbers before the first step; ``"step"`` comes first."""
        return {"step": 0}

    def _fresh(self, _name: str, param: Tensor, _group: dict[str, Any], /) -> Tensor:
        """A tensor of the state before the first step."""
        return zeros_like(param)

    def _step(self, group: dict[str, Any], params: list[Tensor], states: list[list[Tensor]], /, *numbers: Any) -> Any:
        """Step `params` and their `states`, of which the `numbers` hold; the numbers that it changes, by name."""
        raise NotImplementedError(f"{type(self).__name__} has no _step()")

    def _restored(self, value: Any, key: str, param: Tensor) -> Any:
        if key in self._numbers(self.param_groups[0]):
            return int(value) if key == "step" else float(value)
        if isinstance(value, Tensor) and value.shape != param.shape:
            shapes = f"shape {tuple(value.shape)}, its parameter has {tuple(param.shape)}"
            raise ValueError(f"load_state_dict: {key} has {shapes}")
        return super()._restored(value, key, param)
