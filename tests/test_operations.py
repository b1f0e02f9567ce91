"""What every operation of the registry must do, generated from its examples.

Values against numpy, gradients and second derivatives against central differences, all dtypes, any strides, no
elements, no dimensions. An operation that is added to the registry is tested here as soon as it has a reference.
"""

import contextlib
import re
import warnings

import dlcore
import numpy as np
import pytest
from cases import DIFFERENTIABLE, HALVES, OPERATIONS, assert_close, cases, halved, numbers, results
from derivatives import assert_gradients, assert_second_derivatives, gradients_of, leaves
from references import REFERENCES

EVERY = pytest.mark.parametrize("name", OPERATIONS)

MATRICES = {name for name in OPERATIONS if name.startswith("linalg.")}  # of which tests/test_linalg.py says more

# What takes floats only, and what takes integers but not bool. All else must give the right values for them.
FLOATS_ONLY = MATRICES | {
    "mean", "var", "norm", "addmm", "conv2d_grad_weight", "avg_pool2d_grad", "cross_entropy",
    "scaled_dot_product_attention", "recurrent", "linear_cross_entropy", "ctc_loss", "lerp", "cdist", "pdist", "std",
    "nan_to_num", "frexp", "resample", "grid_sample", "adaptive_max_pool2d", "frac", "addcmul", "addcdiv", "huber",
    "nansum",
}  # fmt: skip
NUMBERS_ONLY = FLOATS_ONLY | {
    "sub", "neg", "matmul", "linear", "conv2d", "conv2d_grad_input", "max_pool2d", "avg_pool2d", "cross",
}  # fmt: skip


EPS = {dlcore.float16: 2**-10, dlcore.bfloat16: 2**-7}
KINDS = {"f": "float", "i": "integer", "u": "integer", "b": "bool"}


def assert_values(case, arrays):
    """A case's outputs are those of its reference.

    What comes out as floats the reference computes in float64; truth values in arithmetic are 0 and 1.
    """
    outputs = [numbers(output) for output in case.run(arrays)]
    floats = outputs[0].dtype.kind == "f"
    arrays = [
        x if domain in ("index", "bool") else x.astype(np.float64 if floats or x.dtype.kind == "f" else np.int64)
        for x, (_, domain, _) in zip(arrays, case.inputs, strict=True)
    ]
    expected = REFERENCES[case.name](*arrays, **case.example.params)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for output, reference in zip(outputs, map(np.asarray, expected), strict=False):
        assert output.dtype == bool or KINDS[output.dtype.kind] == KINDS[reference.dtype.kind], case
        exact = reference if output.dtype.kind == "f" else reference.astype(output.dtype)
        assert_close(output, exact, case)


def test_every_operation_has_a_reference_and_every_reference_an_operation():
    assert set(REFERENCES) == set(OPERATIONS)


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values(name, dtype):
    for case in cases(name):
        assert_values(case, case.arrays(dtype))
        if grown := case.grown(3000):
            assert_values(grown, grown.arrays(dtype))


@EVERY
@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"])
def test_integers_and_truth_values(name, dtype):
    for case in cases(name):
        arrays = case.arrays(dtype)
        if name not in (NUMBERS_ONLY if dtype == "bool" else FLOATS_ONLY):
            assert_values(case, arrays)
        else:
            with pytest.raises(dlcore.DTypeError, match=f"^{name}: "):
                case.run(arrays)


@EVERY
@pytest.mark.parametrize("dtype", HALVES)
def test_halves_are_computed_in_float32_and_rounded_once(name, dtype):
    for example in cases(name):
        for case in filter(None, [example, example.grown(3000)]):
            tensors = halved(case, dtype)
            wide = case.run([t.float() if t.is_floating_point() else t for t in tensors])
            for output, exact in zip(case.run(tensors), wide, strict=True):
                if output.dtype == dlcore.float32 or not output.is_floating_point():  # statistics, indices, truth
                    assert_close(numbers(output), numbers(exact), case)
                elif "dtype" not in case.example.params:
                    assert output.dtype == dtype, case
                    np.testing.assert_array_equal(numbers(output), numbers(exact.to(dtype)), err_msg=str(case))


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.parametrize("dtype", HALVES)
def test_gradients_of_halves(name, dtype):
    """As those in float32 up to some roundings, in the dtype of what they are for."""
    for case in cases(name):
        tensors = halved(case, dtype)
        wide = [t.float() if t.is_floating_point() else t for t in tensors]
        if case.run(wide)[0].dtype != dlcore.float32 or case.run(tensors)[0].dtype != dtype:
            continue
        got, exact = gradients_of(case, tensors), gradients_of(case, wide)
        for g, e in zip(got, exact, strict=True):
            assert g.dtype == dtype, case
            scale = np.abs(numbers(e)).max(initial=1)
            np.testing.assert_allclose(
                numbers(g), numbers(e), rtol=8 * EPS[dtype], atol=4 * EPS[dtype] * scale, err_msg=str(case)
            )


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_agree_with_central_differences(name):
    recorded = [assert_gradients(case, case.arrays("float64")) for case in cases(name)]
    assert any(recorded)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_second_derivatives_agree_with_central_differences(name):
    for case in cases(name):
        assert_second_derivatives(case, case.arrays("float64"))


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - set(DIFFERENTIABLE)))
def test_the_gradient_of_what_has_none_is_refused_by_name(name):
    for case in cases(name):
        tensors, wanted = leaves(case.arrays("float64"))
        output = case.run(tensors)[0]
        assert not output.requires_grad
        if wanted:
            with pytest.raises(dlcore.GradientError, match=rf"\b{name}\b"):
                dlcore.autograd.grad(output, wanted, dlcore.ones_like(output))


# --- values that are not ordinary numbers ---------------------------------------------------------------------------

SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 1e-8, 1e38, -1e38, 88.8, -104.0, 710.0, -750.0, 0.5, -1.5]


# Positions, probabilities, integers, functions with a reference for integers only, and sines of
# products with pi, which numpy rounds in float64 as `sinc` does in float32.
NOT_OF_SPECIAL_VALUES = {
    "nonzero", "binary_cross_entropy", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift",
    "bitwise_right_shift", "gcd", "lcm", "igamma", "igammac", "zeta", "sinc", "frexp",
}  # fmt: skip


def elementwise(inputs):
    """Operations without parameters whose inputs all have the shape of the output."""
    for name in OPERATIONS.keys() - NOT_OF_SPECIAL_VALUES - MATRICES:
        first = cases(name)[0]
        if len(first.inputs) == inputs and not first.example.params and len({str(x[0]) for x in first.inputs}) == 1:
            yield name


@pytest.mark.parametrize("name", sorted([*elementwise(1), *elementwise(2)]))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values(name, dtype):
    """Infinities, NaN, subnormal numbers, overflow: as numpy. Repeated, so that vector loops see each of them."""
    case = cases(name)[0]
    x, y = (grid.ravel() for grid in np.meshgrid(np.array(SPECIAL, dtype), np.array(SPECIAL, dtype)))
    arrays = [x.copy(), y.copy()][: len(case.inputs)]
    with np.errstate(all="ignore"):
        exact = np.asarray(REFERENCES[name](*(a.astype("float64") for a in arrays)))
        got = case.run(arrays)[0].numpy()
        np.testing.assert_allclose(got, exact.astype(got.dtype), rtol=1e-5, atol=1e-42)


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - MATRICES))
def test_nan_is_where_the_reference_has_it(name):
    """One NaN at a time in each input: nothing loses it and nothing spreads it."""
    for case in cases(name):
        if "conv2d" in name and any(case.example.params["padding"]):
            continue  # what a weight does with padding is 0 times NaN, or nothing
        if name == "resample":
            continue  # as what a weight of 0 does; tests/test_images.py says how far NaN goes
        for i, (_, domain, _) in enumerate(case.inputs):
            arrays = case.arrays("float32")
            if domain in ("index", "bool") or not arrays[i].size or case.example.params.get("dtype", "float")[0] != "f":
                continue
            for place in {0, arrays[i].size // 2, arrays[i].size - 1}:
                spoilt = [x.copy() for x in arrays]
                spoilt[i].flat[place] = np.nan
                with np.errstate(invalid="ignore"):
                    assert_values(case, spoilt)


# --- shapes and strides ---------------------------------------------------------------------------------------------


def transposed(x):
    """Columns instead of rows in memory."""
    return np.asfortranarray(x)


def stepped(x):
    """Every third element of a row in memory, or of the only dimension."""
    wide = np.full((*x.shape[:-1], 3 * x.shape[-1]), 9, x.dtype)
    wide[..., 1::3] = x
    return wide[..., 1::3]


def backwards(x):
    """From the last element in memory to the first, in every dimension."""
    return np.flip(np.flip(x).copy())


def skewed(x):
    """A window inside something larger, the outer dimensions backwards and with steps."""
    around = np.full([2 * n + 3 for n in x.shape], 9, x.dtype)
    window = around[tuple(slice(2 * n, 0, -2) for n in x.shape)]
    window[...] = x
    return window


@EVERY
@pytest.mark.parametrize("layout", [transposed, stepped, backwards, skewed])
def test_values_and_gradients_do_not_depend_on_strides(name, layout):
    for example in cases(name):
        for case in filter(None, [example, example.grown(3000)]):
            for dtype in ["float32", "int32"] if name not in FLOATS_ONLY else ["float32"]:
                arrays = case.arrays(dtype)
                strided = [layout(x) if x.ndim else x for x in arrays]
                for got, expected in zip(results(case, strided), results(case, arrays), strict=True):
                    assert_close(got, expected, case)


@EVERY
def test_inputs_that_repeat_elements(name):
    """Strides of zero: each input is one row, seen several times."""
    for case in cases(name):
        arrays = [np.broadcast_to(x[:1], x.shape) if x.ndim else x for x in case.arrays("float64")]
        for got, expected in zip(results(case, arrays), results(case, list(map(np.copy, arrays))), strict=True):
            assert_close(got, expected, case)


def refusal(case, arrays):
    """The error of a user's making that a case raises; None where it has results."""
    try:
        results(case, arrays)
    except (ValueError, TypeError, IndexError) as error:
        return error
    return None


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_no_elements_and_no_dimensions(name, dtype):
    """Each extent of an example set to zero in turn, and all dimensions gone: an error of ours, or numpy's answer."""
    for example in cases(name):
        if "count" in example.example.params:  # a slice, whose bounds indexing puts inside the extents before
            continue
        extents = {n for shape, *_ in example.inputs for n in shape}
        variants = [example.with_extents(lambda n, gone=gone: 0 if n == gone else n) for gone in extents]
        if not example.example.params.keys() & {"dim", "dims"}:  # which functions check before they apply it
            variants.append(example.without_dimensions())
        for case in variants:
            arrays = case.arrays(dtype)
            if error := refusal(case, arrays):
                assert re.match(r"[a-z_0-9.]+( \([a-z ]+\))?: ", str(error)), f"{case}: {error}"
                continue
            # numpy warns of a mean of nothing, and refuses a maximum of nothing even where none is asked for.
            with warnings.catch_warnings(action="ignore"), contextlib.suppress(ValueError):
                assert_values(case, arrays)
