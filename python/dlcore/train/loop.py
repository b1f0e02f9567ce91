"""The training loop as a generator: it reports every step, and what to do with the reports is the caller's business."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from dlcore import _core
from dlcore._core import Tensor
from dlcore.autograd import no_grad
from dlcore.data import DataLoader
from dlcore.nn.functional import cross_entropy
from dlcore.nn.module import Module
from dlcore.optim.lr_scheduler import LRScheduler
from dlcore.optim.optimizer import Optimizer

__all__ = ["Evaluation", "Step", "confusion_matrix", "evaluate", "fit"]


class Step(NamedTuple):
    """What one step of training gave.

    Example:
        >>> from dlcore import train
        >>> step = train.Step(epoch=0, number=7, samples=64, loss=0.5, correct=48)
        >>> step.correct / step.samples
        0.75
    """

    epoch: int
    """Number of the epoch, from 0."""
    number: int
    """Number of the step over all epochs, from 0."""
    samples: int
    """Size of the batch."""
    loss: float
    """Mean loss over the batch, before the step."""
    correct: int
    """Samples of the batch that were classified correctly."""


def fit(
    model: Module,
    loader: DataLoader,
    optimizer: Optimizer,
    epochs: int,
    scheduler: LRScheduler | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
) -> Iterator[Step]:
    """Train a classifier, one step each time the next report is asked for.

    Args:
        model: from a batch of inputs to logits, (N, classes).
        loader: gives batches of inputs and int64 labels.
        optimizer: of the model's parameters.
        epochs: passes over the loader.
        scheduler: moved on after every step.
        loss: of logits and labels, the mean over the batch.

    Yields:
        A `Step` after each update.

    Example:
        >>> import dlcore
        >>> from dlcore import data, nn, optim, train
        >>> _ = dlcore.manual_seed(0)
        >>> x = dlcore.randn(64, 2)
        >>> loader = data.DataLoader(data.TensorDataset(x, (x[:, 0] > x[:, 1]).to(dlcore.int64)), batch_size=16)
        >>> model = nn.Linear(2, 2)
        >>> steps = list(train.fit(model, loader, optim.SGD(model.parameters(), lr=1.0), epochs=5))
        >>> len(steps), steps[-1].loss < steps[0].loss
        (20, True)
    """
    number = 0
    for epoch in range(epochs):
        model.train()
        for inputs, labels in loader:
            optimizer.zero_grad()
            logits = model(inputs)
            value = loss(logits, labels)
            value.backward()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
            correct = int((logits.detach().argmax(1) == labels).sum().item())
            yield Step(epoch, number, labels.shape[0], value.item(), correct)
            number += 1


class Evaluation(NamedTuple):
    """How a model does on data it was not trained on.

    Example:
        >>> import dlcore
        >>> from dlcore import data, nn, train
        >>> loader = data.DataLoader(data.TensorDataset(dlcore.eye(3), dlcore.arange(3)), batch_size=2)
        >>> evaluation = train.evaluate(nn.Identity(), loader)
        >>> isinstance(evaluation, train.Evaluation), evaluation.labels
        (True, tensor([0, 1, 2]))
    """

    loss: float
    """Mean loss."""
    accuracy: float
    """Part of the samples that were classified correctly, in 0..1."""
    logits: Tensor
    """The model's output for all samples, (N, classes)."""
    labels: Tensor
    """The labels of all samples, (N,)."""


def evaluate(model: Module, loader: DataLoader, loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy) -> Evaluation:
    """Judge a classifier in evaluation mode; the mode it was in comes back.

    Args:
        model: from a batch of inputs to logits, (N, classes).
        loader: gives batches of inputs and int64 labels, and at least one.
        loss: of logits and labels, the mean over the batch.

    Raises:
        ValueError: the loader gives nothing.

    Example:
        >>> import dlcore
        >>> from dlcore import data, nn, train
        >>> loader = data.DataLoader(data.TensorDataset(dlcore.eye(3), dlcore.arange(3)), batch_size=2)
        >>> train.evaluate(nn.Identity(), loader).accuracy
        1.0
    """
    training = model.training
    model.eval()
    outputs, answers = [], []
    try:
        with no_grad():
            for inputs, labels in loader:
                outputs.append(model(inputs))
                answers.append(labels)
            if not outputs:
                raise ValueError("evaluate: the loader gave no batch")
            logits, labels = _core.cat(outputs), _core.cat(answers)
            right = (logits.argmax(1) == labels).sum().item()
            return Evaluation(loss(logits, labels).item(), right / len(labels), logits, labels)
    finally:
        model.train(training)


def confusion_matrix(predicted: Tensor, labels: Tensor, classes: int) -> list[list[int]]:
    """How often each class was taken for each: rows are the true classes, columns the predicted ones.

    Args:
        predicted: (N,), whole numbers below `classes`.
        labels: likewise.
        classes: how many there are.

    Example:
        >>> import dlcore
        >>> from dlcore import train
        >>> train.confusion_matrix(dlcore.tensor([0, 1, 1]), dlcore.tensor([0, 1, 0]), 2)
        [[1, 1], [0, 1]]
    """
    counts = [[0] * classes for _ in range(classes)]
    for true, guess in zip(labels.tolist(), predicted.tolist(), strict=True):
        counts[true][guess] += 1
    return counts
