"""A transformer learns to add: it reads "038+995=" and writes the sum, its last digit first.

The numbers have up to 3 digits, so that there are a million sums, of which the training sees a quarter at most. The sum
is written backwards, as people compute it, for each digit then needs only what is to its left (Lee et al., "Teaching
arithmetic to small transformers", 2023). The target is that 99 % of unseen sums are right in every digit.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import dlcore
import dlcore.nn.functional as F
from dlcore import Tensor, models, optim
from training import Example, run

PLUS, EQUALS = 10, 11
SYMBOLS = "0123456789+="


class Addition(Example):
    """A GPT of two layers over twelve symbols."""

    steps, quick, every = 2000, 60, 250
    measure, goal = "sums right", 0.99
    size, digits = 128, 3
    clip = 1.0

    def __init__(self, options: Namespace) -> None:
        self.length = 3 * self.digits + 3  # a, plus, b, equals, and a sum of one digit more
        self.model = models.GPT(len(SYMBOLS), self.length, n_layer=2, n_head=4, n_embd=128, dropout=0.0)
        self.optimizer = optim.AdamW(self.model.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=0.1)
        warmup = min(100, options.steps // 4)
        self.scheduler = optim.lr_scheduler.WarmupCosineLR(self.optimizer, warmup, options.steps, min_factor=0.05)
        generator = dlcore.Generator(options.seed)  # of sums that are only tested on
        self.unseen = dlcore.randint(0, 10**self.digits, (1000, 2), generator=generator)

    def write(self, numbers: Tensor) -> Tensor:
        """Sums of pairs (N, 2) as symbols, (N, 12)."""
        a, b = numbers.unbind(1)
        count = (len(a), 1)
        parts = [
            decimal(a, self.digits).flip(1),
            dlcore.full(count, PLUS),
            decimal(b, self.digits).flip(1),
            dlcore.full(count, EQUALS),
            decimal(a + b, self.digits + 1),
        ]
        return dlcore.cat(parts, 1)

    def batch(self, step: int) -> tuple[Tensor]:
        """Sums, (128, 12). A pair that is tested on is replaced by its neighbour."""
        numbers = dlcore.randint(0, 10**self.digits, (self.size, 2))
        tested = (numbers.unsqueeze(1) == self.unseen).all(2).any(1)
        numbers[:, 0] = (numbers[:, 0] + tested.long()) % 10**self.digits
        return (self.write(numbers),)

    def loss(self, symbols: Tensor) -> Tensor:
        """The cross-entropy of the sum's digits; those of a and b cannot be known."""
        first = 2 * self.digits + 2
        logits = self.model(symbols[:, :-1])[:, first - 1 :]
        return F.cross_entropy(logits.flatten(0, 1), symbols[:, first:].flatten())

    def score(self) -> float:
        """The part of the unseen sums in which every digit is right, each read from the model's own digits before."""
        symbols = self.write(self.unseen)
        answers = self.model.generate(symbols[:, : -self.digits - 1], self.digits + 1, temperature=0)
        return (answers == symbols).all(1).float().mean().item()

    def show(self, out: Path) -> None:
        """Some unseen sums."""
        symbols = self.write(self.unseen[:5])
        for row in self.model.generate(symbols[:, : -self.digits - 1], self.digits + 1, temperature=0).tolist():
            question, answer = ("".join(SYMBOLS[symbol] for symbol in part) for part in (row[:8], row[:7:-1]))
            print(f"{question}{answer}")


def decimal(numbers: Tensor, digits: int) -> Tensor:
    """The digits of (N,) numbers, the last one first, (N, digits)."""
    return numbers.unsqueeze(1) // 10 ** dlcore.arange(digits) % 10


if __name__ == "__main__":
    run(Addition)
