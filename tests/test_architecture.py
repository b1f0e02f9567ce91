"""The house's rules, where a machine can check them: floors, one list of operations, frozen classes, a light import."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import dlcore
import pytest
from cases import OPERATIONS
from dlcore import _core, linalg, special
from dlcore.nn import functional
from pages import MODULES

ROOT = Path(__file__).parents[1]
RUST = ROOT / "rust"
PACKAGE = ROOT / "python" / "dlcore"
RUST_FILES = sorted(path.relative_to(RUST).as_posix() for path in RUST.glob("*/src/**/*.rs"))
PYTHON_FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
PUBLIC = [import_module(name) for name in MODULES]


def code(path):
    """A Rust file without comments and strings."""
    text = (RUST / path).read_text(encoding="utf-8")
    return re.sub(r"//[^\n]*|\"(?:\\.|[^\"\\])*\"", "", text)


# --- floors: Rust ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("crate", "above"),
    [
        ("decompose", {"dlcore-kernels", "dlcore-core", "dlcore-python", "pyo3", "rayon"}),
        ("kernels", {"dlcore-core", "dlcore-python", "pyo3"}),
        ("core", {"dlcore-python", "pyo3", "rayon", "faer"}),
    ],
)
def test_no_crate_knows_what_is_above_it(crate, above):
    manifest = tomllib.loads((RUST / crate / "Cargo.toml").read_text(encoding="utf-8"))
    assert not above & manifest["dependencies"].keys()


@pytest.mark.parametrize("path", RUST_FILES)
def test_unsafe_code_is_in_the_kernels_and_at_the_border_only(path):
    if not path.startswith(("kernels/", "python/src/exchange/")):
        assert not re.search(r"\bunsafe\b", code(path))


def test_the_core_forbids_unsafe_code():
    assert "#![forbid(unsafe_code)]" in code("core/src/lib.rs")


@pytest.mark.parametrize("path", [path for path in RUST_FILES if path.startswith(("core/", "kernels/"))])
def test_only_one_module_starts_threads(path):
    if not path.startswith("kernels/src/parallel"):
        assert not re.search(r"\brayon\b|thread::spawn|thread::Builder", code(path).split("#[cfg(test)]")[0])


@pytest.mark.parametrize("path", [f"core/src/{name}.rs" for name in ("dtype", "error", "layout", "storage", "array")])
def test_arrays_know_no_gradient_and_no_operation(path):
    assert not re.search(r"crate::\{?(autograd|ops)\b", code(path))


@pytest.mark.parametrize("path", [path for path in RUST_FILES if path.startswith("python/")])
def test_the_interpreter_lock_is_released_at_one_door(path):
    if path != "python/src/enter.rs":
        assert not re.search(r"\bpy\s*\.\s*detach\(|allow_threads|catch_unwind", code(path))


@pytest.mark.parametrize("path", [path for path in RUST_FILES if path.startswith("python/")])
def test_classes_are_frozen(path):
    for arguments in re.findall(r"#\[pyclass\b(\([^\]]*\))?\]", code(path)):
        assert re.search(r"\bfrozen\b", arguments)


# --- floors: Python -------------------------------------------------------------------------------------------------

# Each part and the parts that it may import; the package itself stands for its functions.
BELOW = {
    "amp": {"_core"},
    "autograd": {"_core"},
    "memory": {"_core"},
    "linalg": {"_core"},
    "special": {"_core"},
    "signal": {"_core"},
    "windows": {"_core", "signal"},
    "layers": {"_core", "nn"},
    "low_rank": {"_core", "linalg"},
    "shapes": {"_core"},
    "hints": {"_core"},
    "engine": {"_core"},
    "composed": {"_core", "typed"},
    "random": {"_core"},
    "jit": set(),
    "testing": {"_core"},
    "distributed": set(),
    "func": {"_core", "autograd", "trees"},
    "trees": set(),
    "foreach": {"_core"},
    "typed": {"_core", "shapes"},
    "array_api": {"_core", "composed", "linalg", "dlcore"},
    "hooks": set(),
    "named": set(),
    "advice": set(),
    "answers": {"_core"},
    "nn": {"_core", "autograd", "hooks", "advice", "linalg"},
    "utils": {"_core", "autograd", "composed", "data"},
    "cuda": {"_core", "amp"},
    "backends": set(),
    "compiling": set(),
    "compiler": {"compiling", "jit"},
    "accelerator": {"_core", "cuda"},
    "xpu": {"cuda"},
    "cpu": {"_core", "amp", "cuda"},
    "multiprocessing": set(),
    "version": {"_core"},
    "optim": {"_core", "autograd", "hooks", "advice", "nn"},
    "models": {"_core", "autograd", "nn"},
    "data": {"_core"},
    "datasets": {"_core", "data"},
    "distributions": {"_core", "autograd", "linalg", "shapes"},
    "io": {"_core"},
    "train": {"_core", "autograd", "nn", "optim", "data"},
    "cli": {"_core", "autograd", "nn", "optim", "data", "datasets", "io", "train", "dlcore"},
}
HEAVY = {"numpy", "typing", "asyncio", "unittest", "http", "multiprocessing", "inspect", "dataclasses", "logging", "re"}
NUMPY = {"io/safetensors.py", "datasets/idx.py", "train/figures.py", "cli/bench.py", "cli/peers.py"}


def imports(path):
    """All that a file imports, anywhere in it, as (module, name)."""
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("path", [path for path in PYTHON_FILES if path != "__init__.py"])
def test_no_part_imports_what_is_above_it(path):
    part = path.split("/")[0].removesuffix(".py")
    for module, name in imports(path):
        if module.split(".")[0] == "dlcore":
            inner = [*module.split(".")[1:], name]
            imported = inner[0] if inner[0] in BELOW or inner[0] == "_core" else "dlcore"
            assert imported in BELOW[part] | {part}, f"{part} imports {imported}"


@pytest.mark.parametrize("path", PYTHON_FILES)
def test_numpy_is_for_files_and_figures(path):
    if path not in NUMPY:
        assert not [module for module, _ in imports(path) if module.split(".")[0] == "numpy"]


def test_import_is_light():
    new = "import sys; before = set(sys.modules); import dlcore; print(*sys.modules.keys() - before)"
    run = subprocess.run([sys.executable, "-c", new], capture_output=True, text=True, check=True)
    assert "dlcore._core" in run.stdout.split()
    assert not HEAVY & set(run.stdout.split())


# --- every operation is bound, exported, typed; every function explained ----------------------------------------------


def test_what_loads_late_is_what_readers_of_the_sources_see():
    """The star imports under TYPE_CHECKING bring the names of the table, and packages are the packages."""
    for name, module in dlcore._ELSEWHERE.items():
        assert name in import_module(f"dlcore.{module}").__all__
        assert name in dlcore.__all__
    seen = {name for module, name in imports("__init__.py") if module == "dlcore"}
    assert seen >= dlcore._PACKAGES
    assert sorted(set(dlcore.__all__)) == sorted(dlcore.__all__)


# How an operation is reached whose name is no function's: adjoints through the gradient of what they belong to.
REACHED_THROUGH = {
    "expand": "Tensor.expand",
    "to": "Tensor.to",
    "slice": "Tensor.__getitem__",
    "constant": "relu",
    "cube": "pow",
    "inverse_square": "pow",
    "huber": "huber_loss",
    "unfold": "Tensor.unfold",
    "batch_norm_inference": "batch_norm",
    "clamp_between": "clamp",
    "conv2d_grad_input": "conv2d",
    "conv2d_grad_weight": "conv2d",
    "avg_pool2d_grad": "avg_pool2d",
    "recurrent": "lstm",
    "max_unpool": "max_unpool2d",
    "resample": "interpolate",
    "triangle": "tril",
    "im2col": "fold",
    **{name: f"special.{name}" for name in ("i0e", "i1", "i1e", "erfcx", "ndtri", "entr", "zeta")},
}


# What the engine offers to the package alone.
INTERNAL = {
    "Example", "Operation", "operations",  # for tests
    "im2col",  # `nn.functional.unfold`; `unfold` is that of tensors
    "adadelta_step", "adagrad_step", "adam_step", "adamax_step", "asgd_step", "lion_step", "nadam_step", "radam_step",
    "rmsprop_step", "rprop_step", "sgd_step", "zero_grad", "clip_grad_norm", "autograd_grad",
    "autograd_backward",  # one call for many tensors
    "memory_stats", "memory_reset_peak", "memory_empty_cache", "memory_limit", "memory_set_limit",
    "memory_set_cache_limit",  # under shorter names in `dlcore.memory`
    "SavedTensors",  # what `autograd.Function` keeps
    "isa", "isa_reason", "threads_reason", "memory_reason",
    "peak_bfloat16_flops", "peak_flops", "read_bandwidth",  # for `dlcore info`
}  # fmt: skip


def stubs():
    """The names in `_core.pyi`; those of a class's members with the class."""
    names = set()
    for node in ast.parse((PACKAGE / "_core.pyi").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{member.name}" for member in node.body if isinstance(member, ast.FunctionDef)}
    return names


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_bound_exported_and_typed(name):
    public = REACHED_THROUGH.get(name, name)
    owner, _, member = public.rpartition(".")
    if owner in ("linalg", "special"):
        assert member in getattr(dlcore, owner).__all__
        public = f"{owner}_{member}"
    elif owner:
        assert hasattr(dlcore.Tensor, member)
    else:
        assert public in dlcore.__all__ or public in functional.__all__
    assert public in stubs()


def test_every_function_of_the_engine_is_public_or_named_here():
    public = {name for module in PUBLIC for name in module.__all__}
    public |= {f"{module.__name__.split('.')[-1]}_{name}" for module in (linalg, special) for name in module.__all__}
    inside = {name for name in _core.__all__ if not name.startswith("_")} - public
    assert inside == INTERNAL


def test_the_table_of_operations_without_a_function_is_up_to_date():
    assert REACHED_THROUGH.keys() <= OPERATIONS.keys()
    # `nn.functional.unfold` is another function than that of tensors.
    assert not [name for name in REACHED_THROUGH if name in {*dlcore.__all__, *functional.__all__} - {"unfold"}]


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_public_names_exist_and_are_explained(module):
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        found = getattr(module, name)
        if inspect.ismodule(found):
            assert found in PUBLIC, f"the reference has no page for {found.__name__}"
        elif callable(found):
            assert ">>>" in (found.__doc__ or ""), f"{module.__name__}.{name} has no example"


def explained(method):
    return ">>>" in (method.__doc__ or "")


@pytest.mark.parametrize("name", [name for name in dir(dlcore.Tensor) if not name.startswith("_")])
def test_methods_have_an_example_or_name_the_function_that_has_it(name):
    method = getattr(dlcore.Tensor, name)
    functions = re.findall(r"``dlcore\.([\w.]+)``", method.__doc__ or "")
    assert explained(method) or any(explained(attrgetter(function)(dlcore)) for function in functions)
