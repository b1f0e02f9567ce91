"""BERT: a transformer that reads a text in both directions."""

from __future__ import annotations

from typing import NamedTuple

from dlcore import nn
from dlcore._core import Tensor, arange, gelu, scaled_dot_product_attention, zeros_like

__all__ = ["BERT"]


class _Config(NamedTuple):
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    dropout: float


class _Embeddings(nn.Module):
    """Words, places and segments, summed."""

    def __init__(self, config: _Config) -> None:
        super().__init__()
        size = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, size, padding_idx=0)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, size)
        self.token_type_embeddings = nn.Embedding(2, size)
        self.LayerNorm = nn.LayerNorm(size, eps=1e-12)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor, segments: Tensor) -> Tensor:
        places = self.position_embeddings(arange(tokens.shape[1]))
        summed = self.word_embeddings(tokens) + places + self.token_type_embeddings(segments)
        embedded: Tensor = self.dropout(self.LayerNorm(summed))
        return embedded


class _SelfAttention(nn.Module):
    def __init__(self, config: _Config) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, unseen: Tensor | None) -> Tensor:
        def split(y: Tensor) -> Tensor:
            return y.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        query, key, value = split(self.query(x)), split(self.key(x)), split(self.value(x))
        seen = None if unseen is None else unseen.logical_not()
        dropped = self.dropout.p if self.training else 0.0
        return scaled_dot_product_attention(query, key, value, seen, dropped).transpose(1, 2).flatten(2)


class _Output(nn.Module):
    """A projection whose result is added to what went around it, and normalised."""

    def __init__(self, before: int, config: _Config) -> None:
        super().__init__()
        self.dense = nn.Linear(before, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=1e-12)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, around: Tensor) -> Tensor:
        summed: Tensor = self.LayerNorm(self.dropout(self.dense(x)) + around)
        return summed


class _Layer(nn.Module):
    def __init__(self, config: _Config) -> None:
        super().__init__()
        self.attention = nn.ModuleDict()
        self.attention["self"] = _SelfAttention(config)
        self.attention["output"] = _Output(config.hidden_size, config)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(config.hidden_size, config.intermediate_size)})
        self.output = _Output(config.intermediate_size, config)

    def forward(self, x: Tensor, unseen: Tensor | None) -> Tensor:
        x = self.attention["output"](self.attention["self"](x, unseen), x)
        result: Tensor = self.output(gelu(self.intermediate["dense"](x)), x)
        return result


class BERT(nn.Module):
    """BERT (Devlin et al., "BERT: pre-training of deep bidirectional transformers", 2019).

    With the default sizes it has 109 482 240 parameters, under the names of Hugging Face's checkpoints.

    Args:
        vocab_size: number of tokens; token 0 fills up.
        hidden_size: features.
        num_hidden_layers: layers of the encoder.
        num_attention_heads: heads of the attention.
        intermediate_size: features between the linear layers.
        max_position_embeddings: the longest text.
        dropout: probability.

    Raises:
        ValueError: heads that do not divide the features.

    Example:
        >>> import dlcore
        >>> from dlcore.models import BERT
        >>> model = BERT(100, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
        >>> every, pooled = model(dlcore.tensor([[5, 6, 7]]))
        >>> every.shape, pooled.shape
        ((1, 3, 32), (1, 32))
    """

    def __init__(
        self,
        vocab_size: int = 30522,
        hidden_size: int = 768,
        num_hidden_layers: int = 12,
        num_attention_heads: int = 12,
        intermediate_size: int = 3072,
        max_position_embeddings: int = 512,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if hidden_size % num_attention_heads:
            raise ValueError(f"BERT: {num_attention_heads} heads do not divide {hidden_size} features")
        config = _Config(
            vocab_size,
            hidden_size,
            num_hidden_layers,
            num_attention_heads,
            intermediate_size,
            max_position_embeddings,
            dropout,
        )
        self.embeddings = _Embeddings(config)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(_Layer(config) for _ in range(num_hidden_layers))})
        self.pooler = nn.ModuleDict({"dense": nn.Linear(hidden_size, hidden_size)})
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)

    def forward(
        self, tokens: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Read texts.

        Args:
            tokens: (N, T).
            attention_mask: (N, T), 0 or False where a text is filled up.
            token_type_ids: (N, T), 1 for the second of two texts.

        Returns:
            The features of every token, (N, T, hidden_size), and what is pooled from the first, (N, hidden_size).
        """
        segments = zeros_like(tokens) if token_type_ids is None else token_type_ids
        unseen = None if attention_mask is None else (attention_mask == 0)[:, None, None, :]
        x = self.embeddings(tokens, segments)
        for layer in self.encoder["layer"]:
            x = layer(x, unseen)
        return x, self.pooler["dense"](x[:, 0]).tanh()
