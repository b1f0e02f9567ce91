"""Calls every public function with whatever comes to mind; run by ``test_fuzz.py`` in a process of its own.

``python fuzz.py SEED CALLS LOG`` writes each call to LOG before it makes it, so that a crash names its cause. Prints
what no input may bring about: an exception of another kind than documented, or the text of a bug.
"""

import contextlib
import random
import re
import resource
import sys
import warnings
from pathlib import Path

import dlcore
import dlcore.nn.functional as F
import numpy as np
from dlcore import Tensor

DOCUMENTED = (ValueError, TypeError, IndexError, RuntimeError, MemoryError, OverflowError, BufferError)
NOT_CALLED = re.compile(  # no functions of tensors, or with effects on the process
    "[A-Z].*Error|autograd|dtype|.et_num_threads|set_default_dtype|no_grad|enable_grad|set_grad_enabled|load|save|"
    "__(class|delattr|dir|getattribute|getstate|init|init_subclass|new|reduce_ex|setattr|sizeof)__|"
    "__subclasshook__"
)
DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int8", "uint64", "uint16", "uint8", "bool"]
HUGE = [2**31, 2**40, 2**62, 2**63 - 1, -(2**63), 2**64, 10**15, 10**30]
FLOATS = [0.0, 1.0, 0.5, -1.0, 1e-5, 1e300, -1e300, float("nan"), float("inf"), float("-inf"), 1e-320]


def parameters(function):
    """Name, kind and whether there is a default, read from a signature such as ``(input, *, dtype=None)``."""
    kind, found = "positional", []
    for part in (function.__text_signature__ or "()").strip("()").split(","):
        name, _, default = part.strip().partition("=")
        if name == "*":
            kind = "keyword"
        elif name.startswith("*"):
            found.append((name[1:], "any number", True))
            kind = "keyword"
        elif name and name != "/":
            found.append((name.lstrip("$"), kind, bool(default)))
    return found


def functions():
    """Every public function and every method of ``Tensor``, by name."""
    places = (("", dlcore, dlcore.__all__), ("F.", F, dir(F)), ("Tensor.", Tensor, dir(Tensor)))
    for prefix, place, names in places:
        for name in names:
            function = getattr(place, name)
            if not NOT_CALLED.fullmatch(name) and getattr(function, "__text_signature__", None):
                yield prefix + name, function, parameters(function)


class Fuzz:
    """A source of arguments, and of tensors that fit the ones before."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.recent = []

    def maybe(self, probability):
        return self.chance.random() < probability

    def shape(self, rank=None):
        rank = self.chance.choice([0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5]) if rank is None else rank
        sizes = [self.chance.choice([0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 33]) for _ in range(rank)]
        while np.prod([max(1, size) for size in sizes]) > 20_000:
            sizes = [size // 2 for size in sizes]
        return tuple(sizes)

    def tensor(self, shape=None, dtypes=DTYPES):
        shape, dtype = self.shape() if shape is None else shape, self.chance.choice(dtypes)
        if "float" in dtype:
            values = self.numbers.standard_normal(shape)
        else:
            values = self.numbers.integers(0, 2 if dtype == "bool" else self.chance.choice([2, 4, 120]), shape)
        x = dlcore.tensor(np.array(values)).to(dtype)
        for change in self.chance.sample([self.transposed, self.stepped, self.expanded, self.locked, lambda x: x], 1):
            x = change(x)
        if x.is_floating_point() and self.maybe(0.25):
            x = x.requires_grad_()
            x = x * 1 if self.maybe(0.5) else x
        return x

    def transposed(self, x):
        return x.T

    def stepped(self, x):
        return x[tuple(slice(None, None, self.chance.choice([1, 2, -1, -3])) for _ in range(x.ndim))]

    def expanded(self, x):
        return x.expand(2, *x.shape) if self.maybe(0.3) else x

    def locked(self, x):
        if x.dtype == dlcore.bfloat16:
            return x
        array = x.numpy()
        array.flags.writeable = False
        return dlcore.from_numpy(array)

    def related(self):
        """A tensor that often fits one of the recent ones: itself, its shape, one that broadcasts, a trailing part."""
        if not self.recent or self.maybe(0.3):
            return self.tensor()
        x = self.chance.choice(self.recent)
        shapes = (
            x.shape,
            tuple(1 if self.maybe(0.4) else n for n in x.shape),
            x.shape[self.chance.randrange(x.ndim + 1) :],
        )
        return x if self.maybe(0.4) else self.tensor(self.chance.choice(shapes))

    def int(self):
        return self.chance.choice(HUGE) if self.maybe(0.1) else self.chance.randint(-3, 6)

    def ints(self):
        if self.recent and self.maybe(0.5):
            sizes = list(self.chance.choice(self.recent).shape)
            return tuple(range(len(sizes))) if self.maybe(0.4) else tuple(sizes)
        return tuple(self.int() for _ in range(self.chance.randrange(5)))

    def index(self):
        end = lambda: self.chance.choice([None, self.int()])  # noqa: E731
        kinds = [
            self.int,
            lambda: slice(end(), end(), end()),
            lambda: None,
            lambda: ...,
            lambda: self.tensor(self.shape(self.chance.choice([0, 1, 2])), ["int64", "int32", "uint8", "bool"]),
            lambda: self.related() > 0,
            lambda: [0, -1],
            self.anything,
        ]
        return self.chance.choice(kinds)()

    def anything(self):
        return self.chance.choice([
            None, "mean", "cpu", b"ab", [], (), {}, object(), 1j, True, self.int(), self.chance.choice(FLOATS), ...,
            [[1, 2], [3]], [float("nan")], [self.tensor()], iter([1, 2]), range(3), slice(None), float, dlcore.int32,
            np.zeros(3), np.float16(1), np.int8(3), np.array(["a"]), np.array([None]), np.zeros((2, 3), dtype=">f4"),
            np.zeros(2, dtype="c8"),
        ])  # fmt: skip

    def argument(self, name):
        if self.maybe(0.06):
            return self.anything()
        if name in {
            "input",
            "other",
            "self",
            "src",
            "target",
            "gradient",
            "weight",
            "bias",
            "value",
            "min",
            "max",
            "data",
        }:
            return self.chance.choice([self.int(), self.chance.choice(FLOATS)]) if self.maybe(0.15) else self.related()
        if name in {"running_mean", "running_var", "pos_weight", "tensor", "ext_tensor", "ndarray"}:
            return self.related()
        if name in {"mask", "condition"}:
            return self.tensor(self.related().shape, ["bool"])
        if name == "index":
            return self.tensor(self.related().shape, ["int64", "int32"])
        if name == "key":
            return self.index() if self.maybe(0.5) else tuple(self.index() for _ in range(self.chance.randrange(4)))
        if name == "tensors":
            return [self.related() for _ in range(self.chance.randrange(4))]
        if name in {"dims", "size", "shape", "sizes", "repeats", "normalized_shape"}:
            return self.ints()
        if name.startswith(("dim", "start_dim", "end_dim")):
            return self.int() if self.maybe(0.8) else self.ints()
        if name in {"kernel_size", "stride", "padding", "dilation"}:
            return self.chance.choice([self.int(), (self.int(), self.int()), 1, 2])
        if name == "dtype":
            return self.chance.choice([None, float, *DTYPES])
        if name == "reduction":
            return self.chance.choice(["mean", "sum", "none", "all"])
        if name == "mode":
            return self.chance.choice(["constant", "reflect", "replicate", "circular", "mirror"])
        if name == "pad":
            return self.ints()
        if name == "generator":
            return dlcore.Generator(3)
        if name in {
            "keepdim",
            "training",
            "ceil_mode",
            "requires_grad",
            "unbiased",
            "create_graph",
            "retain_graph",
            "copy",
            "descending",
            "stable",
            "largest",
            "sorted",
        }:
            return self.maybe(0.5)
        return self.chance.choice([self.int(), self.chance.choice(FLOATS)])

    def layer(self, name):
        """Arguments of the functions that chance alone would hardly ever call right."""
        n, c, o, k = (self.chance.choice(sizes) for sizes in ([0, 1, 3], [1, 2, 4], [1, 2, 4], [1, 2, 3]))
        extra = self.chance.choice([(), (5,), (4, 0), (6, 7)])
        kind = ["float32"] if self.maybe(0.7) else DTYPES
        window = [self.chance.choice([k, (2, 3), self.int()]), self.chance.choice([1, 2, (2, 1), self.int()])]
        groups = self.chance.choice([1, c, self.int()])

        def make(*shape):
            return self.tensor(shape, kind)

        def labels(*shape):
            return self.tensor(shape, ["int64", "int64", "int32"])

        options = {
            "F.conv2d": lambda: [make(n, c, 9, 6), make(o, c, k, 2), make(o), window[1], self.chance.choice([0, 1, 2])],
            "F.max_pool2d": lambda: [make(n, c, 7, 5), *window],
            "F.avg_pool2d": lambda: [make(n, c, 7, 5), *window],
            "F.batch_norm": lambda: [make(n, c, *extra), *(make(c) for _ in range(4)), self.maybe(0.5)],
            "F.layer_norm": lambda: [make(n, c, k), (c, k), make(c, k), make(c, k)],
            "F.group_norm": lambda: [make(n, c, *extra), groups, make(c), make(c)],
            "F.linear": lambda: [make(n, c), make(o, c), make(o)],
            "F.embedding": lambda: [labels(n, k), make(c, o)],
            "F.cross_entropy": lambda: [make(n, c, *extra), labels(n, *extra), make(c)],
            "F.nll_loss": lambda: [make(n, c, *extra), labels(n, *extra), make(c)],
            "matmul": lambda: [make(k, n, c), make(k, c, o)],
        }
        return options[name]() if name in options else None

    def arguments(self, name, expected):
        made = self.layer(name) if self.maybe(0.8) else None
        if made is not None:
            return made, {}
        positional, named = [], {}
        for parameter, kind, optional in expected:
            if optional and kind != "any number" and self.maybe(0.5):
                if kind == "positional":
                    break
                continue
            value = self.argument(parameter)
            if kind == "keyword":
                named[parameter] = value
            elif kind == "any number" and isinstance(value, tuple):
                positional.extend(value)
            else:
                positional.append(value)
        self.recent += [value for value in positional if isinstance(value, Tensor)]
        del self.recent[:-6]
        return positional, named


def look_at(result):
    """What a user would do next: print it, read it, differentiate it twice."""
    for x in result if isinstance(result, tuple) else [result]:
        if not isinstance(x, Tensor) or x.numel() > 100_000:
            continue
        repr(x)
        if x.numel():
            x.detach().numpy().sum()
        if x.requires_grad:
            seed = dlcore.ones(x.shape, dtype=x.dtype, requires_grad=True)
            x.backward(seed, create_graph=True)


def describe(value):
    if isinstance(value, Tensor):
        kind = f"{value.dtype}, requires_grad={value.requires_grad}"
        return f"Tensor(shape={value.shape}, stride={value.stride()}, {kind})"
    if isinstance(value, (list, tuple)):
        return str([describe(item) for item in value])
    return repr(value)[:200]


def main(seed, calls, log):
    warnings.simplefilter("ignore")
    # Memory ends early, so that running out of it is tried as well.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    fuzz, known = Fuzz(seed), list(functions())
    subscripts = [entry for entry in known if re.search("item__$", entry[0])]
    with Path(log).open("w", encoding="utf-8") as file:
        for _ in range(calls):
            name, function, expected = fuzz.chance.choice(subscripts if fuzz.maybe(0.08) else known)
            try:
                positional, named = fuzz.arguments(name, expected)
                file.seek(0)
                file.truncate()
                file.write(f"{name}: {describe(positional)} {named}")
                file.flush()
                look_at(function(*positional, **named))
            except StopIteration:
                pass
            except DOCUMENTED as error:
                if "has a bug" in str(error):
                    print(f"{name}: {describe(positional)} {named}\n    {error}")
            except BaseException as error:  # also what PyO3 makes of a panic, which is no Exception
                print(f"{name}: {describe(positional)} {named}\n    {type(error).__name__}: {error}")
    print("done")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
