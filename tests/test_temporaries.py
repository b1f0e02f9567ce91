"""An operator may compute in the memory of an operand that dies with it, and in no other, whoever calls it."""

import functools
import gc
import itertools
import operator
import os
import platform
import sys
import threading
import time
import weakref

import dlcore
import numpy as np
import pytest
from dlcore import memory, nn
from hypothesis import given, settings, strategies as st

N = 1 << 17  # large enough for memory to be worth taking over
BYTES = 4 * N
CAN_TELL = sys.version_info < (3, 14) and platform.libc_ver()[0] == "glibc"


def fresh(seed=0):
    return dlcore.from_numpy(np.random.default_rng(seed).random(N, dtype=np.float32)).clone()


def blocks_touched(program):
    """How many blocks of a tensor's size `program` takes at once, its result among them."""
    gc.collect()
    memory.reset_peak()
    before = memory.stats()["live_bytes"]
    kept = program()
    assert kept is not None
    return (memory.stats()["peak_bytes"] - before) // BYTES


# --- what is taken over -----------------------------------------------------------------------------------------------

a, b, c = fresh(1), fresh(2), fresh(3)


@pytest.mark.skipif(not CAN_TELL, reason="this Python or platform does not let us tell")
@pytest.mark.parametrize(
    "program",
    [
        lambda: a * b + c,
        lambda: c - a / b,
        lambda: 2 * (a + b) - 1,
        lambda: (a + b) * (1 - (c - a) / 3),
        lambda: next(x + y for x in [a] for y in [b]) * 2 + a + b + c,
    ],
)
def test_an_expression_takes_one_block_for_each_operand_under_way(program):
    assert blocks_touched(program) <= 2
    assert blocks_touched(lambda: a * b + c) == 1


def test_small_results_and_names_take_blocks_of_their_own():
    def named():
        product = a * b
        return product + c, product

    assert blocks_touched(named) == 2


# --- what is not ------------------------------------------------------------------------------------------------------


class Holder:
    """Owns the only reference, and lends it."""

    def __init__(self, value):
        self.value = value

    @property
    def lent(self):
        return self.value


def held_in_a_tuple():
    held = (a * b, c)
    return lambda: held[0], lambda: operator.add(*held)


def held_in_a_tuple_for_one():
    held = (a * b,)
    return lambda: held[0], lambda: functools.partial(operator.mul, *held)(c)


def held_in_a_list():
    held = [a * b]
    return lambda: held[0], lambda: next(x + c for x in held)


def held_in_a_list_and_mapped():
    held = [a * b]
    return lambda: held[0], lambda: next(map(operator.sub, held, itertools.repeat(c)))


def held_in_an_array():
    held = np.empty(1, dtype=object)
    held[0] = a * b
    return lambda: held[0], lambda: (held + 1.5)[0]


def held_in_an_array_twice():
    held = np.empty(1, dtype=object)
    held[0] = a * b
    return lambda: held[0], lambda: np.add(held, held)[0]


def held_by_an_object():
    held = Holder(a * b)
    return lambda: held.value, lambda: held.lent + c


def held_by_a_cell():
    product = a * b
    return lambda: product, lambda: product + c


def held_by_a_generator():
    def numbers():
        product = a * b
        while True:
            yield product

    held = numbers()
    return lambda: next(held), lambda: next(held) + c


def held_by_a_default():
    def add(x=a * b):
        return x + c

    return lambda: add.__defaults__[0], add


def held_by_a_view():
    view = (a * b)[:]
    return lambda: view, lambda: view.detach() + c


def held_as_numpy():
    array = (a * b).numpy()
    return lambda: array, lambda: dlcore.from_numpy(array) + c


def held_by_dlpack():
    array = a.numpy() * np.float32(3)
    return lambda: array, lambda: dlcore.from_dlpack(array) + c


def held_by_a_leaf():
    w = fresh().requires_grad_()
    (w * w).sum().backward()
    return lambda: w.grad, lambda: w.grad + c


def held_behind_a_leaf():
    w = (a * b).requires_grad_()
    return w.detach, lambda: w.data + c


def held_and_summed():
    held = [a * b, a + b, c]
    return lambda: held[0], lambda: sum(held)


def held_and_reduced():
    held = [a * b, a + b, c]
    return lambda: held[1], lambda: functools.reduce(operator.add, held)


HOLDERS = [
    held_in_a_tuple, held_in_a_tuple_for_one, held_in_a_list, held_in_a_list_and_mapped, held_in_an_array,
    held_in_an_array_twice, held_by_an_object, held_by_a_cell, held_by_a_generator, held_by_a_default, held_by_a_view,
    held_as_numpy, held_by_dlpack, held_by_a_leaf, held_behind_a_leaf, held_and_summed, held_and_reduced,
]  # fmt: skip


@pytest.mark.parametrize("make", HOLDERS)
def test_whoever_holds_the_one_reference_keeps_the_values(make):
    read, compute = make()
    before = np.array(read())
    first = np.array(compute())
    assert np.array_equal(before, np.array(read()))
    assert np.array_equal(first, np.array(compute()))


def test_a_weak_reference_sees_no_other_values():
    class Watch:
        """Looks while the sum is computed: at its operand, through a weak reference."""

        def __init__(self, x):
            self.x = weakref.ref(x)

        def __call__(self):
            while not self.stop:
                x = self.x()
                self.seen.add(None if x is None else x[0].item())  # what is written first
                del x
                time.sleep(1e-3)  # so that mostly there is one reference

        stop, seen = False, set()

    def watched(x):
        nonlocal watch
        watch = Watch(x)
        thread = threading.Thread(target=watch)
        thread.start()
        return x, thread

    size, watch = 1 << 24, None
    ones = dlcore.ones(size)
    for _ in range(10):
        held = [watched(ones + ones)]
        product, thread = held.pop()
        held = [product]
        del product
        held.pop() + ones
        watch.stop = True
        thread.join()
        assert watch.seen <= {None, 2.0}


def test_lent_memory_is_its_owners():
    array = np.random.default_rng(5).random(N, dtype=np.float32)
    before = array.copy()
    assert np.array_equal((dlcore.from_numpy(array) + c).numpy(), before + c.numpy())
    assert np.array_equal(array, before)
    view = (a * b).numpy()
    before = view.copy()
    assert np.array_equal((dlcore.from_numpy(view) * 2).numpy(), before * 2)
    assert np.array_equal(view, before)


def test_subclasses_are_left_alone():
    parameter = nn.Parameter(a * b, requires_grad=False)
    before = np.array(parameter)
    assert np.array_equal((parameter + c).numpy(), before + c.numpy())
    assert np.array_equal(np.array(parameter), before)


def test_what_a_graph_needs_is_kept():
    w = fresh(7).requires_grad_()
    ((a * b) * w + (a + c) * w * w).sum().backward()
    expected = a * b + 2 * (a + c) * w.detach()
    assert dlcore.allclose(w.grad, expected, rtol=1e-6)
    with dlcore.no_grad():
        assert np.array_equal((a * b * w).numpy(), a.numpy() * b.numpy() * w.detach().numpy())
    assert ((a * b) * w).requires_grad


def test_dtypes_and_shapes_that_differ_take_memory_of_their_own():
    ints = dlcore.arange(N)
    assert ((ints + 1) * 2).tolist()[:3] == [2, 4, 6]
    assert ((ints + 1) / 2).dtype == dlcore.float32
    row = dlcore.ones(300)
    assert ((row + 1) * dlcore.ones(500, 300)).shape == (500, 300)
    square = dlcore.rand(400, 400)
    known = square.numpy()
    assert np.array_equal(((square + square) * row.sum() + square.t()).numpy(), (known + known) * 300 + known.T)


def test_a_part_of_a_large_block_does_not_keep_the_block():
    rest = dlcore.zeros(32 * N)
    w = fresh().requires_grad_()

    def bytes_kept(program):
        gc.collect()
        before = memory.stats()["live_bytes"]
        kept = program()
        assert kept is not None
        return memory.stats()["live_bytes"] - before

    def gradient():
        dlcore.cat([w, rest]).mul(2).sum().backward()
        return w.grad

    assert bytes_kept(lambda: dlcore.zeros(32, N)[3] + c) < 2 * BYTES
    assert bytes_kept(lambda: dlcore.zeros(32, N, requires_grad=True)[3].detach() + c) < 2 * BYTES
    assert bytes_kept(gradient) < 2 * BYTES


# --- random programs --------------------------------------------------------------------------------------------------

OPERATORS = ["+", "-", "*", "/"]


@st.composite
def expressions(draw, names):
    def expression(depth):
        if depth == 0 or draw(st.integers(0, 4)) == 0:
            return draw(st.sampled_from([*names, *names, "2.0", "3"]))
        left, right = expression(depth - 1), expression(depth - 1)
        if left in ("2.0", "3") and right in ("2.0", "3"):
            left = names[0]
        return f"({left} {draw(st.sampled_from(OPERATORS))} {right})"

    found = expression(draw(st.integers(1, 4)))
    return f"({found} + a)"  # a tensor in any case


FORMS = [
    "{v} = {e}",
    "{v} = {e}; {v} = {v} + {f}",
    "{v}, {w} = {e}, {f}",
    "{v} = ({w} := {e}) * {f} - {w}",
    "held = [{e}, {f}]; {v} = held[0] * held[1] + held[0]; {w} = held[0]",
    "held = [{e}, {f}]; {v} = held.pop() + held[0]; {w} = held.pop()",
    "held = {{'x': {e}}}; {v} = held['x'] + {f}; {w} = held['x']",
    "held = ({e}, {f}); {v} = operator.sub(*held); {w} = held[0]",
    "held = ({e}, {f}); {v} = functools.reduce(operator.mul, held); {w} = held[1]",
    "{v} = operator.add({e}, {f})",
    "{v} = sum([{e}, {f}], {e})",
    "{v} = sum(x * {f} for x in ({e}, {f}))",
    "{v}, {w} = [x + y for x in ({e}, a) for y in ({f},)]",
    "{v} = (lambda x: x + {f} * x)({e})",
    "{v} = {e}; {w} = (lambda: {v} + {f})()",
    "def numbers():\n    x = {e}\n    yield x + 1\n    yield x\n{v}, {w} = numbers()",
    "def numbers():\n    yield {e}\n    yield {f}\nheld = numbers()\n{v} = next(held) + c\n{w} = next(held) - c",
    "def outer():\n    x = {e}\n    def inner():\n        return x * {f}\n    return inner() + x\n{v} = outer()",
    "def first(x, y):\n    return x + y, x\n{v}, {w} = first({e}, {f})",
    "try:\n    {v} = {e} + undefined\nexcept NameError:\n    {v} = {f}",
    "{v} = {e}; {v} += {f}; {v} *= 0.5",
    "{v} = {e}; {w} = {v}; {w} -= {f}",
    "held = Holder({e}); {v} = held.lent + {f}; {w} = held.lent",
    "{v} = Holder({e}).lent + {f}",
    "{v} = ({e} if {flag} else {f}) * 2.0",
    "{v} = {e}[::1] + {f}; {w} = {v}[1:] * {v}[:-1]; {w} = {v}",
    "[{v}] = map(operator.mul, [{e}], [{f}])",
]


@st.composite
def programs(draw):
    names, lines = ["a", "b", "c"], []
    for i in range(draw(st.integers(1, 4))):
        v, w = f"v{i}", f"w{i}"
        form = draw(st.sampled_from(FORMS))
        e, f = draw(expressions(names)), draw(expressions(names))
        lines.append(form.format(v=v, w=w, e=e, f=f, flag=draw(st.booleans())))
        names += [v, w] if "{w}" in form else [v]
    return "\n".join(lines), names


# A tensor repeats a few values, for which numpy computes small arrays: in the place of large temporaries it takes over
# memory itself, and in `operator.sub(*held)` that which `held` owns.
LEAVES = {name: np.random.default_rng(i).random(1 << 10, dtype=np.float32) for i, name in enumerate("abc")}


def outcome(program, names, leaves, in_function):
    tools = {"operator": operator, "functools": functools, "Holder": Holder}
    if in_function:  # names are then local variables and cells, not entries of a dictionary
        body = "\n".join("    " + line for line in program.splitlines())
        program = f"def f(a, b, c):\n{body}\n    return {', '.join(names)}\nresult = f(**leaves)"
        scope = {**tools, "leaves": leaves}
        exec(program, scope)
        return [np.array(value) for value in scope["result"]]
    scope = {**tools, **leaves}
    exec(program, scope)
    return [np.array(scope[name]) for name in names]


@settings(max_examples=int(os.environ.get("DLCORE_EXAMPLES", "60")), deadline=None)
@given(programs(), st.booleans())
def test_random_programs_give_numpys_values_and_change_no_live_tensor(case, in_function):
    program, names = case
    with np.errstate(all="ignore"):
        expected = outcome(program, names, {name: leaf.copy() for name, leaf in LEAVES.items()}, in_function)
    large = {name: dlcore.from_numpy(np.tile(leaf, N >> 10)).clone() for name, leaf in LEAVES.items()}
    found = outcome(program, names, large, in_function)
    for name, ours, numpys in zip(names, found, expected, strict=True):
        np.testing.assert_array_equal(ours, np.tile(numpys, N >> 10), err_msg=f"{name} of\n{program}")
