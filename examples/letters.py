"""A text as numbers, one for each letter: what `gpt.py` and `char_lstm.py` learn from."""

from __future__ import annotations

from pathlib import Path

import dlcore
from dlcore import Tensor


class Letters:
    """A text, of which the last tenth is kept for validation.

    Args:
        path: a text file, or a folder of ``.txt`` files; None takes the Python sources of dlcore.

    Attributes:
        alphabet: the letters there are, in order.
        train: numbers of the letters to learn from, int64.
        validation: those of the rest.
    """

    def __init__(self, path: Path | None) -> None:
        if path is None:
            files = sorted(Path(dlcore.__file__).parent.rglob("*.py"))
        else:
            files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
        if not files:
            raise SystemExit(f"{path} holds no .txt file")
        text = "".join(file.read_text("utf-8") for file in files)
        self.alphabet = sorted(set(text))
        codes = self.encode(text)
        kept = int(0.9 * len(codes))
        self.train, self.validation = codes[:kept], codes[kept:]

    def encode(self, text: str) -> Tensor:
        """(len(text),), int64."""
        numbers = {letter: number for number, letter in enumerate(self.alphabet)}
        return dlcore.tensor([numbers[letter] for letter in text])

    def decode(self, codes: Tensor) -> str:
        """The text of (T,) numbers."""
        return "".join(self.alphabet[code] for code in codes.tolist())

    def batch(self, size: int, length: int) -> tuple[Tensor, Tensor]:
        """Random pieces of the training text, (size, length), and the letters that follow each of theirs."""
        starts = dlcore.randint(0, len(self.train) - length, (size, 1))
        pieces = self.train[starts + dlcore.arange(length + 1)]
        return pieces[:, :-1], pieces[:, 1:]

    def held_out(self, length: int) -> tuple[Tensor, Tensor]:
        """The validation text in consecutive pieces, likewise."""
        count = (len(self.validation) - 1) // length
        return tuple(self.validation[first : first + count * length].reshape(count, length) for first in (0, 1))
