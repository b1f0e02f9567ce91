"""Layers, losses and models. Names, arguments, defaults and starting values are PyTorch's."""

from __future__ import annotations

from dlcore.nn import functional, init, utils
from dlcore.nn.activation import GELU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from dlcore.nn.containers import ModuleDict, ModuleList, Sequential
from dlcore.nn.conv import Conv2d
from dlcore.nn.dropout import Dropout
from dlcore.nn.flatten import Flatten
from dlcore.nn.linear import Identity, Linear
from dlcore.nn.loss import BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, L1Loss, MSELoss, NLLLoss, SmoothL1Loss
from dlcore.nn.module import Module
from dlcore.nn.normalization import BatchNorm1d, BatchNorm2d, LayerNorm
from dlcore.nn.parameter import Parameter
from dlcore.nn.parameter_containers import ParameterDict, ParameterList
from dlcore.nn.pooling import AvgPool2d, MaxPool2d
from dlcore.nn.sparse import Embedding

__all__ = [
    "GELU",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "HuberLoss",
    "Identity",
    "L1Loss",
    "LayerNorm",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Tanh",
    "functional",
    "init",
    "utils",
]
