"""Gradients against central differences in float64, first and second.

What is differentiated is anything with ``run(inputs)``, which takes tensors and arrays and gives a list of tensors; its
first output, weighted, is the number whose derivatives are taken.
"""

import dlcore
import numpy as np

STEP = 1e-5  # balances truncation against rounding


def weights(output, seed=7):
    """Numbers of an output's shape and dtype: what turns it into a scalar."""
    rng = np.random.default_rng(seed)
    return dlcore.from_numpy(rng.uniform(-2, 2, output.shape)).to(output.dtype)


def leaves(arrays):
    """The arrays as tensors of which the floats require a gradient, and those that do."""
    tensors = [dlcore.from_numpy(x) for x in arrays]
    wanted = [t.requires_grad_() for t in tensors if t.dtype in (dlcore.float32, dlcore.float64)]
    return tensors, wanted


def gradients(case, arrays, create_graph=False):
    """Gradients of the weighted first output by the float inputs, and those inputs; None where nothing is recorded."""
    tensors, wanted = leaves(arrays)
    output = case.run(tensors)[0]
    if not output.requires_grad:
        return None
    found = dlcore.autograd.grad(output, wanted, weights(output), create_graph=create_graph, allow_unused=True)
    return [dlcore.zeros_like(x) if g is None else g for g, x in zip(found, wanted, strict=True)], wanted


def gradients_of(case, tensors):
    """Gradients of the first output, all seeded with one, by the inputs that are floats."""
    wanted = [t.requires_grad_() for t in tensors if t.is_floating_point()]
    output = case.run(tensors)[0]
    found = dlcore.autograd.grad(output, wanted, dlcore.ones_like(output), allow_unused=True)
    return [dlcore.zeros_like(x) if g is None else g for g, x in zip(found, wanted, strict=True)]


def differences(case, arrays, value):
    """Central differences of `value(arrays)` over every element of every float input."""
    slopes = []
    for x in arrays:
        if x.dtype.kind != "f":
            continue
        slope = np.empty_like(x)
        for i in np.ndindex(x.shape):
            at = x[i]
            x[i] = at + STEP
            above = value(case, arrays)
            x[i] = at - STEP
            below = value(case, arrays)
            x[i] = at
            slope[i] = (above - below) / (2 * STEP)
        slopes.append(slope)
    return slopes


def weighted(case, arrays):
    """The weighted sum of the first output, whose gradient `gradients` takes."""
    output = case.run(arrays)[0]
    return (output.numpy() * weights(output).numpy()).sum()


def along(case, arrays):
    """The derivative along a direction: what second derivatives are the gradient of."""
    found, _ = gradients(case, arrays)
    return sum((g.numpy() * weights(g, seed=i).numpy()).sum() for i, g in enumerate(found))


def assert_slopes(got, expected, case):
    for g, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(g.numpy(), e, rtol=1e-6, atol=1e-6, err_msg=str(case))


def assert_gradients(case, arrays):
    """Gradients agree with differences of values. False where nothing is recorded in float64."""
    if case.run(arrays)[0].dtype != dlcore.float64 or not (found := gradients(case, arrays)):
        return False
    assert_slopes(found[0], differences(case, arrays, weighted), case)
    return True


def assert_second_derivatives(case, arrays):
    """Gradients of gradients agree with differences of gradients."""
    if not (found := gradients(case, arrays, create_graph=True)):
        return
    first, inputs = found
    curved = [g for g in first if g.requires_grad]
    directions = [weights(g, seed=i) for i, g in enumerate(first) if g.requires_grad]
    second = dlcore.autograd.grad(curved, inputs, directions, allow_unused=True) if curved else [None] * len(inputs)
    second = [dlcore.zeros_like(x) if g is None else g for g, x in zip(second, inputs, strict=True)]
    assert_slopes(second, differences(case, arrays, along), case)
