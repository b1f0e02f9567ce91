"""Automatic differentiation: what is recorded, gradients by a call, functions with a derivative of their own.

The engine is in Rust; here are Python's ways in. What few programs use loads when it is first asked for.
"""

from __future__ import annotations

from dlcore.autograd.gradients import backward, grad
from dlcore.autograd.recording import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dlcore.autograd import anomaly, checks, function, functional, graph
    from dlcore.autograd.anomaly import detect_anomaly, set_detect_anomaly
    from dlcore.autograd.checks import gradcheck, gradgradcheck
    from dlcore.autograd.function import Function
    from dlcore.autograd.variable import Variable

__all__ = [
    "Function",
    "Variable",
    "anomaly",
    "backward",
    "checks",
    "detect_anomaly",
    "enable_grad",
    "function",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]

_HOMES = {
    "Function": "function",
    "Variable": "variable",
    "detect_anomaly": "anomaly",
    "gradcheck": "checks",
    "gradgradcheck": "checks",
    "set_detect_anomaly": "anomaly",
}
_MODULES = frozenset({"anomaly", "checks", "function", "functional", "graph"})


def __getattr__(name: str) -> Any:
    """Load what few programs use when it is first asked for."""
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"dlcore.autograd.{name}")
    if name in _HOMES:
        return getattr(import_module(f"dlcore.autograd.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'dlcore.autograd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
