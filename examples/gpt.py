"""A small GPT learns to write, letter by letter.

The recipe is nanoGPT's for CPUs: 4 layers of 4 heads, 128 features, a context of 64 letters, and 2 000 batches of 12.
--data names a text file, or a folder of them; without it, the text is dlcore's own source. The target, a validation
loss of 1.92 nats a letter, is for Shakespeare (https://github.com/karpathy/char-rnn, tinyshakespeare).
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import dlcore.nn.functional as F
from dlcore import Tensor, models, optim
from letters import Letters
from training import Example, run


class GPT(Example):
    """GPT-2 in small, trained with AdamW, a warm-up and a cosine."""

    steps, quick, every = 2000, 60, 250
    measure, rising = "validation loss", False
    size, context = 12, 64
    clip = 1.0

    def __init__(self, options: Namespace) -> None:
        self.text = Letters(options.data)
        self.sample = 50 if options.quick else 500
        if options.data is not None:
            self.goal = 1.92
        self.model = models.GPT(len(self.text.alphabet), self.context, n_layer=4, n_head=4, n_embd=128, dropout=0.0)
        matrices = [parameter for parameter in self.model.parameters() if parameter.dim() >= 2]
        vectors = [parameter for parameter in self.model.parameters() if parameter.dim() < 2]
        self.optimizer = optim.AdamW(
            [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
            lr=1e-3,
            betas=(0.9, 0.99),
        )
        warmup = min(100, options.steps // 4)
        self.scheduler = optim.lr_scheduler.WarmupCosineLR(self.optimizer, warmup, options.steps, min_factor=0.1)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Pieces of text, (12, 64), and the letters that follow."""
        return self.text.batch(self.size, self.context)

    def loss(self, letters: Tensor, following: Tensor) -> Tensor:
        """How unlikely the model finds the letters that follow, in nats."""
        return F.cross_entropy(self.model(letters).flatten(0, 1), following.flatten())

    def score(self) -> float:
        """The same for the whole text that was held out."""
        letters, following = self.text.held_out(self.context)
        pieces = zip(letters.split(256), following.split(256), strict=True)
        return sum(self.loss(x, y).item() * len(x) for x, y in pieces) / len(letters)

    def show(self, out: Path) -> None:
        """Write a piece of text."""
        begin = self.text.encode("\n").unsqueeze(0)
        text = self.text.decode(self.model.generate(begin, self.sample, temperature=0.8)[0])
        (out / "sample.txt").write_text(text, "utf-8")
        print(text)


if __name__ == "__main__":
    run(GPT)
