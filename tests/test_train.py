"""The training loop: it learns, it reports what happened, and the same seed gives the same bits."""

import io

import dlcore
import pytest
from dlcore import data, nn, optim, train
from dlcore.train.figures import confusion_table, save_curves, side_by_side, text_picture
from dlcore.train.progress import Progress


def spirals(size=200):
    dlcore.manual_seed(1)
    labels = dlcore.arange(size) % 2
    turn = dlcore.rand(size) * 4
    angle = turn + labels.to(dlcore.float32) * 3.14159
    return data.TensorDataset(dlcore.stack([turn * dlcore.cos(angle), turn * dlcore.sin(angle)], 1), labels)


def learned(epochs=40, workers=0):
    dataset = spirals()
    dlcore.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.ReLU(), nn.Dropout(0.01), nn.Linear(32, 2))
    loader = data.DataLoader(dataset, batch_size=20, shuffle=True, num_workers=workers)
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 2e-2, epochs=epochs, steps_per_epoch=len(loader))
    steps = list(train.fit(model, loader, optimizer, epochs, scheduler))
    return model, steps, train.evaluate(model, data.DataLoader(dataset, batch_size=64))


def test_a_network_learns_what_a_line_cannot_separate():
    model, steps, result = learned()
    assert result.accuracy > 0.97
    assert result.loss < steps[0].loss / 4
    assert [step.number for step in steps] == list(range(400))
    assert steps[-1].epoch == 39
    assert sum(step.samples for step in steps[:10]) == 200
    assert model.training, "evaluate must restore the mode"
    assert result.logits.shape == (200, 2)


def test_the_same_seed_gives_the_same_bits_at_any_number_of_threads_and_workers():
    threads = dlcore.get_num_threads()
    weights = []
    try:
        for count, workers in ((1, 0), (2, 2), (3, 1)):
            dlcore.set_num_threads(count)
            weights.append([parameter.detach() for parameter in learned(3, workers)[0].parameters()])
    finally:
        dlcore.set_num_threads(threads)
    for other in weights[1:]:
        assert all(dlcore.equal(a, b) for a, b in zip(weights[0], other, strict=True))


def test_evaluate_needs_data():
    with pytest.raises(ValueError, match="gave no batch"):
        train.evaluate(nn.Identity(), data.DataLoader([]))


@pytest.mark.parametrize("tty", [False, True])
def test_progress_writes_lines_for_files_and_moves_on_terminals(tty, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: tty)
    progress = Progress(epochs=2, steps=3, stream=stream)
    for number in range(6):
        progress.show(train.Step(number // 3, number, 10, 0.5, 9))
    text = stream.getvalue()
    assert text.count("\n") == 2
    assert ("\r" in text) is tty
    assert "epoch 2/2" in text
    assert "loss 0.5000  accuracy 90.00%" in text
    assert "images/s  0 s left" in text


def test_figures():
    assert text_picture(dlcore.tensor([[-1.0, 2.0]])) == ["  @@"]
    assert side_by_side([["ab"], ["cd"]], ["1", "2"], gap="|") == "ab|cd\n1 |2"
    counts = train.confusion_matrix(dlcore.tensor([1, 1, 0]), dlcore.tensor([1, 0, 0]), 2)
    assert counts == [[1, 1], [0, 1]]
    assert confusion_table(counts).splitlines()[-1] == "   1 . 1"


def test_curves_are_a_png(tmp_path):
    pytest.importorskip("matplotlib")
    save_curves(tmp_path / "c.png", [1.0, 0.5, 0.2, 0.1], [0.8, 0.9], 2)
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"
