"""The networks of `examples/` in PyTorch, as its users write them, under the names of dlcore's parameters.

Each takes what the example's `loss` takes, and gives the same loss from the same weights.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class GPT(nn.Module):
    """nanoGPT's model: fused attention, and one linear layer for queries, keys and values."""

    def __init__(self, vocab: int = 65, context: int = 64, layers: int = 4, heads: int = 4, width: int = 128) -> None:
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(vocab, width),
                "wpe": nn.Embedding(context, width),
                "h": nn.ModuleList([Block(width, heads) for _ in range(layers)]),
                "ln_f": nn.LayerNorm(width),
            }
        )
        self.lm_head = nn.Linear(width, vocab, bias=False)
        self.lm_head.weight = self.transformer["wte"].weight

    def forward(self, letters: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(self.logits(letters).flatten(0, 1), following.flatten())

    def logits(self, letters: torch.Tensor) -> torch.Tensor:
        parts = self.transformer
        x = parts["wte"](letters) + parts["wpe"](torch.arange(letters.shape[1]))
        for block in parts["h"]:
            x = block(x)
        return self.lm_head(parts["ln_f"](x))

    def take(self, weights: dict[str, torch.Tensor]) -> None:
        """GPT-2's checkpoints have the weights of linear layers the other way round."""
        projections = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
        self.load_state_dict({name: w.t() if name.endswith(projections) else w for name, w in weights.items()})


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.ModuleDict({"c_attn": nn.Linear(width, 3 * width), "c_proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        samples, length, width = x.shape
        parts = self.attn["c_attn"](self.ln_1(x)).split(width, dim=2)
        q, k, v = (y.view(samples, length, self.heads, -1).transpose(1, 2) for y in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn["c_proj"](mixed.transpose(1, 2).reshape(samples, length, width))
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x)), approximate="tanh"))


class CharLSTM(nn.Module):
    def __init__(self, vocab: int = 65, size: int = 256, layers: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab, size)
        self.lstm = nn.LSTM(size, size, layers, batch_first=True)
        self.head = nn.Linear(size, vocab)

    def forward(self, letters: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
        features, _ = self.lstm(self.embedding(letters))
        return F.cross_entropy(self.head(features).flatten(0, 1), following.flatten())


class DigitsCNN(nn.Sequential):
    def __init__(self, classes: int = 10, widths: tuple[int, ...] = (32, 64, 128)) -> None:
        layers: list[nn.Module] = []
        for before, after in zip((1, *widths), widths, strict=False):
            layers += [
                nn.Conv2d(before, after, 3, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        super().__init__(*layers, nn.Flatten(), nn.Linear(widths[-1] * 3 * 3, classes))

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return F.cross_entropy(super().forward(images), labels)


class Addition(GPT):
    def __init__(self) -> None:
        super().__init__(vocab=12, context=12, layers=2)

    def forward(self, symbols: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return F.cross_entropy(self.logits(symbols[:, :-1])[:, 7:].flatten(0, 1), symbols[:, 8:].flatten())


class MemoryGRU(nn.Module):
    def __init__(self, size: int = 64) -> None:
        super().__init__()
        self.gru = nn.GRU(2, size, batch_first=True)
        self.head = nn.Linear(size, 1)

    def forward(self, sequences: torch.Tensor, sums: torch.Tensor) -> torch.Tensor:
        _, last = self.gru(sequences)
        return F.mse_loss(self.head(last[0]).squeeze(1), sums)


class VAEDigits(nn.Module):
    def __init__(self, features: int = 784, code: int = 20, hidden: int = 400) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 2 * code))
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, features))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean, log_variance = self.encoder(images).chunk(2, -1)
        logits = self.decoder(mean + (log_variance / 2).exp() * torch.randn_like(mean))
        wrong = F.binary_cross_entropy_with_logits(logits, images, reduction="sum")
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum() / 2
        return (wrong + divergence) / images.shape[0]


class Transfer(nn.Module):
    def __init__(self, repeats: int = 5, classes: int = 5, frozen: int = 8) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*list(DigitsCNN())[:frozen]).requires_grad_(False)
        ends = nn.ModuleList([nn.Sequential(*list(DigitsCNN(classes))[frozen:]) for _ in range(repeats)])
        self.model = nn.ModuleList([ends, nn.ModuleList([DigitsCNN(classes) for _ in range(repeats)])])

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        losses = []
        self.trunk.eval()
        for end, fresh, x, y in zip(*self.model, images, labels, strict=True):
            losses += [F.cross_entropy(end(self.trunk(x)), y), fresh(x, y)]
        return torch.stack(losses).sum()


class Training:
    """A network with its optimizer, at default settings or at torch's best.

    Args:
        name: the example's.
        weights: what it begins with, numpy arrays by name.
        settings: of the optimizer, with its class as ``"kind"``.
        clip: the limit of the gradients' norm, or None.
        best: the fused optimizer, and images with their channels last.
        compiled: by torch.compile.
    """

    def __init__(
        self,
        name: str,
        weights: dict[str, Any],
        settings: dict[str, Any],
        clip: float | None,
        best: bool,
        compiled: bool,
    ) -> None:
        self.model = globals()[name]()
        getattr(self.model, "take", self.model.load_state_dict)(
            {name: torch.from_numpy(value.copy()) for name, value in weights.items()}
        )
        self.clip, self.channels_last = clip, best and name in ("DigitsCNN", "Transfer")
        if self.channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
        settings = dict(settings)
        kind = getattr(torch.optim, settings.pop("kind"))
        self.optimizer = kind(
            (p for p in self.model.parameters() if p.requires_grad), **settings, **({"fused": True} if best else {})
        )
        self.loss = torch.compile(self.model) if compiled else self.model

    def take(self, arrays: list[Any]) -> list[torch.Tensor]:
        """A batch, as this network likes it."""
        batch = [torch.from_numpy(array.copy()) for array in arrays]
        if self.channels_last:
            images = batch[0].flatten(0, -4)  # (repeats, N, C, H, W) in `Transfer`
            batch[0] = images.to(memory_format=torch.channels_last).view(batch[0].shape)
        return batch

    def step(self, *batch: torch.Tensor) -> float:
        """One update; the loss before it."""
        self.optimizer.zero_grad()
        loss = self.loss(*batch)
        loss.backward()
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        return float(loss.item())
