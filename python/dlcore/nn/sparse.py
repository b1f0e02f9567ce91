"""Layers that look rows up."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import Tensor, embedding_bag
from dlcore.autograd import no_grad
from dlcore.nn import init
from dlcore.nn.functions.lookup import embedding
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = ["Embedding", "EmbeddingBag"]


class Embedding(Module):
    """A table of vectors, looked up by index.

    Args:
        num_embeddings: rows of the table.
        embedding_dim: size of a vector.
        padding_idx: a row that starts at zero and gets no gradient.
        max_norm: rows that are used and longer are first shortened to it, in place.
        norm_type: p of the p-norm for `max_norm`.
        scale_grad_by_freq: divide a row's gradient by how often the input names it.
        sparse: accepted for PyTorch's programs; gradients are dense.
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
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: padding_idx={padding_idx} is not one of {num_embeddings} rows")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            self.weight = Parameter(_core.empty(num_embeddings, embedding_dim, dtype=dtype, device=device), not _freeze)
            self.reset_parameters()
        elif tuple(_weight.shape) != (num_embeddings, embedding_dim):
            shape = f"{tuple(_weight.shape)} for {num_embeddings} embeddings of size {embedding_dim}"
            raise ValueError(f"Embedding: got a table of shape {shape}")
        else:
            self.weight = Parameter(_weight, not _freeze)

    def reset_parameters(self) -> None:
        """Draw new values."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].zero_()

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """A layer over an existing table, (rows, size), whose memory it shares.

        Example:
            >>> import dlcore
            >>> from dlcore import nn
            >>> nn.Embedding.from_pretrained(dlcore.eye(3))(dlcore.tensor([2])).tolist()
            [[0.0, 0.0, 1.0]]
        """
        if embeddings.dim() != 2:
            raise ValueError(f"Embedding: expected a table of two dimensions, got shape {tuple(embeddings.shape)}")
        rows, size = embeddings.shape
        return cls(rows, size, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings, freeze)

    def forward(self, input: Tensor) -> Tensor:
        """(...) of int64 or int32 to (..., embedding_dim)."""
        if self.max_norm is None and not self.scale_grad_by_freq:
            return _core.embedding(input, self.weight, self.padding_idx)
        return embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)

    def extra_repr(self) -> str:
        """The sizes."""
        options = [("padding_idx", None), ("max_norm", None), ("norm_type", 2.0), ("scale_grad_by_freq", False)]
        given = [f", {name}={getattr(self, name)}" for name, usual in options if getattr(self, name) != usual]
        return f"{self.num_embeddings}, {self.embedding_dim}{''.join(given)}"


class EmbeddingBag(Module):
    """Sums, means or maxima of the rows of bags of indices, without the rows between.

    Args:
        num_embeddings: rows of the table.
        embedding_dim: size of a vector.
        max_norm: rows that are used and longer are first shortened to it, in place.
        norm_type: p of the p-norm for `max_norm`.
        scale_grad_by_freq: divide a row's gradient by how often the input names it.
        mode: ``"sum"``, ``"mean"`` or ``"max"``.
        sparse: accepted for PyTorch's programs; gradients are dense.
        include_last_offset: whether the offsets end with the number of indices.
        padding_idx: a row that starts at zero, gets no gradient and does not count.
        device: ``"cpu"`` or None.
        dtype: of the table; float32 by default.

    Attributes:
        weight: (num_embeddings, embedding_dim), standard normal at first.

    Raises:
        IndexError: when called with an index outside the table.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> bags = nn.EmbeddingBag(10, 3, mode="sum")
        >>> bags(dlcore.tensor([1, 2, 4, 5]), dlcore.tensor([0, 3])).shape
        (2, 3)
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"EmbeddingBag: padding_idx={padding_idx} is not one of {num_embeddings} rows")
        if mode not in ("sum", "mean", "max"):
            raise ValueError(f"EmbeddingBag: mode must be 'sum', 'mean' or 'max', got {mode!r}")
        self.num_embeddings, self.embedding_dim, self.mode = num_embeddings, embedding_dim, mode
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        self.sparse, self.include_last_offset = sparse, include_last_offset
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        if _weight is None:
            self.weight = Parameter(_core.empty(num_embeddings, embedding_dim, dtype=dtype, device=device))
            self.reset_parameters()
        elif tuple(_weight.shape) != (num_embeddings, embedding_dim):
            shape = f"{tuple(_weight.shape)} for {num_embeddings} embeddings of size {embedding_dim}"
            raise ValueError(f"EmbeddingBag: got a table of shape {shape}")
        else:
            self.weight = Parameter(_weight)

    def reset_parameters(self) -> None:
        """Draw new values."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].zero_()

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """A layer over an existing table, (rows, size), whose memory it shares.

        Example:
            >>> import dlcore
            >>> from dlcore import nn
            >>> nn.EmbeddingBag.from_pretrained(dlcore.eye(2))(dlcore.tensor([[0, 1]])).tolist()
            [[0.5, 0.5]]
        """
        if embeddings.dim() != 2:
            raise ValueError(f"EmbeddingBag: expected a table of two dimensions, got shape {tuple(embeddings.shape)}")
        rows, size = embeddings.shape
        options = max_norm, norm_type, scale_grad_by_freq, mode, sparse
        bag = cls(rows, size, *options, embeddings, include_last_offset, padding_idx)
        bag.weight.requires_grad = not freeze
        return bag

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        """Indices (B, N), or (N) with the offsets of the bags (B), to (B, embedding_dim)."""
        return embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.num_embeddings}, {self.embedding_dim}, mode={self.mode!r}"
