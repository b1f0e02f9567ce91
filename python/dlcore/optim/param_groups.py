"""Which parameters decay."""

from __future__ import annotations

from typing import Any

from dlcore.nn.module import Module

__all__ = ["weight_decay_groups"]


def weight_decay_groups(
    model: Module, weight_decay: float = 0.01, exclude: tuple[type[Module], ...] = (), **settings: Any
) -> list[dict[str, Any]]:
    """Two groups for an optimizer: matrices and filters, which decay, and biases and scales of norms, which do not.

    What has fewer than two dimensions is a bias or a scale. Frozen parameters are left out.

    Args:
        model: whose parameters are grouped, each once.
        weight_decay: of the first group.
        exclude: kinds of modules whose own parameters do not decay either, as ``(nn.Embedding,)``.
        **settings: further settings of both groups.

    Example:
        >>> from dlcore import nn, optim
        >>> model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
        >>> groups = optim.weight_decay_groups(model, 0.1)
        >>> [(len(group["params"]), group["weight_decay"]) for group in groups]
        [(1, 0.1), (3, 0.0)]
        >>> optimizer = optim.AdamW(groups, lr=1e-3)
    """
    spared = {id(p) for module in model.modules() if isinstance(module, exclude) for p in module.parameters(False)}
    trained = [p for p in model.parameters() if p.requires_grad]
    decay = [p for p in trained if p.dim() >= 2 and id(p) not in spared]
    decaying = {id(p) for p in decay}
    others = [p for p in trained if id(p) not in decaying]
    return [
        {**settings, "params": decay, "weight_decay": weight_decay},
        {**settings, "params": others, "weight_decay": 0.0},
    ]
