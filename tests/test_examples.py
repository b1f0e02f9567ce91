"""The examples learn, give the same bits at any number of threads, and go on to the same bits after an interruption."""

import os
import subprocess
import sys
from pathlib import Path

import dlcore
import pytest
from addition import Addition
from char_lstm import CharLSTM
from digits import read_digits
from digits_cnn import DigitsCNN, distort
from gpt import GPT
from letters import Letters
from memory_gru import MemoryGRU
from training import order, read_options, run
from transfer import Transfer
from vae_digits import VAEDigits

EXAMPLES = Path(__file__).parent.parent / "examples"
STEPS = {GPT: 6, CharLSTM: 5, DigitsCNN: 12, Addition: 8, MemoryGRU: 15, VAEDigits: 30, Transfer: 9}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A short text, so that the score of it takes no time."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text((EXAMPLES / "training.py").read_text("utf-8"), "utf-8")
    return path


@pytest.fixture(scope="module", params=STEPS, ids=lambda kind: kind.__name__)
def example(request, sources):
    data = ["--data", str(sources)] if request.param in (GPT, CharLSTM) else []
    return request.param, ["--quick", "--steps", str(STEPS[request.param]), *data]


@pytest.fixture(scope="module")
def whole(example, tmp_path_factory):
    """Where a training without interruption left its files, and what it gave."""
    kind, arguments = example
    out = tmp_path_factory.mktemp(kind.__name__)
    return out, run(kind, [*arguments, "--out", str(out)])


def test_it_learns(whole, example):
    _, result = whole
    third = len(result.losses) // 3
    assert len(result.losses) == STEPS[example[0]]
    assert sum(result.losses[-third:]) < 0.95 * sum(result.losses[:third])
    assert result.scores[-1][0] == len(result.losses)


def test_it_draws_the_curve(whole):
    pytest.importorskip("matplotlib")
    assert (whole[0] / "curve.png").read_bytes()[:4] == b"\x89PNG"


def test_threads_do_not_change_a_bit(whole, example, tmp_path):
    threads = dlcore.get_num_threads()
    kind, arguments = example
    try:
        for count in {1, 2} - {threads}:
            dlcore.set_num_threads(count)
            other = run(kind, [*arguments, "--out", str(tmp_path / str(count))])
            assert other.losses == whole[1].losses
            assert other.scores == whole[1].scores
    finally:
        dlcore.set_num_threads(threads)


def test_an_interrupted_training_goes_on_to_the_same_bits(whole, example, tmp_path):
    kind, arguments = example
    arguments = [*arguments, "--out", str(tmp_path)]
    half = STEPS[kind] // 2
    first = run(kind, [*arguments, "--pause", str(half)])
    assert (len(first.losses), first.reached) == (half, None)
    dlcore.randn(7)  # what the process did meanwhile does not matter
    second = run(kind, [*arguments, "--resume"])
    assert second.losses == whole[1].losses
    assert second.scores == whole[1].scores


def test_other_seeds_give_other_losses(tmp_path):
    arguments = ["--steps", "2", "--out", str(tmp_path)]
    one, other = (run(MemoryGRU, [*arguments, "--seed", seed]) for seed in "12")
    assert one.losses != other.losses


def test_the_verdict_depends_on_the_goal(tmp_path, capsys):
    class Easy(MemoryGRU):
        steps, goal = 2, 1e9

    assert run(Easy, ["--out", str(tmp_path)]).reached is True
    assert "the target of 1e+09 is reached" in capsys.readouterr().out
    Easy.goal = 0.0
    assert run(Easy, ["--out", str(tmp_path)]).reached is False
    assert "the target of 0 is missed\n" in capsys.readouterr().out
    Easy.goal = None
    assert run(Easy, ["--out", str(tmp_path), "--steps", "1"]).reached is None
    assert "these data have no target\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(file.stem for file in EXAMPLES.glob("*.py")))
def test_each_file_is_a_program_or_a_part_of_one(name, tmp_path):
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    programs = {kind.__module__ for kind in STEPS}
    assert ('if __name__ == "__main__":' in text) == (name in programs)


def test_a_program_runs_alone(tmp_path):
    command = [sys.executable, str(EXAMPLES / "memory_gru.py"), "--quick", "--steps", "3", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=os.environ)
    assert "step 3/3" in done.stdout
    assert "after 3 of 1500 steps; the target of a whole training is 0.001667" in done.stdout


def test_wrong_options_are_refused(tmp_path, capsys):
    for wrong in (["--steps", "0"], ["--pause", "0"], ["--bogus"]):
        with pytest.raises(SystemExit):
            read_options("", wrong, "x")
    assert "--pause must be at least 1, got 0" in capsys.readouterr().err
    with pytest.raises(SystemExit, match=r"holds no \.txt file"):
        Letters(tmp_path)


def test_an_epoch_reads_every_sample_once():
    first = dlcore.cat([order(10, 3, step, seed=4) for step in range(3)]).tolist()
    second = dlcore.cat([order(10, 3, step, seed=4) for step in range(3, 6)]).tolist()
    assert len(set(first)) == 9
    assert first != second


def test_letters_come_back(sources):
    text = Letters(sources)
    assert text.decode(text.encode("def train")) == "def train"
    letters, following = text.batch(3, 8)
    assert dlcore.equal(letters[:, 1:], following[:, :-1])
    letters, following = text.held_out(16)
    assert dlcore.equal(letters.flatten()[1:], following.flatten()[:-1])
    assert len(text.train) + len(text.validation) == len(sources.read_text("utf-8"))


def test_distortion_keeps_the_image_where_it_is_none_and_moves_ink_where_it_is_some():
    images = read_digits(None).images[:8]
    assert dlcore.allclose(distort(images, 0.0, 0.0, 0.0), images, atol=1e-6)
    moved = distort(images)
    assert moved.shape == images.shape
    assert (moved - images).abs().amax((1, 2, 3)).min() > 0.05
    assert 0.7 < (moved.sum() / images.sum()).item() < 1.1


def test_sums_are_written_as_people_compute_them():
    options = read_options("", [], "x")
    options.steps = 10
    example = Addition(options)
    row = example.write(dlcore.tensor([[38, 995]]))[0].tolist()
    assert row == [0, 3, 8, 10, 9, 9, 5, 11, 3, 3, 0, 1]
    tested = {tuple(pair) for pair in example.unseen.tolist()}
    seen = example.batch(0)[0].tolist()
    assert not tested & {(int("".join(map(str, r[:3]))), int("".join(map(str, r[4:7])))) for r in seen}


def test_what_a_gru_is_to_add_is_marked_once_in_each_half():
    sequences, sums = MemoryGRU(read_options("", ["--steps", "4"], "x")).draw(50)
    numbers, marks = sequences.unbind(2)
    assert dlcore.equal(marks[:, :50].sum(1), dlcore.ones(50))
    assert dlcore.equal(marks[:, 50:].sum(1), dlcore.ones(50))
    assert dlcore.allclose((numbers * marks).sum(1), sums)
