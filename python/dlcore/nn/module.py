"""`Module`: parameters, buffers and other modules under one name each.

The instance's ``__dict__`` is the only place where anything is kept. What an attribute is follows from its
type: a `Parameter` is a parameter, a `Module` a child; only buffers, plain tensors, are listed by name. So
``self.weight`` in a ``forward`` is an ordinary attribute, read by the interpreter's fastest path, and nothing
can get out of step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Never, Self

from dlcore import _core
from dlcore._core import Tensor, bfloat16, float16, float32, float64, zero_grad
from dlcore.nn.hooked import Hooked
from dlcore.nn.location import LOCATED, locate
from dlcore.nn.parameter import Buffer, Parameter
from dlcore.nn.registered import Registered
from dlcore.nn.state import Stateful
from dlcore.nn.unregistered import is_being_made, warn_of_unregistered

__all__ = ["Module"]


_NOTHING = object()


class Module(Hooked, Stateful):
    """The base of every layer and model.

    A subclass creates its parts in ``__init__`` and computes in ``forward``; calling the module runs
    ``forward``. Errors of the core that pass through a call are completed with the path of the module, as in
    ``SimpleNet.fc1 (Linear(in_features=784, out_features=128, bias=True)): linear: ...``.

    Attributes:
        training: what `train` and `eval` set; dropout and batch normalisation ask for it.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> class SimpleNet(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.fc1 = nn.Linear(784, 128)
        ...         self.fc2 = nn.Linear(128, 10)
        ...     def forward(self, x):
        ...         return self.fc2(dlcore.relu(self.fc1(x)))
        >>> SimpleNet()(dlcore.zeros(64, 784)).shape
        (64, 10)
    """

    training: bool = True
    # name -> whether the state dict holds it; an instance gets its own when it needs one
    _persistent: Mapping[str, bool] = {}
    # the names registered as parameters and children whose value is None: they keep their places
    _vacant: frozenset[str] = frozenset()
    # whether layers out of reach were looked for
    _searched: bool = False

    def __init__(self, *args: Never, **kwargs: Never) -> None:
        """Do nothing: PyTorch's programs call it. What a class without a constructor is given raises in its name."""
        if args or kwargs:
            positional = f"takes 1 positional argument but {len(args) + 1} were given"
            problem = positional if args else f"got an unexpected keyword argument {next(iter(kwargs))!r}"
            raise TypeError(f"{type(self).__name__}.__init__() {problem}")

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result; every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def _call(self, input: Any = _NOTHING, /, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._hooks:
                return self._call_hooked(() if input is _NOTHING else (input, *args), kwargs)
            if args or kwargs or input is _NOTHING:
                return self.forward(*(() if input is _NOTHING else (input, *args)), **kwargs)
            return self.forward(input)  # by far the most frequent, and twice as fast when called like this
        except LOCATED as error:
            locate(error, self, input)
            raise

    __call__: Callable[..., Any] = _call

    def __setattr__(self, name: str, value: object) -> None:
        now = self.__dict__.get(name)
        if isinstance(now, (Parameter, Module)) and value is None:
            self.__dict__["_vacant"] = self._vacant | {name}
        elif isinstance(now, (Parameter, Module)):
            kind = Parameter if isinstance(now, Parameter) else Module
            if not isinstance(value, kind):
                raise TypeError(
                    f"cannot assign {type(value).__name__} to the {kind.__name__} {type(self).__name__}.{name}: "
                    + (f"wrap it in nn.Parameter, or use {name}.copy_(...)" if kind is Parameter else "use del first")
                )
        elif isinstance(value, (Parameter, Module)) and name not in self._vacant:
            self.__dict__.pop(name, None)  # registered now, after all that were before
        object.__setattr__(self, name, value)
        if isinstance(value, Buffer) and name not in self._persistent:
            self._persistent = {**self._persistent, name: value.persistent}

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        if name in self._persistent:
            self._persistent = {key: kept for key, kept in self._persistent.items() if key != name}

    # --- registering ----------------------------------------------------------------------------------------

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under `name`; None says that there is none.

        Raises:
            KeyError: a name that is empty, holds a dot, or is taken.
            TypeError: neither a `Parameter` nor None.
        """
        self._register(name, param, Parameter)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is part of the module but not trained, as the running mean of a batch norm.

        Args:
            name: the attribute.
            tensor: its value, or None.
            persistent: whether the state dict holds it.

        Raises:
            KeyError: a name that is empty, holds a dot, or is taken.
            TypeError: neither a tensor nor None.
        """
        self._register(name, tensor, Tensor)
        self._persistent = {**self._persistent, name: persistent}

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a child under `name`, which need not be a Python identifier.

        Raises:
            KeyError: a name that is empty, holds a dot, or is taken.
            TypeError: neither a `Module` nor None.
        """
        self._register(name, module, Module)

    add_module = register_module

    def _register(self, name: str, value: object, kind: type) -> None:
        if value is not None and not isinstance(value, kind):
            raise TypeError(
                f"{type(self).__name__}.{name} must be a {kind.__name__} or None, got {type(value).__name__}"
            )
        if not name or "." in name:
            raise KeyError(f"{type(self).__name__}: a name must not be empty or hold a dot, got {name!r}")
        now = self.__dict__.get(name)
        another = not isinstance(now, kind) or isinstance(now, Parameter) is not issubclass(kind, Parameter)
        if getattr(self, name, None) is not None and another:
            raise KeyError(f"{type(self).__name__}: attribute {name!r} already exists")
        if value is None and kind is not Tensor:
            self.__dict__["_vacant"] = self._vacant | {name}
        setattr(self, name, value)

    @property
    def _parameters(self) -> Registered[Parameter]:
        return Registered(self, self._own_parameters(), self.register_parameter)

    @property
    def _buffers(self) -> Registered[Tensor]:
        def register(name: str, tensor: Tensor | None) -> None:
            self.register_buffer(name, tensor, self._persistent.get(name, True))

        return Registered(self, self._own_buffers(), register)

    @property
    def _modules(self) -> Registered[Module]:
        return Registered(self, self._own_modules(), self.register_module)

    # --- walking --------------------------------------------------------------------------------------------

    # Lists, not generators: who walks may put others in the place of what it meets.

    def _own_modules(self) -> list[tuple[str, Module]]:
        return [(name, value) for name, value in self.__dict__.items() if isinstance(value, Module)]

    def _own_parameters(self) -> list[tuple[str, Parameter]]:
        return [(name, value) for name, value in self.__dict__.items() if isinstance(value, Parameter)]

    def _own_buffers(self) -> list[tuple[str, Tensor]]:
        named = ((name, self.__dict__.get(name)) for name in self._persistent)
        return [
            (name, value) for name, value in named if isinstance(value, Tensor) and not isinstance(value, Parameter)
        ]

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, each once."""
        seen = set()
        for name, module in self._own_modules():
            if module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly inside, each once."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module, named `prefix`, and all modules inside it, with dotted names, parents first."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._own_modules():
            yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all modules inside it, each once, or as often as they have names."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

    def _named_tensors(
        self,
        own: Callable[[Module], Iterable[tuple[str, Tensor]]],
        prefix: str,
        recurse: bool,
        remove_duplicate: bool,
    ) -> Iterator[tuple[str, Tensor]]:
        seen: set[int] = set()
        modules = self.named_modules(None, prefix, remove_duplicate) if recurse else iter([(prefix, self)])
        for path, module in modules:
            for name, tensor in own(module):
                if id(tensor) not in seen:
                    if remove_duplicate:
                        seen.add(id(tensor))
                    yield (f"{path}.{name}" if path else name), tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with their dotted names; a shared one comes once, under its first name.

        The first time, warns of layers in plain lists, tuples and dictionaries, which are no part of a module.
        """
        if recurse and not self._searched and not is_being_made(self):
            self.__dict__["_searched"] = True
            warn_of_unregistered(self)
        found = self._named_tensors(Module._own_parameters, prefix, recurse, remove_duplicate)
        return ((name, value) for name, value in found if isinstance(value, Parameter))

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters, each once: what an optimizer takes."""
        return _Parameters(self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers with their dotted names, persistent or not."""
        return self._named_tensors(Module._own_buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers, each once, persistent or not."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module under a dotted name.

        Raises:
            AttributeError: no such module; the message names the step that is missing.
        """
        module: Module = self
        for step in target.split(".") if target else ():
            found = module.__dict__.get(step)
            if not isinstance(found, Module):
                raise AttributeError(f"{type(self).__name__} has no module {target!r}: {step!r} is not there")
            module = found
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter under a dotted name.

        Raises:
            AttributeError: no such parameter.
        """
        path, _, name = target.rpartition(".")
        found = self.get_submodule(path).__dict__.get(name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"{type(self).__name__} has no parameter {target!r}")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer under a dotted name.

        Raises:
            AttributeError: no such buffer.
        """
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = module.__dict__.get(name)
        if name not in module._persistent or not isinstance(found, Tensor):
            raise AttributeError(f"{type(self).__name__} has no buffer {target!r}")
        return found

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put `module` in the place of the one under a dotted name, which need not be there yet.

        Raises:
            AttributeError: no module holds the last step; with `strict`, also if there is none to replace.
            ValueError: no name.
        """
        if not target:
            raise ValueError("set_submodule: cannot replace the module itself")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict:
            self.get_submodule(target)
        if name in parent.__dict__:
            setattr(parent, name, module)
        else:
            parent.register_module(name, module)

    # --- changing all at once -------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set ``training`` here and in all modules inside."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode must be a bool, got {type(mode).__name__}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Clear ``training`` here and in all modules inside; the counterpart of `train`."""
        return self.train(False)

    def apply(self, fn: Callable[[Module], object]) -> Self:
        """Call `fn` with every module inside, children first, and last with this one; often to initialise."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set ``requires_grad`` of all parameters: False freezes the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        zero_grad(list(self.parameters()), set_to_none)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert floating-point parameters and buffers to a dtype; the device can only be ``"cpu"``.

        Takes ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or ``to(tensor)``, as `Tensor.to`. A
        ``memory_format`` changes nothing: the layout of what is stored is the core's own business.
        Parameters stay the same objects, so an optimizer made before keeps training them.
        """
        kwargs.pop("memory_format", None)
        dtype = _core.empty(0).to(*args, **kwargs).dtype if args or kwargs else None
        names_dtype = "dtype" in kwargs or any(isinstance(arg, (_core.dtype, Tensor)) for arg in args)
        return self._convert(dtype) if names_dtype and dtype is not None else self

    def _convert(self, dtype: _core.dtype) -> Self:
        if not dtype.is_floating_point:
            raise TypeError(f"a module can be converted to a float dtype, got {dtype}")
        for module in self.modules():
            for _, parameter in module._own_parameters():
                if parameter.is_floating_point():
                    gradient, trained = parameter.grad, parameter.requires_grad
                    parameter.requires_grad = False
                    parameter.data = parameter.data.to(dtype)
                    parameter.requires_grad = trained
                    if gradient is not None:
                        parameter.grad = gradient.to(dtype)
            for name, buffer in module._own_buffers():
                if buffer.is_floating_point():
                    module.__dict__[name] = buffer.to(dtype)
        return self

    def float(self) -> Self:
        """Convert floating-point parameters and buffers to float32."""
        return self._convert(float32)

    def double(self) -> Self:
        """Convert floating-point parameters and buffers to float64."""
        return self._convert(float64)

    def half(self) -> Self:
        """Convert floating-point parameters and buffers to float16."""
        return self._convert(float16)

    def bfloat16(self) -> Self:
        """Convert floating-point parameters and buffers to bfloat16."""
        return self._convert(bfloat16)

    def type(self, dst_type: _core.dtype) -> Self:
        """Convert floating-point parameters and buffers to a dtype."""
        return self._convert(dst_type)

    def cpu(self) -> Self:
        """Return the module itself: it is on the CPU."""
        return self

    def cuda(self, device: object = None) -> Self:
        """Raise an error: there is no such device here."""
        raise RuntimeError(f"dlcore computes on the CPU: leave out .cuda({'' if device is None else repr(device)})")

    def to_empty(self, *, device: object, recurse: bool = True) -> Self:  # noqa: ARG002 - there is one device
        """Return the module itself: there is no device without memory whose values are still to come."""
        return self

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: PyTorch's programs call it to have operations fused, which the kernels here are already."""

    def share_memory(self) -> Self:
        """Return the module itself: processes made by fork share its memory until they write."""
        return self

    # --- showing --------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands between the parentheses in ``repr``; layers say their sizes here."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [f"({name}): {_indent(repr(child))}" for name, child in self._own_modules()]
        lines = (extra.split("\n") if extra else []) + children
        if not children and len(lines) < 2:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class _Parameters:
    """An iterator over parameters that remembers the names of those that it gave, for messages."""

    def __init__(self, named: Iterator[tuple[str, Parameter]]) -> None:
        self._named = named
        self.names: list[str] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Parameter:
        name, parameter = next(self._named)
        self.names.append(name)
        return parameter


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")
