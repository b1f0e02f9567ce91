"""Libraries written against the array API standard compute with tensors: scipy and scikit-learn, where installed."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

# Both ask for it by name: scipy before it is imported, so in a process of its own.
SCIPY = """
import numpy as np, dlcore, dlcore.array_api as xp
from scipy import integrate, special, stats
from scipy.cluster import vq
numbers = np.random.default_rng(0).normal(size=(40, 3))
for function in (
    lambda x: special.logsumexp(x, axis=1),
    lambda x: special.softmax(x, axis=0),
    lambda x: special.ndtr(x),
    lambda x: stats.zscore(x),
    lambda x: stats.skew(x),
    lambda x: stats.rankdata(x),
    lambda x: stats.ttest_ind(x[:, 0], x[:, 1]).pvalue,
    lambda x: stats.pearsonr(x[:, 0], x[:, 1]).statistic,
    lambda x: integrate.trapezoid(x[:, 0]),
    lambda x: vq.whiten(x),
):
    found, expected = function(xp.asarray(numbers)), function(numbers)
    assert isinstance(found, dlcore.Tensor), type(found)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)
"""
SCIKIT_LEARN = """
import numpy as np, dlcore, dlcore.array_api as xp
from sklearn import config_context
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import MinMaxScaler, StandardScaler
x = np.random.default_rng(0).normal(size=(60, 4))
y, line = (x[:, 0] > 0).astype(np.int64), x @ np.arange(4.0) + 1
for function in (
    lambda x, y, line: StandardScaler().fit_transform(x),
    lambda x, y, line: MinMaxScaler().fit_transform(x),
    lambda x, y, line: PCA(2, svd_solver="full").fit_transform(x),
    lambda x, y, line: LinearDiscriminantAnalysis().fit(x, y).predict(x),
    lambda x, y, line: Ridge(solver="svd").fit(x, line).predict(x),
    lambda x, y, line: euclidean_distances(x),
):
    with config_context(array_api_dispatch=True):
        found = function(xp.asarray(x), xp.asarray(y), xp.asarray(line))
    assert isinstance(found, dlcore.Tensor), type(found)
    np.testing.assert_allclose(found.numpy(), function(x, y, line), rtol=1e-6, atol=1e-9)
"""


@pytest.mark.parametrize(
    ("library", "program"), [("scipy", SCIPY), ("sklearn", SCIKIT_LEARN)], ids=["scipy", "sklearn"]
)
def test_libraries_dispatch_to_tensors(library, program):
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert not run.returncode, run.stderr
