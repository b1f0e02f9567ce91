"""Attention layers."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import ShapeError, Tensor
from dlcore.nn import init
from dlcore.nn.functions.attention import multi_head_attention_forward
from dlcore.nn.linear import Linear
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Every query takes the mean of the values, weighted by how well it fits their keys, in several heads at once.

    Source: Vaswani et al., "Attention is all you need", 2017.

    Args:
        embed_dim: features of the queries and of the output.
        num_heads: a divisor of it; each head sees embed_dim / num_heads features.
        dropout: probability of dropping a weight while training.
        bias: whether the projections have biases.
        add_bias_kv: learn one more key and value.
        add_zero_attn: add a key and value of zeros.
        kdim: features of the keys; embed_dim by default.
        vdim: features of the values; embed_dim by default.
        batch_first: inputs and outputs are (N, L, E) instead of (L, N, E).
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        in_proj_weight: (3·embed_dim, embed_dim), the projections of queries, keys and values; with other features of
            keys or values ``q_proj_weight``, ``k_proj_weight`` and ``v_proj_weight`` instead.
        in_proj_bias: (3·embed_dim,).
        out_proj: the projection of the output.

    Raises:
        ValueError: heads that do not divide the features.
        ShapeError: when called with sizes that do not match.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> x = dlcore.randn(2, 5, 16)
        >>> output, weights = nn.MultiheadAttention(16, 4, batch_first=True)(x, x, x)
        >>> output.shape, weights.shape
        ((2, 5, 16), (2, 5, 5))
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0 or embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: {num_heads} heads do not divide {embed_dim} features")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn

        def parameter(*shape: int) -> Parameter:
            return Parameter(_core.empty(*shape, dtype=dtype, device=device))

        together = self.kdim == self.vdim == embed_dim
        self.in_proj_weight = parameter(3 * embed_dim, embed_dim) if together else None
        self.q_proj_weight = None if together else parameter(embed_dim, embed_dim)
        self.k_proj_weight = None if together else parameter(embed_dim, self.kdim)
        self.v_proj_weight = None if together else parameter(embed_dim, self.vdim)
        self.in_proj_bias = parameter(3 * embed_dim) if bias else None
        self.bias_k = parameter(1, 1, embed_dim) if add_bias_kv else None
        self.bias_v = parameter(1, 1, embed_dim) if add_bias_kv else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for more in (self.bias_k, self.bias_v):
            if more is not None:
                init.xavier_normal_(more)

    def _refuse_misfits(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        """Raise with the shapes as they were given, which are others once batch and length are swapped."""
        given = (query, key, value)
        shapes = ", ".join(f"{name} {tuple(x.shape)}" for name, x in zip(("query", "key", "value"), given, strict=True))
        if (sizes := tuple(x.shape[-1] for x in given)) != (self.embed_dim, self.kdim, self.vdim):
            expected = " and ".join(map(str, dict.fromkeys((self.embed_dim, self.kdim, self.vdim))))
            found = " and ".join(map(str, dict.fromkeys(sizes)))
            raise ShapeError(f"MultiheadAttention: expected {expected} features, got {found}: {shapes}")
        if query.shape[0] != key.shape[0] or key.shape[:2] != value.shape[:2]:
            raise ShapeError(
                f"MultiheadAttention: batches or lengths do not match: {shapes}, each (batch, length, features)"
            )

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from queries to keys.

        Args:
            query: (L, N, E), or (N, L, E) where `batch_first`, or (L, E).
            key: (S, N, kdim), or as the queries.
            value: (S, N, vdim), or as the queries.
            key_padding_mask: (N, S): True, or a summand of −∞, leaves a key out.
            need_weights: give the weights too, which costs memory.
            attn_mask: (L, S) or (N·num_heads, L, S), likewise.
            average_attn_weights: give the mean of the weights over the heads.
            is_causal: says that `attn_mask` is causal.

        Returns:
            The output, of the queries' shape, and the weights, (N, L, S) or (N, num_heads, L, S), or None.
        """
        swap = self.batch_first and query.dim() == 3
        if swap:
            self._refuse_misfits(query, key, value)
            same = query is key is value
            query = query.transpose(0, 1)
            key, value = (query, query) if same else (key.transpose(0, 1), value.transpose(0, 1))
        output, weights = multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=self.in_proj_weight is None,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (output.transpose(0, 1) if swap else output), weights
