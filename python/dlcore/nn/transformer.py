"""The transformer of Vaswani et al., "Attention is all you need", 2017, and its parts."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from dlcore import _core
from dlcore._core import Tensor, gelu, relu
from dlcore.nn import init
from dlcore.nn.attention import MultiheadAttention
from dlcore.nn.containers import ModuleList
from dlcore.nn.dropout import Dropout
from dlcore.nn.linear import Linear
from dlcore.nn.module import Module
from dlcore.nn.normalization import LayerNorm

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

_Activation = str | Callable[[Tensor], Tensor]


def _function(activation: _Activation) -> Callable[[Tensor], Tensor]:
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise ValueError(f"a transformer's activation must be 'relu', 'gelu' or a function, got {activation!r}")
    return relu if activation == "relu" else gelu


class TransformerEncoderLayer(Module):
    """Self-attention and a network of two linear layers, each with dropout, a residual connection and a layer norm.

    Args:
        d_model: features.
        nhead: heads of the attention.
        dim_feedforward: features between the linear layers.
        dropout: probability.
        activation: between the linear layers: ``"relu"``, ``"gelu"`` or a function.
        layer_norm_eps: eps of the layer norms.
        batch_first: inputs and outputs are (N, S, E) instead of (S, N, E).
        norm_first: normalise what goes into attention and network, instead of the sums (Xiong et al., 2020).
        bias: whether linear layers and layer norms have biases.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.TransformerEncoderLayer(d_model=16, nhead=4, batch_first=True)(dlcore.randn(2, 5, 16)).shape
        (2, 5, 16)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: _Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, device=device, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, device, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, device, dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _function(activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """(S, N, d_model), or (N, S, d_model) where batch_first, kept; masks as of `MultiheadAttention`."""

        def attend(x: Tensor) -> Tensor:
            masks = {"attn_mask": src_mask, "key_padding_mask": src_key_padding_mask, "is_causal": is_causal}
            y: Tensor = self.dropout1(self.self_attn(x, x, x, need_weights=False, **masks)[0])
            return y

        def feed_forward(x: Tensor) -> Tensor:
            y: Tensor = self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))
            return y

        if self.norm_first:
            src = src + attend(self.norm1(src))
            return src + feed_forward(self.norm2(src))
        src = self.norm1(src + attend(src))
        result: Tensor = self.norm2(src + feed_forward(src))
        return result


class TransformerDecoderLayer(Module):
    """As `TransformerEncoderLayer`, with attention to the encoder's output, the memory, between the two parts.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.TransformerDecoderLayer(d_model=16, nhead=4, batch_first=True)
        >>> layer(dlcore.randn(2, 3, 16), dlcore.randn(2, 5, 16)).shape
        (2, 3, 16)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: _Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        make: dict[str, Any] = {"batch_first": batch_first, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, **make)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, **make)
        self.linear1 = Linear(d_model, dim_feedforward, bias, device, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, device, dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _function(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """(T, N, d_model) and a memory (S, N, d_model), or both with the batch first, to the shape of `tgt`."""

        def attend(x: Tensor) -> Tensor:
            masks = {"attn_mask": tgt_mask, "key_padding_mask": tgt_key_padding_mask, "is_causal": tgt_is_causal}
            y: Tensor = self.dropout1(self.self_attn(x, x, x, need_weights=False, **masks)[0])
            return y

        def remember(x: Tensor) -> Tensor:
            causal = memory_is_causal
            masks = {"attn_mask": memory_mask, "key_padding_mask": memory_key_padding_mask, "is_causal": causal}
            y: Tensor = self.dropout2(self.multihead_attn(x, memory, memory, need_weights=False, **masks)[0])
            return y

        def feed_forward(x: Tensor) -> Tensor:
            y: Tensor = self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))
            return y

        if self.norm_first:
            tgt = tgt + attend(self.norm1(tgt))
            tgt = tgt + remember(self.norm2(tgt))
            return tgt + feed_forward(self.norm3(tgt))
        tgt = self.norm1(tgt + attend(tgt))
        tgt = self.norm2(tgt + remember(tgt))
        result: Tensor = self.norm3(tgt + feed_forward(tgt))
        return result


class TransformerEncoder(Module):
    """A stack of copies of one encoder layer.

    Args:
        encoder_layer: what is copied.
        num_layers: number of copies.
        norm: a last normalisation, or None.
        enable_nested_tensor: accepted for PyTorch's programs.
        mask_check: likewise.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4), num_layers=2)
        >>> encoder(dlcore.randn(5, 2, 16)).shape
        (5, 2, 16)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = ModuleList([deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """(S, N, d_model), or with the batch first, kept."""
        for layer in self.layers:
            src = layer(
                src,
                src_mask=mask,
                src_key_padding_mask=src_key_padding_mask,
                is_causal=bool(is_causal) and mask is not None,
            )
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """A stack of copies of one decoder layer.

    Args:
        decoder_layer: what is copied.
        num_layers: number of copies.
        norm: a last normalisation, or None.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 4), num_layers=2)
        >>> decoder(dlcore.randn(3, 2, 16), dlcore.randn(5, 2, 16)).shape
        (3, 2, 16)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = ModuleList([deepcopy(decoder_layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """(T, N, d_model) and a memory (S, N, d_model), or both with the batch first, to the shape of `tgt`."""
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal) and tgt_mask is not None,
                memory_is_causal=memory_is_causal,
            )
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder and a decoder that attends to what it gives: from one sequence to another.

    Args:
        d_model: features.
        nhead: heads of every attention.
        num_encoder_layers: layers of the encoder.
        num_decoder_layers: layers of the decoder.
        dim_feedforward: features between the linear layers.
        dropout: probability.
        activation: ``"relu"``, ``"gelu"`` or a function.
        custom_encoder: a module instead of the encoder.
        custom_decoder: a module instead of the decoder.
        layer_norm_eps: eps of the layer norms.
        batch_first: inputs and outputs are (N, S, E) instead of (S, N, E).
        norm_first: normalise before attention and network instead of after.
        bias: whether linear layers and layer norms have biases.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> model = nn.Transformer(16, 4, 1, 1, 32)
        >>> model(dlcore.randn(5, 2, 16), dlcore.randn(3, 2, 16)).shape
        (3, 2, 16)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: _Activation = relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        sizes = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        make: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, **make)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*sizes, batch_first, norm_first, **make), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*sizes, batch_first, norm_first, **make), num_decoder_layers, norm()
        )
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        for parameter in self.parameters():
            if parameter.dim() > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """(S, N, d_model) and (T, N, d_model), or both with the batch first, to the shape of `tgt`."""
        batch = 0 if self.batch_first else 1
        if src.dim() != tgt.dim() or (src.dim() == 3 and src.shape[batch] != tgt.shape[batch]):
            raise _core.ShapeError(
                f"Transformer: src and tgt must have one batch size, got shapes {tuple(src.shape)}, {tuple(tgt.shape)}"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise _core.ShapeError(
                f"Transformer: expected {self.d_model} features, got shapes {tuple(src.shape)}, {tuple(tgt.shape)}"
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        result: Tensor = self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )
        return result

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: str | None = None, dtype: _core.dtype | None = None) -> Tensor:
        """The causal mask: 0 on and below the diagonal, −∞ above.

        Example:
            >>> from dlcore import nn
            >>> nn.Transformer.generate_square_subsequent_mask(2).tolist()
            [[0.0, -inf], [0.0, 0.0]]
        """
        return _core.triu(_core.full((sz, sz), -math.inf, dtype=dtype, device=device), 1)
