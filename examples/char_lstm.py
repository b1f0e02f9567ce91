"""An LSTM learns to write, letter by letter.

It has two layers of 256 units, and learns from 2 000 batches of 32 pieces of 64 letters. --data names a text file, or a
folder of them; without it, the text is dlcore's own source. The target, a validation loss of 1.60 nats a letter, is for
Shakespeare (https://github.com/karpathy/char-rnn, tinyshakespeare).
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import dlcore.nn.functional as F
from dlcore import Tensor, models, optim
from letters import Letters
from training import Example, run


class CharLSTM(Example):
    """The network of `dlcore.models`, trained with Adam and a cosine."""

    steps, quick, every = 2000, 40, 250
    measure, rising = "validation loss", False
    size, length = 32, 64
    clip = 1.0

    def __init__(self, options: Namespace) -> None:
        self.text = Letters(options.data)
        self.sample = 50 if options.quick else 500
        if options.data is not None:
            self.goal = 1.60
        self.model = models.CharLSTM(len(self.text.alphabet), size=256, layers=2)
        self.optimizer = optim.Adam(self.model.parameters(), lr=3e-3)
        self.scheduler = optim.lr_scheduler.CosineAnnealingLR(self.optimizer, options.steps, eta_min=1e-4)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Pieces of text, (32, 64), and the letters that follow."""
        return self.text.batch(self.size, self.length)

    def loss(self, letters: Tensor, following: Tensor) -> Tensor:
        """How unlikely the model finds the letters that follow, in nats."""
        logits, _ = self.model(letters)
        return F.cross_entropy(logits.flatten(0, 1), following.flatten())

    def score(self) -> float:
        """The same for the whole text that was held out."""
        letters, following = self.text.held_out(self.length)
        pieces = zip(letters.split(256), following.split(256), strict=True)
        return sum(self.loss(x, y).item() * len(x) for x, y in pieces) / len(letters)

    def show(self, out: Path) -> None:
        """Write a piece of text."""
        begin = self.text.encode("\n").unsqueeze(0)
        text = self.text.decode(self.model.generate(begin, self.sample, temperature=0.8)[0])
        (out / "sample.txt").write_text(text, "utf-8")
        print(text)


if __name__ == "__main__":
    run(CharLSTM)
