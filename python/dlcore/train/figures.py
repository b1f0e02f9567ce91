"""What a training run looks like: pictures and tables as text, and curves as a PNG where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from dlcore._core import Tensor

__all__ = ["confusion_table", "save_curves", "side_by_side", "text_picture"]

_SHADES = " .:-=+*#%@"


def text_picture(image: Tensor) -> list[str]:
    """An image (H, W) of values in 0..1 as lines of characters, two for each pixel so that it keeps its proportions.

    Example:
        >>> import dlcore
        >>> from dlcore.train.figures import text_picture
        >>> text_picture(dlcore.tensor([[0.0, 1.0], [1.0, 0.0]]))
        ['  @@', '@@  ']
    """
    last = len(_SHADES) - 1
    return ["".join(_SHADES[round(min(max(v, 0.0), 1.0) * last)] * 2 for v in row) for row in image.tolist()]


def side_by_side(pictures: Sequence[Sequence[str]], captions: Sequence[str], gap: str = "   ") -> str:
    """Pictures of one size next to each other, each over its caption.

    Example:
        >>> from dlcore.train.figures import side_by_side
        >>> print(side_by_side([["ab", "cd"], ["ef", "gh"]], ["1", "2"]))
        ab   ef
        cd   gh
        1    2
    """
    rows = [gap.join(lines) for lines in zip(*pictures, strict=True)]
    widths = [len(picture[0]) for picture in pictures]
    rows.append(gap.join(caption.ljust(width) for caption, width in zip(captions, widths, strict=True)))
    return "\n".join(row.rstrip() for row in rows)


def confusion_table(counts: Sequence[Sequence[int]]) -> str:
    r"""A confusion matrix as text; zeros are dots, so that mistakes stand out.

    Example:
        >>> from dlcore.train.figures import confusion_table
        >>> print(confusion_table([[8, 1], [0, 9]]))
        true \ predicted
             0 1
           0 8 1
           1 . 9
    """
    width = max(len(str(value)) for row in counts for value in row)
    lines = ["true \\ predicted", "    " + "".join(f" {number:>{width}}" for number in range(len(counts)))]
    for number, row in enumerate(counts):
        lines.append(f"{number:>4}" + "".join(f" {value or '.':>{width}}" for value in row))
    return "\n".join(lines)


def save_curves(
    path: str | PathLike[str], losses: Sequence[float], accuracies: Sequence[float], steps_per_epoch: int
) -> None:
    """Draw the loss of every step and the test accuracy after every epoch.

    Args:
        path: the picture; its ending says the format.
        losses: one per step.
        accuracies: one per epoch, in 0..1.
        steps_per_epoch: how many losses make an epoch.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.add_subplot()
    left.plot([(n + 1) / steps_per_epoch for n in range(len(losses))], losses, color="C0", lw=0.6, alpha=0.8)
    left.set(xlabel="epoch", ylabel="training loss", yscale="log")
    left.yaxis.label.set_color("C0")
    right = left.twinx()
    right.plot(range(1, len(accuracies) + 1), [100 * value for value in accuracies], "o-", color="C1")
    right.set_ylabel("test accuracy, %", color="C1")
    left.grid(alpha=0.3)
    figure.savefig(path)
