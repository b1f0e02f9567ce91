"""Multi-head attention as one function, with PyTorch's arguments and masks."""

from __future__ import annotations

import math

from dlcore import _core
from dlcore._core import ShapeError, Tensor, cat, dropout, linear, matmul, scaled_dot_product_attention, softmax

__all__ = ["multi_head_attention_forward"]


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """softmax(QKᵀ/√d + mask)·V in several heads, between projections (Vaswani et al., 2017).

    `nn.MultiheadAttention` says what the arguments are, and owns the parameters.

    Args:
        query: (L, N, E) or (L, E).
        key: (S, N, E_k) or (S, E_k).
        value: (S, N, E_v) or (S, E_v).
        embed_dim_to_check: E.
        num_heads: a divisor of E.
        in_proj_weight: (3E, E), or None with separate weights.
        in_proj_bias: (3E,).
        bias_k: (1, 1, E), one more key.
        bias_v: (1, 1, E), its value.
        add_zero_attn: one more key and value of zeros.
        dropout_p: probability of dropping a weight.
        out_proj_weight: (E, E).
        out_proj_bias: (E,).
        training: whether to drop.
        key_padding_mask: (N, S) or (S,): True, or a summand of −∞, leaves a key out.
        need_weights: give the weights too.
        attn_mask: (L, S) or (N·num_heads, L, S), likewise.
        use_separate_proj_weight: take the three following weights.
        q_proj_weight: (E, E).
        k_proj_weight: (E, E_k).
        v_proj_weight: (E, E_v).
        static_k: (N·num_heads, S, E / num_heads) instead of projected keys.
        static_v: likewise.
        average_attn_weights: give the mean of the weights over the heads.
        is_causal: says that `attn_mask` is causal; it must be given all the same.

    Returns:
        The output, (L, N, E) or (L, E), and the weights, (N, L, S) or (N, num_heads, L, S), or None.

    Raises:
        ShapeError: sizes that do not match.
        ValueError: `is_causal` without a mask.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> x, eye = dlcore.eye(2), dlcore.eye(2)
        >>> project = dlcore.cat([eye, eye, eye])
        >>> y, weights = F.multi_head_attention_forward(
        ...     x, x, x, 2, 1, project, None, None, None, False, 0.0, eye, None
        ... )
        >>> weights
        tensor([[0.6698, 0.3302],
                [0.3302, 0.6698]])
    """
    _check(query, key, value, embed_dim_to_check, num_heads)
    if is_causal and attn_mask is None:
        raise ValueError("multi_head_attention_forward: is_causal=True needs the attn_mask that it describes")
    alone = query.dim() == 2
    if alone:
        query, key, value = (x.unsqueeze(1) for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, samples, size = query.shape
    if use_separate_proj_weight:
        assert q_proj_weight is not None
        assert k_proj_weight is not None
        assert v_proj_weight is not None
        weights = [q_proj_weight, k_proj_weight, v_proj_weight]
    else:
        assert in_proj_weight is not None
        weights = list(in_proj_weight.chunk(3))
    if query is key is value and in_proj_weight is not None and not use_separate_proj_weight:
        q, k, v = linear(query, in_proj_weight, in_proj_bias).chunk(3, -1)
    else:
        biases = [None] * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))
    more = 0
    if bias_k is not None and bias_v is not None:
        k, v = cat([k, bias_k.expand(1, samples, size)]), cat([v, bias_v.expand(1, samples, size)])
        more += 1
    q, k, v = (x.reshape(x.shape[0], samples, num_heads, -1).permute(1, 2, 0, 3) for x in (q, k, v))
    k = k if static_k is None else static_k.reshape(samples, num_heads, -1, size // num_heads)
    v = v if static_v is None else static_v.reshape(samples, num_heads, -1, size // num_heads)
    if add_zero_attn:
        zero = _core.zeros(samples, num_heads, 1, size // num_heads, dtype=k.dtype)
        k, v = cat([k, zero], 2), cat([v, zero], 2)
        more += 1
    mask = _mask(attn_mask, key_padding_mask, (samples, num_heads, length, k.shape[2]), more, q.dtype)
    shown = None
    if need_weights:
        scores = matmul(q * (1 / math.sqrt(q.shape[-1])), k.transpose(-2, -1))
        attention = softmax(scores if mask is None else scores + mask, -1)
        if dropout_p:
            attention = dropout(attention, dropout_p, training)
        result = matmul(attention, v)
        shown = attention.mean(1) if average_attn_weights else attention
        shown = shown.squeeze(0) if alone else shown
    else:
        result = scaled_dot_product_attention(q, k, v, mask, dropout_p if training else 0.0)
    result = result.permute(2, 0, 1, 3).reshape(length, samples, size)
    result = linear(result, out_proj_weight, out_proj_bias)
    return result.squeeze(1) if alone else result, shown


def _check(query: Tensor, key: Tensor, value: Tensor, size: int, num_heads: int) -> None:
    shapes = f"query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"
    if query.dim() not in (2, 3) or not query.dim() == key.dim() == value.dim():
        raise ShapeError(f"multi_head_attention_forward: expected three inputs of 2 or 3 dimensions, got {shapes}")
    if query.shape[-1] != size or size % num_heads:
        raise ShapeError(
            f"multi_head_attention_forward: expected {size} features, which {num_heads} heads divide, got {shapes}"
        )
    if key.shape[:-1] != value.shape[:-1] or query.shape[1:-1] != key.shape[1:-1]:
        raise ShapeError(f"multi_head_attention_forward: batches or lengths do not match: {shapes}")


def _additive(name: str, mask: Tensor, dtype: _core.dtype) -> Tensor:
    """A mask as a summand: −∞ where a bool mask is True."""
    if mask.dtype == _core.bool:
        return _core.masked_fill(_core.zeros(mask.shape, dtype=dtype), mask, -math.inf)
    if not mask.is_floating_point():
        raise _core.DTypeError(f"multi_head_attention_forward: {name} must be bool or float, got {mask.dtype}")
    return mask


def _mask(
    attention: Tensor | None, padding: Tensor | None, sizes: tuple[int, int, int, int], more: int, dtype: _core.dtype
) -> Tensor | None:
    """Both masks as one summand of the scores, whose sizes are given; `more` keys at the end are always seen."""
    samples, heads, length, keys = sizes
    mask = None
    if attention is not None:
        mask = _additive("attn_mask", attention, dtype)
        if tuple(mask.shape) == (samples * heads, length, keys - more):
            mask = mask.reshape(samples, heads, length, keys - more)
        elif tuple(mask.shape) != (length, keys - more):
            expected = f"{(length, keys - more)} or {(samples * heads, length, keys - more)}"
            raise ShapeError(
                f"multi_head_attention_forward: expected attn_mask of shape {expected}, got {tuple(mask.shape)}"
            )
    if padding is not None:
        if tuple(padding.shape) != (samples, keys - more):
            shapes = f"{(samples, keys - more)}, got {tuple(padding.shape)}"
            raise ShapeError(f"multi_head_attention_forward: expected key_padding_mask of shape {shapes}")
        extra = _additive("key_padding_mask", padding, dtype).reshape(samples, 1, 1, keys - more)
        mask = extra if mask is None else mask + extra
    return mask if mask is None or not more else _core.pad(mask, (0, more))
