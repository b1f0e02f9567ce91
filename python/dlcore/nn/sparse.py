"""Layers that look rows up."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import Tensor, embedding
from dlcore.autograd import no_grad
from dlcore.nn import init
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = ["Embedding"]


class Embedding(Module):
    """A table of vectors, looked up by index.

    Args:
        num_embeddings: rows of the table.
        embedding_dim: size of a vector.
        padding_idx: a row that starts at zero and gets no gradient.
        device: ``"cpu"`` or None.
        dtype: of the table; float32 by default.

    Attributes:
        weight: (num_embeddings, embedding_dim), standard normal at first.

    Raises:
        IndexError: when called with an index outside the table.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Embedding(10, 3)(dlcore.tensor([[1, 2], [4, 9]])).shape
        (2, 2, 3)
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: padding_idx={padding_idx} is not one of {num_embeddings} rows")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = Parameter(_core.empty(num_embeddings, embedding_dim, dtype=dtype, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].zero_()

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None) -> Embedding:
        """A layer over an existing table, (rows, size), whose memory it shares.

        Example:
            >>> import dlcore
            >>> from dlcore import nn
            >>> nn.Embedding.from_pretrained(dlcore.eye(3))(dlcore.tensor([2])).tolist()
            [[0.0, 0.0, 1.0]]
        """
        if embeddings.dim() != 2:
            raise ValueError(f"Embedding: expected a table of two dimensions, got shape {tuple(embeddings.shape)}")
        layer = cls(embeddings.shape[0], 0, padding_idx)
        layer.embedding_dim = embeddings.shape[1]
        layer.weight = Parameter(embeddings, requires_grad=not freeze)
        return layer

    def forward(self, input: Tensor) -> Tensor:
        """(...) of int64 or int32 to (..., embedding_dim)."""
        return embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """The sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
