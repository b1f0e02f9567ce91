"""One training step of each example, dlcore beside torch: ``python benches/bench_examples.py [EXAMPLE ...]``.

It runs where torch is installed besides dlcore. Every contestant begins with dlcore's weights and gets its batches; the
losses of the first steps must agree before anything is timed. Then they take turns, each in a process of its own that
is stopped while the others run, and the medians of their steps are compared.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import dlcore
from dlcore import nn

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "examples")]

EXAMPLES = {
    "gpt": "GPT",
    "char_lstm": "CharLSTM",
    "digits_cnn": "DigitsCNN",
    "addition": "Addition",
    "memory_gru": "MemoryGRU",
    "vae_digits": "VAEDigits",
    "transfer": "Transfer",
}
KEPT_MEMORY = {
    "MALLOC_TOP_PAD_": str(1 << 28),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
}
CONTESTANTS: dict[str, dict[str, Any]] = {
    "dlcore": {},
    "torch": {"best": False, "compiled": False},
    "torch, tuned": {"best": True, "compiled": False},
    "torch, compiled": {"best": True, "compiled": True},
}
CHECKED = (1e-3, 1e-3, 1e-2)
"""Steps whose losses must agree, and how far: a step of a large rate makes more of a rounding."""


def dlcore_training(name: str, data: Path | None) -> tuple[dict[str, Any], Callable[..., float], Callable[..., Any]]:
    """What the others need to do the same, a step, and how a batch is made of arrays."""

    import dlcore
    from training import Example, read_options

    dlcore.manual_seed(0)
    kind: type[Example] = getattr(importlib.import_module(name), EXAMPLES[name])
    given = [] if data is None else ["--data", str(data)]
    options = read_options("", ["--quick", "--out", tempfile.mkdtemp(), *given], name)  # quick: the trunk of `transfer`
    options.steps = kind.steps
    example = kind(options)
    example.scheduler = None  # the rate stays, so that a step is the update alone
    group = dict(example.optimizer.param_groups[0])
    wanted = ("lr", "betas", "eps", "weight_decay")
    settings = {"kind": type(example.optimizer).__name__} | {key: group[key] for key in wanted if key in group}
    for one in example.optimizer.param_groups:
        one["weight_decay"] = group["weight_decay"]
    silence(example.model)
    batches = [example.batch(number) for number in range(len(CHECKED))]
    setup = {
        "name": EXAMPLES[name],
        "weights": {key: value.numpy().copy() for key, value in whole(example).state_dict().items()},
        "settings": settings,
        "clip": example.clip,
        "batches": [[part.numpy().copy() for part in batch] for batch in batches],
    }
    return setup, example.step, lambda arrays: [dlcore.from_numpy(array) for array in arrays]


def silence(model: Any) -> None:
    """Make a VAE's codes all but certain, so that its loss does not depend on noise, which differs by library."""
    if hasattr(model, "code"):
        with dlcore.no_grad():
            model.encoder[-1].bias[model.code :] = -20.0


def whole(example: Any) -> Any:
    """The example's model, with the frozen trunk where there is one."""
    return (
        nn.ModuleDict({"trunk": example.trunk, "model": example.model}) if hasattr(example, "trunk") else example.model
    )


def serve(contestant: str, connection: Connection, data: Path | None, busy: bool) -> None:
    """Answer what is asked: an example's name or set-up for its first losses, or seconds for the times of its steps."""
    step: Callable[..., float] | None = None
    batches: list[Any] = []
    clock = time.process_time if busy else time.perf_counter
    threads = 1 if busy else len(os.sched_getaffinity(0))
    dlcore.set_num_threads(threads)
    while True:
        question = connection.recv()
        if isinstance(question, float):
            assert step is not None
            times: list[float] = []
            step(*batches[0])
            begin = clock()
            while clock() - begin < question or len(times) < 3:
                start = clock()
                step(*batches[len(times) % len(CHECKED)])
                times.append(clock() - start)
            connection.send(times)
            continue
        if contestant == "dlcore":
            setup, step, take = dlcore_training(question, data)
        else:
            import torch
            from examples_in_torch import Training

            setup = question
            torch.set_num_threads(threads)
            keys = ("name", "weights", "settings", "clip")
            training = Training(*(setup[key] for key in keys), **CONTESTANTS[contestant])
            step, take = training.step, training.take
        batches = [take(batch) for batch in setup["batches"]]
        try:
            losses = [step(*batch) for batch in batches]
        except Exception as error:  # torch.compile needs a C++ compiler, and more
            connection.send((None, f"{type(error).__name__}: {error}".splitlines()[0]))
        else:
            connection.send((setup if contestant == "dlcore" else None, losses))


class Contestant:
    """A library in a process of its own, which runs only while it is asked for something."""

    def __init__(self, name: str, data: Path | None, busy: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(name, theirs, data, busy), daemon=True)
        with environment(KEPT_MEMORY if CONTESTANTS[name].get("best") else {}):
            self.process.start()
        self.stop()

    def ask(self, question: Any) -> Any:
        self.signal(signal.SIGCONT)
        self.connection.send(question)
        answer = self.connection.recv()
        self.stop()
        return answer

    def stop(self) -> None:
        self.signal(signal.SIGSTOP)

    def signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def close(self) -> None:
        self.signal(signal.SIGCONT)
        self.process.kill()
        self.process.join()


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Variables for the processes that begin meanwhile."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def contest(name: str, libraries: list[str], options: argparse.Namespace) -> dict[str, float]:
    """Medians of the steps of one example, in milliseconds."""
    contestants = {library: Contestant(library, options.data, options.busy) for library in libraries}
    try:
        setup, losses = contestants["dlcore"].ask(name)
        for library, contestant in list(contestants.items())[1:]:
            _, theirs = contestant.ask(setup)
            if isinstance(theirs, str):
                print(f"{name}: {library} cannot run: {theirs}")
                contestants.pop(library).close()
                continue
            if any(abs(a - b) > far * abs(a) for a, b, far in zip(losses, theirs, CHECKED, strict=True)):
                raise SystemExit(f"{name}: {library} computes other losses: {theirs} and not {losses}")
        times: dict[str, list[float]] = {library: [] for library in contestants}
        for _ in range(options.rounds):
            for library, contestant in contestants.items():
                times[library].append(statistics.median(contestant.ask(options.seconds)))
        return {library: 1e3 * statistics.median(medians) for library, medians in times.items() if medians}
    finally:
        for contestant in contestants.values():
            contestant.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", nargs="*", metavar="EXAMPLE", help=f"of {', '.join(EXAMPLES)}; all by default")
    parser.add_argument("--data", type=Path, help="where the digits and the text are, as for the examples")
    parser.add_argument("--rounds", type=int, default=7, help="%(default)s; 0 only compares the losses")
    parser.add_argument("--uncompiled", action="store_true", help="leave out torch.compile, which takes a minute each")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each contestant in a round (%(default)s)")
    parser.add_argument("--busy", action="store_true", help="one thread's processor time, where others use the machine")
    options = parser.parse_args()
    if unknown := set(options.examples) - set(EXAMPLES):
        parser.error(f"no such example: {', '.join(sorted(unknown))}")
    libraries = [name for name, how in CONTESTANTS.items() if not (options.uncompiled and how.get("compiled"))]
    heads = [f"{library}, ms" for library in libraries]
    print(f"| step of | {' | '.join(heads)} | torch / dlcore | best / dlcore |\n|---|{'---:|' * (len(heads) + 2)}")
    for name in options.examples or EXAMPLES:
        medians = contest(name, libraries, options)
        if not options.rounds:
            print(f"{name}: the losses agree", flush=True)
            continue
        ours = medians["dlcore"]
        best = min(value for library, value in medians.items() if library != "dlcore")
        cells = [f"{medians[library]:.2f}" if library in medians else "-" for library in libraries]
        print(f"| {name} | {' | '.join(cells)} | {medians['torch'] / ours:.2f}x | {best / ours:.2f}x |", flush=True)


if __name__ == "__main__":
    main()
