"""`dlcore.memory`: counted, bounded, given back, and refused with a reason."""

import os
import re
import sys

import dlcore
import pytest
from dlcore import memory
from processes import run

PATH = os.pathsep.join(sys.path)  # a program finds what the tests find
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SHAPES = """
    import random
    import dlcore
    from processes import resident_bytes

    chance = random.Random(7)

    def any_shape():
        rank = chance.randint(1, 4)
        return [int(2 ** chance.uniform(0, 20 / rank)) for _ in range(rank)]

    def rounds(count):
        held = [None] * 16
        for i in range(count):
            held[i % 16] = dlcore.ones(any_shape()) * 2 + 1
        return resident_bytes()
"""


@pytest.fixture(autouse=True)
def no_limits_stay():
    yield
    memory.set_limit(None)
    memory.set_cache_limit(None)


@linux
@pytest.mark.parametrize("cache", ["", "16MiB", "0"])
def test_ten_thousand_random_shapes_leave_memory_flat(cache):
    program = """
    first = rounds(2_000)
    print((rounds(10_000) - first) >> 20)
    """
    assert int(run(SHAPES + program, DLCORE_MEMORY_CACHE=cache, PYTHONPATH=PATH)) < 64


@linux
def test_emptying_the_cache_gives_memory_back_to_the_system():
    program = """
    rounds(100)  # the program's own pages are not meant
    dlcore.memory.empty_cache()
    before = resident_bytes()
    rounds(1_000)
    large = [dlcore.ones(1 << 24) for _ in range(4)]
    del large
    full = resident_bytes()
    dlcore.memory.empty_cache()
    print((full - before) >> 20, (resident_bytes() - before) >> 20)
    """
    full, after = map(int, run(SHAPES + program, DLCORE_MEMORY_CACHE="1GiB", PYTHONPATH=PATH).split())
    assert full > 256
    assert after < 16


def test_the_environment_switches_the_cache_off():
    program = """
    import dlcore
    for size in (3, 1000, 1 << 20):
        dlcore.ones(size)
    stats = dlcore.memory.stats()
    print(stats["cached_bytes"], stats["cache_limit"], stats["cache_hits"])
    """
    assert run(program, DLCORE_MEMORY_CACHE="0").split() == ["0", "0", "0"]


def test_a_function_switches_the_cache_off_and_on():
    # In a process of its own: threads that worked for other tests keep small blocks for themselves.
    run(
        """
        import dlcore
        from dlcore import memory

        usual = memory.stats()["cache_limit"]
        memory.set_cache_limit(0)
        dlcore.ones(1 << 20)
        assert memory.stats()["cached_bytes"] == 0
        memory.set_cache_limit(1 << 23)
        dlcore.ones(1 << 20)
        assert memory.stats()["cached_bytes"] >= 1 << 22
        memory.set_cache_limit(None)
        assert memory.stats()["cache_limit"] == usual
        """,
        PYTHONPATH=PATH,
    )


def test_the_limit_is_respected():
    memory.empty_cache()
    room = 10 << 20
    limit = memory.stats()["live_bytes"] + room
    memory.set_limit(limit)
    assert memory.get_limit() == limit
    memory.reset_peak()
    held = [dlcore.ones(1 << 18) for _ in range(9)]
    with pytest.raises(MemoryError):
        dlcore.ones(2 << 18)
    assert memory.stats()["peak_bytes"] <= limit
    # What is kept for reuse makes way for another size; what is in use does not.
    del held[-4:]
    big = dlcore.ones(3 << 18)
    with pytest.raises(MemoryError):
        dlcore.ones(3 << 18)
    assert big.sum().item() == 3 << 18
    memory.set_limit(None)
    assert memory.get_limit() is None
    assert dlcore.ones(20 << 18).sum().item() == 20 << 18


REFUSED = [
    (lambda: dlcore.zeros(10**15), "zeros", 10**15),
    (lambda: dlcore.zeros(1).expand(2**40) + 1, "add", 2**40),
]


@pytest.mark.parametrize(("call", "op", "length"), REFUSED, ids=["zeros", "add"])
def test_what_the_machine_does_not_have_is_refused(call, op, length):
    with pytest.raises(MemoryError) as caught:
        call()
    text = rf"{op}: no memory for a float32 tensor of shape \({length},\), {4 * length} bytes"
    assert re.fullmatch(text + r"(: [0-9.]+ [KMG]iB of memory are available)?", str(caught.value))


def test_what_the_limit_refuses_names_what_was_asked_and_what_is_left():
    memory.empty_cache()
    memory.set_limit(memory.stats()["live_bytes"] + (1 << 20))
    with pytest.raises(MemoryError) as caught:
        dlcore.zeros(1000, 1000)
    text = (
        r"zeros: no memory for a float32 tensor of shape \(1000, 1000\), 4000000 bytes: .* are left of the limit of .*"
    )
    assert re.fullmatch(text, str(caught.value))


def test_a_kernel_without_working_memory_raises_and_leaves_all_usable():
    x = dlcore.rand(1000, 1000)
    known = (x.t() * x).sum().item()
    memory.empty_cache()
    memory.set_limit(memory.stats()["live_bytes"] + (5 << 20))  # for the result and not for a copy of the transposed
    with pytest.raises(MemoryError, match=r"no working memory: cannot allocate 3.8 MiB: .* are left of the limit"):
        x.t() * x
    memory.set_limit(None)
    assert (x.t() * x).sum().item() == known


@pytest.mark.parametrize("set_some", [memory.set_limit, memory.set_cache_limit])
@pytest.mark.parametrize("size", [1e9, "1GiB"])
def test_sizes_are_whole_numbers(set_some, size):
    with pytest.raises(TypeError, match="expected a whole number of bytes"):
        set_some(size)


@pytest.mark.parametrize("set_some", [memory.set_limit, memory.set_cache_limit])
def test_sizes_are_checked(set_some):
    with pytest.raises(ValueError, match=f"{set_some.__name__}: a number of bytes is not negative; got -1"):
        set_some(-1)
    with pytest.raises(TypeError):
        set_some(0.5)
