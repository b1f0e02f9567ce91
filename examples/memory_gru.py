"""A GRU learns to remember: two marked numbers among a hundred, far apart, are to be added at the end.

This is the adding problem of Hochreiter and Schmidhuber ("Long short-term memory", 1997): the numbers are uniform in
0..1, one of the first fifty is marked and one of the last fifty. Who remembers nothing does best by always answering 1,
with a mean squared error of 1/6. The target is a hundredth of that.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import dlcore
import dlcore.nn.functional as F
from dlcore import Tensor, nn, optim
from training import Example, run


class Adder(nn.Module):
    """A GRU and a linear layer on its last state: (N, T, 2) to (N,)."""

    def __init__(self, size: int = 64) -> None:
        super().__init__()
        self.gru = nn.GRU(2, size, batch_first=True)
        self.head = nn.Linear(size, 1)

    def forward(self, x: Tensor) -> Tensor:
        """What the whole sequence comes to."""
        _, last = self.gru(x)
        return self.head(last[0]).squeeze(1)


class MemoryGRU(Example):
    """An `Adder`, trained on sequences that are drawn as they are needed."""

    steps, quick, every = 1500, 60, 250
    measure, rising, goal = "squared error", False, 1 / 600
    size, length = 64, 100
    clip = 1.0

    def __init__(self, options: Namespace) -> None:
        self.model = Adder()
        self.optimizer = optim.Adam(self.model.parameters(), lr=5e-3)
        self.scheduler = optim.lr_scheduler.CosineAnnealingLR(self.optimizer, options.steps, eta_min=1e-4)
        self.held_out = self.draw(1000)

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Sequences of numbers with their marks, (count, 100, 2), and the sums of those marked, (count,)."""
        numbers, half = dlcore.rand(count, self.length), self.length // 2
        places = dlcore.randint(0, half, (count, 2)) + dlcore.tensor([0, half])
        marks = dlcore.zeros(count, self.length).scatter(1, places, 1.0)
        return dlcore.stack([numbers, marks], 2), (numbers * marks).sum(1)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """New sequences and their sums."""
        return self.draw(self.size)

    def loss(self, sequences: Tensor, sums: Tensor) -> Tensor:
        """The mean squared error."""
        return F.mse_loss(self.model(sequences), sums)

    def score(self) -> float:
        """The same for sequences that were held out."""
        return self.loss(*self.held_out).item()

    def show(self, out: Path) -> None:
        """Some sums, and what guessing without memory comes to."""
        sequences, sums = self.held_out
        for answer, true in zip(self.model(sequences[:5]).tolist(), sums.tolist(), strict=False):
            print(f"{true:.3f} is taken for {answer:.3f}")
        print(f"squared error without memory {(sums - 1).square().mean().item():.4f}")


if __name__ == "__main__":
    run(MemoryGRU)
