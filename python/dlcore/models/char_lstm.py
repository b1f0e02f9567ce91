"""A recurrent network that continues text, letter by letter."""

from __future__ import annotations

from dlcore import nn
from dlcore._core import Tensor, cat, rand_like
from dlcore.autograd import no_grad

__all__ = ["CharLSTM"]

_State = tuple[Tensor, Tensor]


class CharLSTM(nn.Module):
    """An embedding, an LSTM and a linear layer (Graves, "Generating sequences with recurrent neural networks", 2013).

    ``CharLSTM(65)`` has 1 086 017 parameters.

    Args:
        vocab_size: number of letters.
        size: features.
        layers: layers of the LSTM.
        dropout: probability between them.

    Example:
        >>> import dlcore
        >>> from dlcore.models import CharLSTM
        >>> model = CharLSTM(65, size=16, layers=1)
        >>> logits, state = model(dlcore.tensor([[1, 2, 3]]))
        >>> logits.shape, model.generate(dlcore.tensor([[1, 2]]), 4).shape
        ((1, 3, 65), (1, 6))
    """

    def __init__(self, vocab_size: int, size: int = 256, layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, size)
        self.lstm = nn.LSTM(size, size, layers, batch_first=True, dropout=dropout)
        self.head = nn.Linear(size, vocab_size)

    def forward(self, letters: Tensor, state: _State | None = None) -> tuple[Tensor, _State]:
        """Letters (N, T) to logits of what follows each, (N, T, vocab_size), and the state to go on from."""
        features, state = self.lstm(self.embedding(letters), state)
        return self.head(features), state

    def generate(self, letters: Tensor, count: int, temperature: float = 1.0) -> Tensor:
        """Continue texts (N, T) by `count` letters; a temperature of 0 always takes the likeliest."""
        training = self.training
        self.eval()
        try:
            with no_grad():
                new, state = letters, None
                for _ in range(count):
                    logits, state = self(new, state)
                    last = logits[:, -1]
                    if temperature:  # the largest of logits with Gumbel noise is a draw from their softmax
                        last = last / temperature - (-rand_like(last).log()).log()
                    new = last.argmax(-1, keepdim=True)
                    letters = cat([letters, new], 1)
        finally:
            self.train(training)
        return letters
