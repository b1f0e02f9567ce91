"""The command line: ``dlcore demo``, ``dlcore info``, ``dlcore bench``.

What a user can get wrong ends in one line on standard error; a traceback means a bug.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dlcore import __version__, set_num_threads

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, and return the exit status.

    Args:
        argv: the arguments, those of the process by default.

    Example:
        >>> from dlcore.cli import main
        >>> main(["info"])  # doctest: +ELLIPSIS
        dlcore ...
        0
    """
    arguments = _parser().parse_args(argv)
    try:
        if arguments.threads is not None:
            set_num_threads(arguments.threads)
        arguments.run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("\ndlcore: stopped\n")
        return 130
    except (OSError, ValueError) as error:
        sys.stderr.write(f"dlcore: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dlcore", description="Deep learning on CPUs.")
    parser.add_argument("--version", action="version", version=f"dlcore {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, help: str, run: object) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help)
        added.add_argument("--threads", type=_positive, metavar="N", help="threads to use; all by default")
        added.set_defaults(run=run)
        return added

    demo = command("demo", "train a network on handwritten digits and look at what it learned", _demo)
    demo.add_argument(
        "--data", type=Path, metavar="DIR", help="IDX files to train on, instead of the digits in the wheel"
    )
    demo.add_argument("--epochs", type=_positive, metavar="N", help="passes over the data")
    demo.add_argument("--seed", type=_whole, default=0, metavar="S", help="same seed, same result (default 0)")
    demo.add_argument("--out", type=Path, default=Path("demo-out"), metavar="DIR", help="folder for weights and curve")
    demo.add_argument("--no-plot", action="store_true", help="draw no training curve")

    info = command("info", "version, instruction set, threads and memory, and why they are so", _info)
    info.add_argument("--measure", action="store_true", help="measure peak GFLOP/s and GB/s too")

    bench = command("bench", "dlcore against numpy and the limit of this machine", _bench)
    bench.add_argument("--peers", action="store_true", help="torch and JAX too, where they are installed")
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    bench.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios there (needs matplotlib)")
    return parser


def _demo(arguments: argparse.Namespace) -> None:
    from dlcore.cli.demo import demo

    demo(arguments.data, arguments.epochs, arguments.seed, arguments.out, plot=not arguments.no_plot)


def _info(arguments: argparse.Namespace) -> None:
    from dlcore.cli.info import info

    info(measure=arguments.measure)


def _bench(arguments: argparse.Namespace) -> None:
    from dlcore.cli.bench import bench

    bench(arguments.peers, arguments.json, arguments.plot)


def _whole(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**64:
        raise argparse.ArgumentTypeError(f"must be in 0..2**64, got {text}")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return value
