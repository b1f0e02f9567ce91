"""A progress bar: it moves on a terminal, and writes one line per epoch where nobody looks."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from dlcore.train.loop import Step

__all__ = ["Progress"]

_BETWEEN = 0.1  # seconds from one drawing to the next
_WIDTH = 24


class Progress:
    """Loss, accuracy, images per second and time left of a training run.

    Args:
        epochs: passes over the data.
        steps: steps in one pass.
        stream: where it is written, standard error by default.
    """

    def __init__(self, epochs: int, steps: int, stream: TextIO | None = None) -> None:
        self.epochs, self.steps = epochs, steps
        self.stream = sys.stderr if stream is None else stream
        self.moving = self.stream.isatty()
        self.start = self.drawn = time.perf_counter()
        self.seen = 0
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.loss, self.correct, self.samples = 0.0, 0, 0

    def show(self, step: Step) -> None:
        """Take a step into account, and draw where it is time."""
        self.loss += step.loss * step.samples
        self.correct += step.correct
        self.samples += step.samples
        self.seen += step.samples
        done, now = step.number + 1, time.perf_counter()
        ends = done % self.steps == 0
        if self.moving and (ends or now - self.drawn > _BETWEEN):
            self.drawn = now
            self.stream.write(f"\r{self._line(step.epoch, done, now)}\x1b[K" + ("\n" if ends else ""))
        elif ends and not self.moving:
            self.stream.write(self._line(step.epoch, done, now) + "\n")
        self.stream.flush()
        if ends:
            self._begin_epoch()

    def _line(self, epoch: int, done: int, now: float) -> str:
        part = (done - epoch * self.steps) / self.steps
        bar = "█" * round(_WIDTH * part) + "░" * (_WIDTH - round(_WIDTH * part))
        elapsed = max(now - self.start, 1e-9)
        left = elapsed * (self.epochs * self.steps - done) / done
        return (
            f"epoch {epoch + 1:>{len(str(self.epochs))}}/{self.epochs} {bar} loss {self.loss / self.samples:.4f}  "
            f"accuracy {self.correct / self.samples:6.2%}  {self.seen / elapsed:,.0f} images/s  {left:.0f} s left"
        )
