"""GPT-2: a transformer that continues text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from dlcore import _core, nn
from dlcore._core import Tensor, arange, cat, gelu, linear, rand_like, scaled_dot_product_attention, softmax
from dlcore.autograd import no_grad

__all__ = ["GPT"]


class _Projection(nn.Module):
    """A linear layer whose weight lies as in GPT-2's checkpoints, (in, out)."""

    def __init__(self, before: int, after: int, std: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(_core.empty(before, after))
        self.bias = nn.Parameter(_core.zeros(after))
        nn.init.normal_(self.weight, std=std)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight.t(), self.bias)


class _Attention(nn.Module):
    """Causal self-attention, which goes on from the keys and values that a cache holds."""

    def __init__(self, width: int, heads: int, dropout: float, std: float) -> None:
        super().__init__()
        self.heads = heads
        self.c_attn = _Projection(width, 3 * width, 0.02)
        self.c_proj = _Projection(width, width, std)
        self.attn_dropout, self.resid_dropout = nn.Dropout(dropout), nn.Dropout(dropout)

    def forward(self, x: Tensor, cache: nn.KVCache | None) -> Tensor:
        samples, length, width = x.shape
        # Cut first and turned after: the gradients are rows that go where they belong, and nothing is transposed.
        parts = self.c_attn(x).reshape(samples, length, 3, self.heads, width // self.heads).unbind(2)
        query, key, value = (part.transpose(1, 2) for part in parts)
        if cache is not None:
            key, value = cache.append(key, value)
        past, dropped = key.shape[2] - length, self.attn_dropout.p if self.training else 0.0
        seen = arange(past, past + length).unsqueeze(1) >= arange(past + length) if past and length > 1 else None
        mixed = scaled_dot_product_attention(query, key, value, seen, dropped, is_causal=not past)
        y: Tensor = self.resid_dropout(self.c_proj(mixed.transpose(1, 2).reshape(samples, length, width)))
        return y


class _MLP(nn.Module):
    def __init__(self, width: int, dropout: float, std: float) -> None:
        super().__init__()
        self.c_fc = _Projection(width, 4 * width, 0.02)
        self.c_proj = _Projection(4 * width, width, std)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.dropout(self.c_proj(gelu(self.c_fc(x), approximate="tanh")))
        return y


class _Block(nn.Module):
    """Attention and a network, each on what is normalised and added to what was not."""

    def __init__(self, width: int, heads: int, dropout: float, std: float) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = _Attention(width, heads, dropout, std)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = _MLP(width, dropout, std)

    def forward(self, x: Tensor, cache: nn.KVCache | None) -> Tensor:
        x = x + self.attn(self.ln_1(x), cache)
        y: Tensor = x + self.mlp(self.ln_2(x))
        return y


class _Config(NamedTuple):
    vocab_size: int
    block_size: int
    n_layer: int
    n_head: int
    n_embd: int


class _Trunk(nn.Module):
    def __init__(self, config: _Config, dropout: float) -> None:
        super().__init__()
        # The projections into the residual stream start smaller, for there are 2·n_layer of them.
        std = 0.02 / math.sqrt(2 * config.n_layer)
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.drop = nn.Dropout(dropout)
        blocks = [_Block(config.n_embd, config.n_head, dropout, std) for _ in range(config.n_layer)]
        self.h = nn.ModuleList(blocks)
        self.ln_f = nn.LayerNorm(config.n_embd)
        nn.init.normal_(self.wte.weight, std=0.02)
        nn.init.normal_(self.wpe.weight, std=0.02)


class GPT(nn.Module):
    """GPT-2 (Radford et al., "Language models are unsupervised multitask learners", 2019).

    With the default sizes it has 124 439 808 parameters, under the names of its checkpoints; embedding and head are one
    table.

    Args:
        vocab_size: number of tokens.
        block_size: the longest context.
        n_layer: blocks.
        n_head: heads of the attention.
        n_embd: features.
        dropout: probability.

    Raises:
        ValueError: when called with more tokens than the context holds.

    Example:
        >>> import dlcore
        >>> from dlcore.models import GPT
        >>> model = GPT(vocab_size=65, block_size=16, n_layer=2, n_head=2, n_embd=32)
        >>> model(dlcore.tensor([[1, 2, 3]])).shape
        (1, 3, 65)
        >>> model.generate(dlcore.tensor([[1, 2, 3]]), 5).shape
        (1, 8)
    """

    def __init__(
        self,
        vocab_size: int = 50257,
        block_size: int = 1024,
        n_layer: int = 12,
        n_head: int = 12,
        n_embd: int = 768,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if n_embd % n_head:
            raise ValueError(f"GPT: {n_head} heads do not divide {n_embd} features")
        self.config = _Config(vocab_size, block_size, n_layer, n_head, n_embd)
        self.transformer = _Trunk(self.config, dropout)
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        self.lm_head.weight = self.transformer.wte.weight

    def forward(self, tokens: Tensor, caches: Sequence[nn.KVCache] | None = None) -> Tensor:
        """Tokens (N, T) to logits of what follows each of them, (N, T, vocab_size).

        Args:
            tokens: int64.
            caches: one for each block, with the keys and values of the tokens before, to which those of these are
                appended; without a gradient.
        """
        trunk, length = self.transformer, tokens.shape[1]
        past = len(caches[0]) if caches else 0
        if past + length > self.config.block_size:
            raise ValueError(f"GPT: {past + length} tokens do not fit the context of {self.config.block_size}")
        x = trunk.drop(trunk.wte(tokens) + trunk.wpe(arange(past, past + length)))
        for number, block in enumerate(trunk.h):
            x = block(x, caches[number] if caches else None)
        logits: Tensor = self.lm_head(trunk.ln_f(x))
        return logits

    def generate(
        self,
        tokens: Tensor,
        max_new_tokens: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> Tensor:
        """Continue sequences.

        Keys and values are kept, so that a new token costs one position. Once the context is full, what is before it is
        forgotten, and as all positions shift, every further token costs a whole context.

        Args:
            tokens: (N, T), the beginnings.
            max_new_tokens: how many to add.
            temperature: divides the logits; 0 always takes the likeliest.
            top_k: draw from so many likeliest tokens.
            top_p: draw from the likeliest tokens that have this probability together.

        Returns:
            (N, T + max_new_tokens).

        Raises:
            ValueError: a negative temperature, `top_k` below 1, or `top_p` outside 0..1.
        """
        if temperature < 0 or (top_k is not None and top_k < 1) or (top_p is not None and not 0 <= top_p <= 1):
            given = f"{temperature=}, {top_k=}, {top_p=}"
            raise ValueError(f"generate: expected temperature ≥ 0, top_k ≥ 1 and top_p in 0..1, got {given}")
        training, size = self.training, self.config.block_size
        caches = [nn.KVCache(size) for _ in range(self.config.n_layer)]
        self.eval()
        try:
            with no_grad():
                new = tokens[:, -size:]
                for _ in range(max_new_tokens):
                    if len(caches[0]) == size:
                        new = tokens[:, -size:]
                        for cache in caches:
                            cache.truncate(0)
                    new = _drawn(self(new, caches)[:, -1], temperature, top_k, top_p)
                    tokens = cat([tokens, new], 1)
        finally:
            self.train(training)
        return tokens


def _drawn(logits: Tensor, temperature: float, top_k: int | None, top_p: float | None) -> Tensor:
    """One token for each row, (N, 1)."""
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    logits = logits / temperature
    if top_k is not None:
        least = logits.topk(min(top_k, logits.shape[-1])).values[:, -1:]
        logits = logits.masked_fill(logits < least, -math.inf)
    if top_p is not None:
        ordered = logits.sort(-1, descending=True).values
        before = softmax(ordered, -1).cumsum(-1) - softmax(ordered, -1)
        beyond = before >= top_p
        beyond[:, 0] = False  # one stays in any case
        least = ordered.masked_fill(beyond, math.inf).amin(-1, keepdim=True)
        logits = logits.masked_fill(logits < least, -math.inf)
    # The largest of logits with Gumbel noise is a draw from their softmax.
    return (logits - (-rand_like(logits).log()).log()).argmax(-1, keepdim=True)
