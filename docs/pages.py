"""Writes the sources of the reference: a page for every public module, and one for every public name in it.

A page says no more than its docstring does: Sphinx reads that when it builds the page, and the tests run its example.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import dlcore
from dlcore.distributions.constraints import Constraint

# Every module whose `__all__` is public, in the order of the reference; also what the tests call public.
MODULES = [
    "dlcore",
    "dlcore.linalg",
    "dlcore.special",
    "dlcore.signal",
    "dlcore.signal.windows",
    "dlcore.random",
    "dlcore.func",
    "dlcore.nn",
    "dlcore.nn.functional",
    "dlcore.nn.init",
    "dlcore.nn.parallel",
    "dlcore.nn.utils",
    "dlcore.nn.utils.rnn",
    "dlcore.nn.utils.parametrize",
    "dlcore.nn.utils.parametrizations",
    "dlcore.optim",
    "dlcore.optim.lr_scheduler",
    "dlcore.optim.swa_utils",
    "dlcore.autograd",
    "dlcore.autograd.function",
    "dlcore.autograd.functional",
    "dlcore.autograd.checks",
    "dlcore.autograd.graph",
    "dlcore.autograd.anomaly",
    "dlcore.amp",
    "dlcore.data",
    "dlcore.datasets",
    "dlcore.distributions",
    "dlcore.distributions.constraints",
    "dlcore.distributions.transforms",
    "dlcore.io",
    "dlcore.models",
    "dlcore.train",
    "dlcore.utils",
    "dlcore.utils.checkpoint",
    "dlcore.memory",
    "dlcore.testing",
    "dlcore.accelerator",
    "dlcore.compiler",
    "dlcore.cuda",
    "dlcore.cuda.amp",
    "dlcore.distributed",
    "dlcore.jit",
    "dlcore.array_api",
    "dlcore.array_api.linalg",
]


def write(folder: Path) -> None:
    """Write all pages into ``folder``, and remove those of names that are no more."""
    pages = {"index.rst": _contents()}
    described: set[int] = set()
    for name in MODULES:
        module = import_module(name)
        pages[f"{name}.rst"] = _module_page(name, module)
        for member in module.__all__:
            found = getattr(module, member)
            if not inspect.ismodule(found):
                pages[_file(module, member)] = _page(f"{name}.{member}", found, again=id(found) in described)
                described.add(id(found))
    folder.mkdir(exist_ok=True)
    for old in {path.name for path in folder.iterdir()} - pages.keys():
        (folder / old).unlink()
    for file, text in pages.items():
        path = folder / file
        if not path.exists() or path.read_text(encoding="utf-8") != text:  # what is as it was is not built again
            path.write_text(text, encoding="utf-8")


def _file(module: Any, member: str) -> str:
    # Where names of files ignore case, `Tensor` and `tensor` would be one.
    twin = member != member.lower() and member.lower() in module.__all__
    return f"{module.__name__}.{member}{'-class' if twin else ''}.rst"


def _title(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n\n"


def _contents() -> str:
    return _title("Reference") + ".. toctree::\n   :maxdepth: 1\n\n" + "".join(f"   {name}\n" for name in MODULES)


def _module_page(name: str, module: Any) -> str:
    rows = []
    for member in sorted(module.__all__, key=str.lower):
        found = getattr(module, member)
        file = f"{found.__name__}.rst" if inspect.ismodule(found) else _file(module, member)
        rows.append(f"   * - :doc:`{member} <{file.removesuffix('.rst')}>`\n     - {_summary(found)}\n")
    table = ".. list-table::\n   :widths: 30 70\n\n" + "".join(rows)
    return _title(name) + f".. automodule:: {name}\n   :no-members:\n\n{table}"


def _page(name: str, found: Any, again: bool) -> str:
    head = ":orphan:\n\n" + _title(name)
    index = "   :no-index:\n" if again else ""  # what has several names is indexed under the first
    if inspect.isclass(found) and issubclass(found, Exception):
        return head + f".. autoexception:: {name}\n{index}"
    if inspect.isclass(found):
        return head + f".. autoclass:: {name}\n   :members:\n{index}"
    if callable(found):
        return head + f".. autofunction:: {name}\n{index}"
    # Not indexed: Sphinx would take `dlcore.bool` for the `bool` of annotations.
    return head + f".. py:data:: {name}\n   :no-index:\n\n   {_summary(found)}\n\n{_shown(_use(name, found))}"


def _use(name: str, found: Any) -> str:
    """An expression that shows what a value is for."""
    if isinstance(found, dlcore.dtype):
        return f"dlcore.ones(2, dtype={name})"
    if isinstance(found, dlcore.memory_format):
        sizes = "1, 2, 3, 4, 5" if found is dlcore.channels_last_3d else "1, 2, 3, 4"
        return f"dlcore.zeros({sizes}).clone(memory_format={name}).stride()"
    if isinstance(found, dlcore.Generator):
        return f"dlcore.rand(2, generator={name}).shape"
    if isinstance(found, Constraint):
        return f"{name}.check(dlcore.eye(2))"
    if found is None:
        return f"dlcore.zeros(2)[{name}].shape"
    return name


def _shown(expression: str) -> str:
    """The expression as an example, with the value that it has."""
    lines = [">>> import dlcore", f">>> {expression}", *repr(eval(expression, {"dlcore": dlcore})).splitlines()]
    return "".join(f"   {line}\n" for line in lines)


def _summary(found: Any) -> str:
    """The first sentence of what is said about it, in one line."""
    if isinstance(found, dlcore.dtype):
        if found == dlcore.bool:
            return "The element type of truth values, of 8 bits."
        return f"An element type: {'floats' if found.is_floating_point else 'integers'} of {8 * found.itemsize} bits."
    if isinstance(found, Constraint):
        return f"A region of values: {found}."
    if isinstance(found, int | float | str | None):
        return f"The constant {found!r}."
    first = " ".join((found.__doc__ or "").strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.;]) ", first)[0].rstrip(";:")
