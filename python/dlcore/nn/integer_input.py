"""The error of a layer with float parameters that is given integers, and what to do with bytes, tokens and labels."""

from __future__ import annotations

from dlcore._core import DTypeError, Tensor, bool, uint8

__all__ = ["refuse_integers"]


def refuse_integers(name: str, input: Tensor, weight: Tensor) -> None:
    """Raise if `input` holds no floats and `weight` does; layers call it once their operation is done, or has failed.

    The core promotes integers to the dtype of the parameters, which for pixels of 0 to 255 and numbers of words is
    hardly meant.

    Raises:
        DTypeError: with advice for the dtype of the input.
    """
    if input.is_floating_point() or not weight.is_floating_point():
        return
    advice = {
        uint8: "convert it with .float(); images of bytes are trained on as x.float() / 255",
        bool: "convert it with .float()",
    }.get(input.dtype, "convert it with .float(), or, if it holds tokens, look them up in an nn.Embedding")
    names = [str(tensor.dtype).removeprefix("dlcore.") for tensor in (input, weight)]
    raise DTypeError(f"{name}: the input is {names[0]}, the parameters are {names[1]}: {advice}")
