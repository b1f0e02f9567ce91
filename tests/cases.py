"""The registry's examples with numbers in them: what every generated test runs on.

A case is one example of one operation. Its inputs are numpy arrays, the same in every process, in any dtype, at the
example's own size or grown until kernels leave their short paths.
"""

import math
import zlib
from dataclasses import dataclass

import dlcore
import numpy as np
from derivatives import gradients
from dlcore import _core

OPERATIONS = {operation.name: operation for operation in _core.operations()}
DIFFERENTIABLE = [name for name, operation in OPERATIONS.items() if operation.differentiable]


@dataclass(frozen=True, repr=False)
class Case:
    """One example of one operation, with the extents of its inputs perhaps changed."""

    name: str
    number: int
    example: _core.Example
    inputs: tuple

    def __repr__(self):
        shapes = ", ".join(str(tuple(shape)) for shape, *_ in self.inputs)
        return f"{self.name} of {shapes} with {self.example.params}"

    def arrays(self, dtype):
        """Numbers for the inputs: real ones in `dtype`, indices in int64, truth values in bool."""
        seed = zlib.crc32(f"{self.name} {self.number}".encode())
        rng = np.random.default_rng(seed)
        return [_fill(rng, shape, domain, bound, np.dtype(dtype)) for shape, domain, bound in self.inputs]

    def run(self, arrays):
        """All outputs on tensors, or on arrays as constants."""
        return self.example.run([x if isinstance(x, dlcore.Tensor) else dlcore.from_numpy(x) for x in arrays])

    def with_extents(self, change):
        """The case with every extent `n` of every input replaced by `change(n)`."""
        inputs = tuple(([change(n) for n in shape], domain, bound) for shape, domain, bound in self.inputs)
        return Case(self.name, self.number, self.example, inputs)

    def without_dimensions(self):
        """The case with all inputs of one element and no dimensions."""
        return Case(self.name, self.number, self.example, tuple(([], *rest) for _, *rest in self.inputs))

    def grown(self, elements):
        """All extents but 0 and 1 times one factor, up to `elements` an array; None where that cannot be run."""
        shapes = [shape for shape, *_ in self.inputs] + [y.shape for y in self.run(self.arrays(np.float64))]
        size, rank = max(map(math.prod, shapes)), max(sum(n > 1 for n in shape) for shape in shapes)
        factor = int((elements / max(size, 1)) ** (1 / rank)) if rank else 1
        if size == 0 or factor < 2:
            return None
        case = self.with_extents(lambda n: n * factor if n > 1 else n)
        try:
            case.run(case.arrays(np.float64))
        except (ValueError, IndexError):  # a parameter, such as a shape, fits the example's own size alone
            return None
        return case


def _fill(rng, shape, domain, bound, dtype):
    """An array of values that `domain` allows. As in Rust's tests of the registry."""
    count = math.prod(shape)
    if domain == "index":
        values = rng.integers(0, bound, count)
    elif domain == "bool":
        values = rng.random(count) < 0.5
    elif dtype.kind == "f":
        x, sign = rng.random(count), rng.choice([-1.0, 1.0], count)
        dominance = _growing_diagonal(shape).ravel()
        values = {
            "real": 4 * x - 2,
            "positive": 0.1 + 2 * x,
            "unit": 0.05 + 0.4 * x,
            "above_one": 1.1 + 2 * x,
            "away_from_zero": sign * (0.1 + 2 * x),
            "distinct": rng.permutation(np.arange(count) * 0.03 - 0.5 + 0.01 * x),
            "invertible": x - 0.5 + dominance,
            "positive_definite": x - 0.5 + dominance,
        }[domain].astype(dtype)
        if domain == "positive_definite" and len(shape) > 1 and shape[-1] == shape[-2]:
            matrices = values.reshape(shape)
            values = ((matrices + np.swapaxes(matrices, -1, -2)) / 2).ravel()
    else:
        low = {"positive": 1, "above_one": 1, "unit": 0, "away_from_zero": 1}.get(
            domain, -3 if dtype.kind == "i" else 0
        )
        values = rng.permutation(count) % 128 if domain == "distinct" else rng.integers(low, 4, count)
        if domain == "away_from_zero" and dtype.kind == "i":
            values = values * rng.choice([-1, 1], count)
        values = values.astype(dtype)
    return values.reshape(shape)


def _growing_diagonal(shape):
    """What outweighs the rest of a matrix and keeps its singular values apart: a stack of diagonal ones."""
    out = np.zeros(shape)
    if len(shape) > 1:
        diagonal = np.arange(min(shape[-2:]))
        out[..., diagonal, diagonal] = 2 * diagonal + max(shape[-2:])
    return out


def cases(name):
    """All examples of an operation."""
    examples = OPERATIONS[name].examples()
    return [Case(name, i, example, tuple(example.inputs)) for i, example in enumerate(examples)]


HALVES = [dlcore.float16, dlcore.bfloat16]


def halved(case, dtype):
    """The inputs of a case as tensors, the real ones in a 16-bit dtype."""
    tensors = [dlcore.from_numpy(x) for x in case.arrays("float32")]
    return [t.to(dtype) if t.is_floating_point() else t for t in tensors]


def numbers(tensor):
    """The elements as an array; of bfloat16, which numpy lacks, in float32."""
    return (tensor.float() if tensor.dtype == dlcore.bfloat16 else tensor).detach().numpy()


def results(case, arrays):
    """Outputs and gradients of a case as arrays: everything that must not depend on threads or strides."""
    outputs = case.run(arrays)
    found = gradients(case, arrays)
    return [numbers(t) for t in outputs + (found[0] if found else [])]


def assert_close(got, expected, what):
    """Equal up to rounding: some units in the last place, of the element or of the largest one."""
    assert got.shape == expected.shape, what
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=1) if expected.dtype.kind == "f" else 0
    tolerance = 64 * np.finfo(got.dtype).eps if got.dtype.kind == "f" else 0
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * scale, err_msg=str(what))
