"""Random numbers: generators and their states, distributions, errors, the same numbers whatever computes them."""

import copy
import math
import os
import pickle

import dlcore
import numpy as np
import pytest
from processes import run

N = 200_000


def drawn(name, *arguments, dtype=dlcore.float64):
    return getattr(dlcore.empty(N, dtype=dtype), name)(*arguments, generator=dlcore.Generator(3)).numpy()


# --- generators -----------------------------------------------------------------------------------------------------


def test_a_state_is_gone_back_to():
    generator = dlcore.Generator(5)
    dlcore.randn(3, generator=generator)
    state = generator.get_state()
    assert (state.dtype, state.shape) == (dlcore.uint8, (16,))
    first = dlcore.rand(7, generator=generator)
    generator.set_state(state)
    assert dlcore.equal(first, dlcore.rand(7, generator=generator))
    with pytest.raises(ValueError, match="16 bytes"):
        generator.set_state(dlcore.zeros(3, dtype=dlcore.uint8))
    with pytest.raises(ValueError, match="16 bytes"):
        generator.set_state(dlcore.zeros(16))


def test_the_default_generator_has_a_state_too():
    assert dlcore.manual_seed(9) is not None
    assert dlcore.initial_seed() == 9 == dlcore.default_generator.initial_seed()
    state = dlcore.get_rng_state()
    first = dlcore.rand(3)
    dlcore.set_rng_state(state)
    assert dlcore.equal(first, dlcore.rand(3))
    dlcore.default_generator.set_state(state)
    assert dlcore.equal(first, dlcore.rand(3))


def test_seeds():
    generator = dlcore.Generator(3)
    assert generator.manual_seed(2**64 - 1).initial_seed() == 2**64 - 1
    assert generator.manual_seed(-1).initial_seed() == 2**64 - 1
    assert generator.seed() == generator.initial_seed() != generator.seed()
    with pytest.raises(OverflowError):
        generator.manual_seed(2**64)


def test_generators_are_copied_and_pickled_where_they_stand():
    generator = dlcore.Generator(3)
    dlcore.rand(5, generator=generator)
    copies = [copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))]
    expected = dlcore.rand(5, generator=generator)
    for other in copies:
        assert dlcore.equal(dlcore.rand(5, generator=other), expected)


def test_split_generators_have_streams_of_their_own():
    parts = dlcore.Generator(3).split(4)
    assert [p.initial_seed() for p in parts] == [p.initial_seed() for p in dlcore.Generator(3).split(4)]
    values = np.stack([dlcore.randn(10_000, generator=part).numpy() for part in parts])
    assert np.abs(np.corrcoef(values) - np.eye(4)).max() < 0.05


# --- distributions --------------------------------------------------------------------------------------------------

MOMENTS = {
    "exponential": (lambda: drawn("exponential_", 2.0), 1 / 2, 1 / 4),
    "log_normal": (lambda: drawn("log_normal_", 0.0, 0.5), math.exp(1 / 8), (math.exp(1 / 4) - 1) * math.exp(1 / 4)),
    "geometric": (lambda: drawn("geometric_", 0.3), 1 / 0.3, 0.7 / 0.09),
    "bernoulli": (lambda: drawn("bernoulli_", 0.3), 0.3, 0.21),
    "random": (lambda: drawn("random_", 10), 4.5, 99 / 12),
    "uniform": (lambda: drawn("uniform_", -1, 3), 1, 16 / 12),
    "normal": (lambda: drawn("normal_", 2, 3), 2, 9),
    "poisson": (lambda: dlcore.poisson(dlcore.full((N,), 20.0), dlcore.Generator(3)).numpy(), 20, 20),
    "gamma": (lambda: dlcore.standard_gamma(dlcore.full((N,), 2.5), dlcore.Generator(3)).numpy(), 2.5, 2.5),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_means_and_variances(name):
    draw, mean, variance = MOMENTS[name]
    values = draw().astype(np.float64)
    assert abs(values.mean() - mean) < 6 * math.sqrt(variance / N)
    assert values.var() == pytest.approx(variance, rel=0.05)


def test_half_of_a_cauchy_distribution_lies_within_its_width():
    values = drawn("cauchy_", 1.0, 2.0)
    assert np.mean(np.abs(values - 1) < 2) == pytest.approx(0.5, abs=0.01)
    assert np.median(values) == pytest.approx(1, abs=0.05)


def test_random_integers_fill_the_dtype():
    for dtype, top in [(dlcore.uint8, 255), (dlcore.int8, 127), (dlcore.bool, 1), (dlcore.float16, 2**11)]:
        values = drawn("random_", dtype=dtype)
        assert (values.min(), values.max()) == (0, top)
    values = drawn("random_", -3, 4)
    assert (values.min(), values.max()) == (-3, 3)


@pytest.mark.parametrize("dtype", [dlcore.float16, dlcore.bfloat16, dlcore.float32, dlcore.float64])
def test_truncated_normal_stays_within_its_bounds(dtype):
    w = dlcore.nn.init.trunc_normal_(dlcore.empty(10_000, dtype=dtype), 0.5, 2.0, -1.0, 1.0)
    values = w.double().numpy()
    assert ((values >= -1) & (values <= 1)).all()
    assert values.std() > 0.5


def test_truncated_normal_far_from_its_mean_is_its_nearer_bound():
    assert dlcore.truncated_normal((2,), 0.0, 1e-200, 1.0, 2.0).tolist() == [1, 1]
    assert dlcore.truncated_normal((2,), 0.0, 1e-200, -2.0, -1.0).tolist() == [-1, -1]
    for bad in [
        (-math.inf, 1.0),
        (math.nan, 1.0),
        (0.0, math.inf),
        (0.0, 0.0),
        (0.0, 1.0, 2.0, 1.0),
        (0.0, 1.0, math.nan),
    ]:
        with pytest.raises(ValueError, match="trunc_normal: expected"):
            dlcore.truncated_normal((2,), *bad)


def test_normal_takes_tensors_and_numbers():
    mean, std = dlcore.arange(3.0), dlcore.tensor([[0.0], [1e-6]])
    values = dlcore.normal(mean, std)
    np.testing.assert_allclose(values.numpy(), np.broadcast_to([0.0, 1, 2], (2, 3)), atol=1e-4)
    assert dlcore.normal(0.0, 1.0, (2, 3)).shape == (2, 3)
    assert dlcore.normal(mean).shape == (3,)
    with pytest.raises(ValueError, match="size is missing"):
        dlcore.normal(0.0, 1.0)
    with pytest.raises(ValueError, match="normal: expected deviations of at least zero, got -1"):
        dlcore.normal(mean, dlcore.tensor(-1.0))
    with pytest.raises(ValueError, match="normal_: expected a std of at least zero"):
        mean.normal_(0, -1)


def test_what_is_drawn_has_a_gradient_of_zero():
    p = dlcore.full((3,), 0.5, requires_grad=True)
    (dlcore.bernoulli(p) + dlcore.poisson(p) + dlcore.normal(p, p)).sum().backward()
    assert p.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize("replacement", [False, True])
def test_positions_are_drawn_by_weight(replacement):
    weights = dlcore.tensor([[1.0, 0.0, 3.0, 4.0], [0.0, 5.0, 0.0, 5.0]])
    shares = weights.numpy() / weights.numpy().sum(1, keepdims=True)
    counts = np.zeros((2, 4))
    generator = dlcore.Generator(3)
    if replacement:
        values = dlcore.multinomial(weights, 20_000, True, generator=generator).numpy()
        counts = np.stack([np.bincount(row, minlength=4) for row in values])
    else:
        many = weights.unsqueeze(0).expand(20_000, 2, 4).reshape(-1, 4)
        first = dlcore.multinomial(many, 1, generator=generator).numpy().reshape(-1, 2)
        counts = np.stack([np.bincount(row, minlength=4) for row in first.T])
    np.testing.assert_allclose(counts / 20_000, shares, atol=0.02)


def test_without_replacement_each_position_comes_once():
    values = dlcore.multinomial(dlcore.rand(100, 6) + 0.1, 6)
    assert (values.sort(1).values == dlcore.arange(6)).all()


def test_weights_of_zero_come_last():
    assert dlcore.multinomial(dlcore.tensor([0.0, 1.0]), 2).tolist() == [1, 0]


def test_multinomial_refuses_weights_that_are_none():
    for weights in ([-1.0, 2.0], [math.nan, 1.0], [math.inf, 1.0]):
        with pytest.raises(ValueError, match="multinomial: expected weights of at least zero"):
            dlcore.multinomial(dlcore.tensor(weights), 1)
    with pytest.raises(ValueError, match="none of 2 weights is above zero"):
        dlcore.multinomial(dlcore.zeros(2), 1)
    with pytest.raises(ValueError, match="replacement=True"):
        dlcore.multinomial(dlcore.ones(2), 3)
    with pytest.raises(dlcore.ShapeError, match="one or two dimensions"):
        dlcore.multinomial(dlcore.ones(2, 2, 2), 1)
    with pytest.raises(dlcore.DTypeError, match="float"):
        dlcore.multinomial(dlcore.ones(2, dtype=dlcore.int64), 1)


BAD = {
    "exponential_": (-1.0, "rate"),
    "cauchy_": (0.0, "sigma", 0.0),
    "log_normal_": (0.0, "std", -1.0),
    "geometric_": (1.0, "probability"),
    "bernoulli_": (1.5, "probability"),
}


@pytest.mark.parametrize("name", BAD)
def test_parameters_are_checked(name):
    first, what, *rest = BAD[name]
    with pytest.raises(ValueError, match=what):
        getattr(dlcore.empty(3), name)(first, *rest)


def test_rates_are_checked():
    with pytest.raises(ValueError, match="poisson: expected rates of at least zero, got -1"):
        dlcore.poisson(dlcore.tensor([1.0, -1.0]))
    with pytest.raises(ValueError, match="uniform_: nothing lies from 3 to -1"):
        dlcore.empty(2).uniform_(3, -1)


# --- processes ------------------------------------------------------------------------------------------------------


def test_numbers_do_not_depend_on_the_number_of_threads():
    def everything():
        generator = dlcore.Generator(11)
        rates = dlcore.rand(50_000, generator=generator) * 30
        return [
            dlcore.poisson(rates, generator),
            dlcore.standard_gamma(rates + 0.1, generator),
            dlcore.truncated_normal((50_000,), generator=generator),
            dlcore.empty(50_000).exponential_(generator=generator),
            dlcore.multinomial(rates[:1000], 500, generator=generator),
        ]

    threads = dlcore.get_num_threads()
    try:
        dlcore.set_num_threads(1)
        one = everything()
        dlcore.set_num_threads(3)
        assert all(dlcore.equal(a, b) for a, b in zip(one, everything(), strict=True))
    finally:
        dlcore.set_num_threads(threads)


@pytest.mark.skipif(os.name != "posix", reason="needs fork")
def test_a_forked_child_draws_though_another_thread_was_drawing():
    program = """
        import os, threading, warnings
        import dlcore

        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is the point here
        generator = dlcore.Generator(1)
        stop = threading.Event()

        def busy():
            while not stop.is_set():
                dlcore.rand(2_000_000)
                dlcore.rand(2_000_000, generator=generator)

        workers = [threading.Thread(target=busy) for _ in range(2)]
        for worker in workers:
            worker.start()
        try:
            for _ in range(40):
                child = os.fork()
                if child == 0:
                    dlcore.rand(3)
                    dlcore.rand(3, generator=generator)
                    os._exit(0)
                assert os.waitpid(child, 0)[1] == 0
        finally:
            stop.set()
            for worker in workers:
                worker.join()
        print("done")
    """
    assert run(program).split() == ["done"]


@pytest.mark.parametrize("dtype", [dlcore.float16, dlcore.bfloat16])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.0, 2.0)])
def test_uniform_numbers_of_two_bytes_stay_below_the_end(dtype, low, high):
    x = dlcore.empty(N, dtype=dtype).uniform_(low, high, generator=dlcore.Generator(3))
    assert low <= x.min().item()
    assert x.max().item() < high
