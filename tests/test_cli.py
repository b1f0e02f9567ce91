"""The command line, as a user meets it."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import dlcore
import numpy as np
import pytest
from dlcore.cli import main

MNIST = Path(__file__).parents[2] / "shared" / "data"


def test_demo_learns_saves_and_shows(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "out"), "--seed", "1"]) == 0
    out, err = capsys.readouterr()
    accuracy = float(re.search(r"test accuracy (\d+\.\d+)%", out)[1])
    assert accuracy >= 98.0
    assert err.count("epoch ") == err.count("\n") == 14
    assert "the same results, bit for bit" in out
    assert "true \\ predicted" in out
    assert "@@" in out
    state = dlcore.load(tmp_path / "out" / "weights.safetensors")
    assert state["conv1.weight"].shape == (32, 1, 3, 3)
    assert dlcore.io.read_metadata(tmp_path / "out" / "weights.safetensors")["model"] == "DigitNet"


def test_demo_is_the_same_for_the_same_seed_and_any_number_of_threads(tmp_path, capsys):
    threads = dlcore.get_num_threads()
    files = []
    try:
        for count in (1, 2):
            out = tmp_path / str(count)
            assert main(["demo", "--epochs", "1", "--threads", str(count), "--no-plot", "--out", str(out)]) == 0
            assert [path.name for path in out.iterdir()] == ["weights.safetensors"]
            files.append((out / "weights.safetensors").read_bytes())
    finally:
        dlcore.set_num_threads(threads)
    assert files[0] == files[1]
    capsys.readouterr()


def test_demo_says_how_to_get_the_plot(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    assert main(["demo", "--epochs", "1", "--out", str(tmp_path)]) == 0
    assert "pip install 'dlcore[plot]'" in capsys.readouterr().out


@pytest.mark.skipif(not MNIST.is_dir(), reason="MNIST's test files are not beside the checkout")
def test_demo_reads_mnist(tmp_path, capsys):
    assert main(["demo", "--data", str(MNIST), "--epochs", "1", "--no-plot", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "8000 images of 28x28 to learn from, 2000 to test on" in out
    assert float(re.search(r"test accuracy (\d+\.\d+)%", out)[1]) > 95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo", "--data", "no-such-folder"], "dlcore: no-such-folder is not a folder; expected {train,t10k}-"),
        (["demo", "--data", str(Path(__file__).parent)], "expected {train,t10k}-"),
        (["demo", "--epochs", "1", "--out", __file__], "File exists"),
    ],
)
def test_mistakes_end_in_one_line(arguments, message, capsys):
    assert main(arguments) == 1
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [[], ["train"], ["demo", "--epochs", "0"], ["demo", "--seed", "-1"], ["demo", "--threads", "many"], ["info", "x"]],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: dlcore" in capsys.readouterr().err


def test_info(capsys):
    assert main(["info", "--measure"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("dlcore ")
    for expected in ("instructions", "threads", "peak", "GFLOP/s", "GB/s"):
        assert expected in out


def test_bench_lists_ratios(capsys, monkeypatch, tmp_path):
    from dlcore.cli import bench

    monkeypatch.setattr(bench, "_TURNS", 1)
    monkeypatch.setattr(bench, "_TURN", 0.0)
    figures, picture = tmp_path / "bench.json", tmp_path / "bench.png"
    monkeypatch.setattr(bench, "_cases", lambda cases=bench._cases: [c for c in cases() if c.values < 2_000_000])
    assert main(["bench", "--peers", "--json", str(figures), "--plot", str(picture)]) == 0
    rows = [row for row in capsys.readouterr().out.splitlines() if "is not installed" not in row]
    assert rows[-1].startswith("limit: ")
    assert all(re.search(r"\d\.\d\dx( +\d+%)?$", row) for row in rows[1:-1])
    written = json.loads(figures.read_text())
    assert [case["name"] for case in written["cases"]] == [re.split(r"  +", row)[0] for row in rows[1:-1]]
    assert all(case["limit_seconds"] < 10 * case["seconds"]["dlcore"] for case in written["cases"])
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_bench_times_nothing_that_differs():
    from dlcore.cli import bench

    ones = np.ones(3, np.float32)
    bench._require_agreement("add", {"dlcore": ones, "numpy": ones + 1e-6, "torch": None})
    with pytest.raises(ValueError, match="add: dlcore and numpy do not agree"):
        bench._require_agreement("add", {"dlcore": ones, "numpy": ones + 0.01})


def test_import_loads_neither_numpy_nor_what_is_not_asked_for():
    code = "import sys, dlcore; print([m for m in ('numpy', 'typing', 'dlcore.nn', 'dlcore.data') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False, env=_env())
    assert run.stdout.strip() == "[]", run.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals work differently there")
def test_ctrl_c_stops_the_demo(tmp_path):
    command = [sys.executable, "-m", "dlcore.cli", "demo", "--epochs", "1000", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=_env())
    assert "epoch" in process.stderr.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert err.endswith("dlcore: stopped\n")
    assert "Traceback" not in err


def _env():
    """The environment with this dlcore on the path, wherever it was imported from."""
    import os

    return {**os.environ, "PYTHONPATH": str(Path(dlcore.__file__).parents[1])}
