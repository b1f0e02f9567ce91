"""Whole training steps, dlcore against the same network written by hand in numpy."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import dlcore
import dlcore.nn.functional as F
import numpy as np
from dlcore import nn, optim


class NumpyMLP:
    """A perceptron with relu, its backward and Adam, as a numpy user would write them."""

    def __init__(self, weights: list[Any], biases: list[Any]) -> None:
        self.params = [p.copy() for pair in zip(weights, biases, strict=True) for p in pair]
        self.first = [np.zeros_like(p) for p in self.params]
        self.second = [np.zeros_like(p) for p in self.params]
        self.step_count = 0

    def step(self, x: Any, y: Any, lr: float, update: Callable[[list[Any], float], None]) -> float:
        """One step on a batch; the loss before it."""
        layers = list(zip(self.params[::2], self.params[1::2], strict=True))
        inputs = [x]
        for weight, bias in layers[:-1]:
            inputs.append(np.maximum(inputs[-1] @ weight.T + bias, 0))
        logits = inputs[-1] @ layers[-1][0].T + layers[-1][1]
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        rows = np.arange(len(y))
        loss = -log_softmax[rows, y].mean()
        grad = np.exp(log_softmax)
        grad[rows, y] -= 1
        grad /= len(y)
        grads: list[Any] = []
        for i in range(len(layers) - 1, -1, -1):
            grads[:0] = [grad.T @ inputs[i], grad.sum(axis=0)]
            if i:
                grad = (grad @ layers[i][0]) * (inputs[i] > 0)
        update(grads, lr)
        return float(loss)

    def sgd(self, grads: list[Any], lr: float) -> None:
        """The plain step, in place."""
        for param, grad in zip(self.params, grads, strict=True):
            param -= lr * grad

    def adam(self, grads: list[Any], lr: float) -> None:
        """Kingma and Ba's update, in place."""
        self.step_count += 1
        correction1, correction2 = 1 - 0.9**self.step_count, 1 - 0.999**self.step_count
        for param, grad, m, v in zip(self.params, grads, self.first, self.second, strict=True):
            m += 0.1 * (grad - m)
            v += 0.001 * (grad * grad - v)
            param -= (lr / correction1) * m / (np.sqrt(v / correction2) + 1e-8)


class MLP(nn.Module):
    """The same network as a module."""

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in itertools.pairwise(sizes)])

    def forward(self, x: dlcore.Tensor) -> dlcore.Tensor:
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


def contest(
    sizes: tuple[int, ...], batch: int, rng: np.random.Generator, optimizer_name: str
) -> dict[str, Callable[[], float]]:
    """A step of each library from equal weights on equal data."""
    model = MLP(*sizes)
    optimizer = getattr(optim, optimizer_name)(model.parameters(), lr=1e-3)
    by_hand = NumpyMLP(
        [layer.weight.detach().numpy() for layer in model.layers],
        [layer.bias.detach().numpy() for layer in model.layers],
    )
    x = rng.standard_normal((batch, sizes[0]), dtype=np.float32)
    y = rng.integers(0, sizes[-1], batch)
    tx, ty = dlcore.from_numpy(x), dlcore.from_numpy(y)

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(tx), ty)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    update = by_hand.adam if optimizer_name == "Adam" else by_hand.sgd
    return {"numpy": lambda: by_hand.step(x, y, 1e-3, update), "dlcore": step}


def test_mlp(rng: np.random.Generator, race: Callable[..., None], benchmark: Any) -> None:
    benchmark.group = "training step 784-128-64-10, batch 64, Adam"
    race(**contest((784, 128, 64, 10), 64, rng, "Adam"))


def test_tiny(rng: np.random.Generator, race: Callable[..., None], benchmark: Any) -> None:
    benchmark.group = "training step 4-8-2, batch 1, SGD"
    race(**contest((4, 8, 2), 1, rng, "SGD"))
