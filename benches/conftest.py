"""What the benchmarks share: both libraries on equal inputs, results compared before anything is timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dlcore
import numpy as np
import pytest
from numpy.typing import NDArray

collect_ignore = ["examples_in_torch.py"]  # no benchmark, and torch need not be there


@pytest.fixture
def rng() -> np.random.Generator:
    """The source of inputs, the same for every run."""
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _seed() -> None:
    dlcore.manual_seed(0)


Contender = Callable[[], Any]


@pytest.fixture(params=["numpy", "dlcore"])
def library(request: pytest.FixtureRequest) -> str:
    """Each benchmark runs once with numpy and once with dlcore; pytest-benchmark groups the two."""
    return str(request.param)


@pytest.fixture
def race(benchmark: Any, library: str) -> Callable[..., None]:
    """``race(numpy=f, dlcore=g)`` checks that both give the same numbers, then times the one whose turn it is."""

    def run(*, rtol: float = 1e-4, atol: float = 1e-5, **contenders: Contender) -> None:
        results: list[NDArray[Any]] = [np.asarray(contenders[name]()) for name in ("numpy", "dlcore")]
        np.testing.assert_allclose(results[1], results[0], rtol=rtol, atol=atol)
        benchmark(contenders[library])

    return run
