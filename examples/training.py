"""What the examples share: their options, the loop with its checkpoints, the curve and the verdict.

An example is a class that has a model, an optimizer, batches, a loss and a score; `run` trains it. A batch depends on
the number of its step and on the random generator alone, and a checkpoint holds both with the states of model,
optimizer and schedule: a training that was interrupted goes on to the same bits.
"""

from __future__ import annotations

import math
import sys
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import dlcore
from dlcore import Tensor, nn, optim


class Example:
    """What is learned, how, and when it is learned well enough. A subclass defines what is not defined here."""

    steps: ClassVar[int]
    """Updates of a whole training."""
    quick: ClassVar[int]
    """Updates of a training that only shows that it works."""
    every: ClassVar[int]
    """Updates from one score to the next."""
    measure: ClassVar[str]
    """What the score is."""
    rising: ClassVar[bool] = True
    """Whether a better score is a higher one."""

    goal: float | None = None
    """The score to reach; None where the data are not those that it was set for."""
    model: nn.Module
    optimizer: optim.Optimizer
    scheduler: optim.lr_scheduler.LRScheduler | None = None
    clip: float | None = None
    """The limit of the gradients' norm."""

    def __init__(self, options: Namespace) -> None:
        raise NotImplementedError

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """What `loss` takes, for one step."""
        raise NotImplementedError

    def loss(self, *batch: Tensor) -> Tensor:
        """What is made small, 0-d."""
        raise NotImplementedError

    def score(self) -> float:
        """How well the model does on what it was not trained on."""
        raise NotImplementedError

    def show(self, out: Path) -> None:
        """Print or save what the trained model does."""

    def step(self, *batch: Tensor) -> float:
        """One update; the loss before it."""
        self.optimizer.zero_grad()
        loss = self.loss(*batch)
        loss.backward()
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        return loss.item()

    def reached(self, score: float) -> bool | None:
        """Whether a score is good enough; None where nothing is asked."""
        if self.goal is None:
            return None
        return score >= self.goal if self.rising else score <= self.goal


class Result(NamedTuple):
    """What a training gave."""

    losses: list[float]
    """One for each step."""
    scores: list[tuple[int, float]]
    """Steps done, and the score then."""
    seconds: float
    """Time of training and scoring, with that before an interruption."""
    reached: bool | None
    """Whether the goal is reached; None without a goal or before the last step."""


def read_options(text: str | None, arguments: Sequence[str] | None, out: str) -> Namespace:
    """The command line of an example, which `text` describes."""
    parser = ArgumentParser(description=text, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="PATH", help="folder or file to learn from (see above)")
    parser.add_argument("--out", type=Path, metavar="DIR", default=Path("examples-out") / out, help="%(default)s")
    parser.add_argument("--steps", type=int, metavar="N", help="updates of the whole training")
    parser.add_argument("--seed", type=int, metavar="N", default=0, help="of weights, order and noise (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="train for seconds, only to see that it works")
    parser.add_argument("--pause", type=int, metavar="N", help="stop after N updates, with a checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in DIR")
    options = parser.parse_args(arguments)
    for name in ("steps", "pause"):
        if (number := getattr(options, name)) is not None and number < 1:
            parser.error(f"--{name} must be at least 1, got {number}")
    return options


def run(kind: type[Example], arguments: Sequence[str] | None = None) -> Result:
    """Train an example as the command line says, draw the curve, and say whether the goal is reached."""
    program = sys.modules[kind.__module__]
    options = read_options(program.__doc__, arguments, Path(str(program.__file__)).stem)
    dlcore.manual_seed(options.seed)
    options.steps = options.steps or (kind.quick if options.quick else kind.steps)
    example = kind(options)
    result = train(example, options)
    if len(result.losses) == options.steps:
        finish(example, result, options)
    return result


def train(example: Example, options: Namespace, name: str = "checkpoint") -> Result:
    """The loop: updates, scores, and a checkpoint after every score."""
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{name}.safetensors"
    losses, scores, before = restore(example, path) if options.resume and path.exists() else ([], [], 0.0)
    size = sum(parameter.numel() for parameter in example.model.parameters())
    print(f"{size:,} parameters, {dlcore.get_num_threads()} threads, seed {options.seed}, from step {len(losses) + 1}")
    begin = time.perf_counter() - before
    for done in range(len(losses) + 1, options.steps + 1):
        example.model.train()
        losses.append(example.step(*example.batch(done - 1)))
        if not math.isfinite(losses[-1]):
            raise SystemExit(f"the loss of step {done} is {losses[-1]}")
        scored, paused = done % example.every == 0 or done == options.steps, done == options.pause
        if scored:
            example.model.eval()
            with dlcore.no_grad():
                scores.append((done, example.score()))
            since = losses[-min(example.every, done) :]
            print(
                f"step {done:>{len(str(options.steps))}}/{options.steps}  loss {sum(since) / len(since):.4f}  "
                f"{example.measure} {scores[-1][1]:.4f}  {time.perf_counter() - begin:.1f} s",
                flush=True,
            )
        if scored or paused:
            save(example, path, losses, scores, time.perf_counter() - begin)
        if paused and done < options.steps:
            print(f"paused after {done} steps; --resume goes on")
            break
    whole = len(losses) == options.steps
    reached = example.reached(scores[-1][1]) if whole else None
    return Result(losses, scores, time.perf_counter() - begin, reached)


def save(example: Example, path: Path, losses: list[float], scores: list[tuple[int, float]], seconds: float) -> None:
    """Write all that the rest of the training depends on."""
    dlcore.save(
        {
            "model": example.model.state_dict(),
            "optimizer": example.optimizer.state_dict(),
            "scheduler": example.scheduler and example.scheduler.state_dict(),
            "random": dlcore.get_rng_state(),
            "losses": dlcore.tensor(losses, dtype=dlcore.float64),
            "scores": scores,
            "seconds": seconds,
        },
        path,
    )


def restore(example: Example, path: Path) -> tuple[list[float], list[tuple[int, float]], float]:
    """Take up what `save` wrote: losses, scores and seconds so far."""
    saved = dlcore.load(path)
    example.model.load_state_dict(saved["model"])
    example.optimizer.load_state_dict(saved["optimizer"])
    if example.scheduler is not None:
        example.scheduler.load_state_dict(saved["scheduler"])
    dlcore.set_rng_state(saved["random"])
    return saved["losses"].tolist(), saved["scores"], saved["seconds"]


def finish(example: Example, result: Result, options: Namespace) -> None:
    """Show the trained model, draw the curve, and give the verdict."""
    example.model.eval()
    with dlcore.no_grad():
        example.show(options.out)
    try:
        draw(options.out / "curve.png", result, example.measure)
    except ImportError:
        print("no curve without matplotlib; to get it: pip install 'dlcore[plot]'")
    else:
        print(f"curve in {options.out / 'curve.png'}")
    score = result.scores[-1][1]
    if example.goal is None:
        verdict = "these data have no target"
    elif result.reached:
        verdict = f"the target of {example.goal:.4g} is reached"
    elif options.steps < example.steps:
        verdict = (
            f"after {options.steps} of {example.steps} steps; the target of a whole training is {example.goal:.4g}"
        )
    else:
        verdict = f"the target of {example.goal:.4g} is missed"
    print(f"{example.measure} {score:.4f} in {result.seconds:.1f} s: {verdict}")


def draw(path: Path, result: Result, measure: str) -> None:
    """The loss of every step, and the scores."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.add_subplot()
    left.plot(range(1, len(result.losses) + 1), result.losses, color="C0", lw=0.6, alpha=0.8)
    left.set(xlabel="step", ylabel="training loss", yscale="log")
    left.yaxis.label.set_color("C0")
    right = left.twinx()
    right.plot(*zip(*result.scores, strict=True), "o-", color="C1", ms=3)
    right.set_ylabel(measure, color="C1")
    left.grid(alpha=0.3)
    figure.savefig(path)


def order(size: int, batch: int, step: int, seed: int) -> Tensor:
    """The numbers of the samples of one batch: every epoch has an order of its own, and only whole batches."""
    epoch, position = divmod(step, size // batch)
    shuffled = dlcore.randperm(size, generator=dlcore.Generator(seed + epoch))
    return shuffled[position * batch : (position + 1) * batch]
