"""Windows against numpy and their definitions."""

import math

import dlcore
import numpy as np
import pytest
from dlcore.signal import windows

POINTS = np.arange(7)


@pytest.mark.parametrize("M", [0, 1, 2, 5, 8])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bartlett", np.bartlett),
        ("blackman", np.blackman),
        ("hamming", np.hamming),
        ("hann", np.hanning),
        ("kaiser", lambda M: np.kaiser(M, 12.0)),
    ],
)
def test_windows_are_numpys_and_one_period_lacks_the_last_point(name, expected, M):
    window, at_the_top = getattr(windows, name), getattr(dlcore, f"{name}_window")
    np.testing.assert_allclose(window(M, dtype=dlcore.float64).numpy(), expected(M), atol=1e-15)
    np.testing.assert_allclose(at_the_top(M, False).numpy(), expected(M), atol=1e-7)
    if M > 1:
        for period in (at_the_top(M, dtype=dlcore.float64), window(M, sym=False, dtype=dlcore.float64)):
            np.testing.assert_allclose(period.numpy(), expected(M + 1)[:-1], atol=1e-15)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (windows.cosine(7), np.sin(np.pi * (POINTS + 0.5) / 7)),
        (windows.cosine(7, sym=False), np.sin(np.pi * (POINTS + 0.5) / 8)),
        (windows.exponential(7, tau=2.0), np.exp(-np.abs(POINTS - 3) / 2)),
        (windows.exponential(7, center=1, sym=False), np.exp(-np.abs(POINTS - 1.0))),
        (windows.gaussian(7, std=2.0), np.exp(-((POINTS - 3) ** 2) / 8)),
        (windows.gaussian(7, sym=False), np.exp(-((POINTS - 3.5) ** 2) / 2)),
        (windows.general_hamming(7, alpha=0.7), 0.7 - 0.3 * np.cos(2 * np.pi * POINTS / 6)),
        (dlcore.hamming_window(7, False, 0.7, 0.2), 0.7 - 0.2 * np.cos(2 * np.pi * POINTS / 6)),
        (
            windows.nuttall(7),
            sum(
                (-1) ** k * a * np.cos(2 * np.pi * k * POINTS / 6)
                for k, a in enumerate((0.3635819, 0.4891775, 0.1365995, 0.0106411))
            ),
        ),
        (windows.kaiser(7, beta=2000.0)[3:4], [1.0]),
    ],
)
def test_windows_by_their_formulas(got, expected):
    np.testing.assert_allclose(got.numpy(), expected, atol=2e-7)


def test_windows_are_made_as_other_tensors_are():
    window = dlcore.hann_window(4, dtype=dlcore.float16, layout=dlcore.strided, device="cpu", requires_grad=True)
    assert (window.dtype, window.requires_grad, window.is_leaf) == (dlcore.float16, True, True)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: dlcore.hann_window(-1), "negative number of points, got -1"),
        (lambda: dlcore.hann_window(2, dtype=dlcore.int64), "of floats, got dlcore.int64"),
        (lambda: windows.general_cosine(3, a=[]), "at least one weight"),
        (lambda: windows.exponential(3, tau=0.0), "positive tau, got 0.0"),
        (lambda: windows.exponential(3, center=1.0), "symmetric window is its middle"),
        (lambda: windows.gaussian(3, std=-1.0), "positive std, got -1.0"),
        (lambda: windows.kaiser(3, beta=-math.pi), "beta of at least 0"),
    ],
)
def test_windows_that_cannot_be(wrong, words):
    with pytest.raises((ValueError, dlcore.DTypeError), match=words):
        wrong()
