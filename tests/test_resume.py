"""A training loop as people write it: the same losses bit for bit with any threads, and after a break in the middle."""

from pathlib import Path

import dlcore
import dlcore.nn.functional as F
import pytest
from dlcore import data, nn, optim
from processes import run


def setting(seed=3):
    """All that a training consists of, with chance in all of it: the start, the order, dropout and augmentation."""
    dlcore.manual_seed(seed)
    images, labels = dlcore.randn(48, 1, 8, 8), dlcore.randint(4, (48,))
    model = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(96, 32),
        nn.GELU(),
        nn.Linear(32, 4),
    )
    optimizer = optim.AdamW(optim.weight_decay_groups(model, 0.05), lr=3e-3)
    scheduler = optim.lr_scheduler.WarmupCosineLR(optimizer, 5, 40)
    order = dlcore.Generator().manual_seed(seed)
    loader = data.DataLoader(data.TensorDataset(images, labels), batch_size=12, shuffle=True, generator=order)
    return model, optimizer, scheduler, order, loader


def epochs(parts, count):
    model, optimizer, scheduler, _, loader = parts
    losses = []
    for _ in range(count):
        for images, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images + 0.1 * dlcore.randn_like(images)), labels, label_smoothing=0.1)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
    return losses


def checkpoint(parts):
    model, optimizer, scheduler, order, _ = parts
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "order": order.get_state(),
        "chance": dlcore.get_rng_state(),
    }


def restore(parts, state):
    model, optimizer, scheduler, order, _ = parts
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    order.set_state(state["order"])
    dlcore.set_rng_state(state["chance"])


def test_a_training_that_is_saved_loaded_and_resumed_has_the_same_losses(tmp_path):
    whole = epochs(setting(), 6)
    assert whole[-1] < whole[0]
    parts = setting()
    first = epochs(parts, 3)
    dlcore.save(checkpoint(parts), tmp_path / "checkpoint.pt")
    expected = {name: value.clone() for name, value in parts[0].state_dict().items()}
    resumed = setting()
    dlcore.manual_seed(99)
    restore(resumed, dlcore.load(tmp_path / "checkpoint.pt"))
    assert all(dlcore.equal(value, expected[name]) for name, value in resumed[0].state_dict().items())
    assert first + epochs(resumed, 3) == whole
    assert epochs(setting(4), 1) != whole[:4]


@pytest.mark.parametrize("threads", [2, 3])
def test_a_training_has_the_same_losses_with_any_number_of_threads(threads):
    program = """
        import sys
        sys.path.insert(0, {!r})
        import dlcore
        from test_resume import epochs, setting
        dlcore.set_num_threads({})
        print(epochs(setting(), 3))
    """
    here = str(Path(__file__).parent)
    one, several = (run(program.format(here, count)) for count in (1, threads))
    assert one == several
    assert len(one.split(",")) == 12
