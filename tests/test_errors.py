"""What a user reads when something is wrong: call by call, the type of the exception and its whole text.

A message names the operation, what it expected and what it got; inside a model also the place; and the likely fix.
"""

# ruff: noqa: E501 - a row is a line, and messages stay in one piece, so that they can be searched for

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from dlcore import DTypeError, GradientError, ShapeError, nn, optim

nan = float("nan")


def t(*data):
    return dlcore.tensor(list(data))


def z(*shape):
    return dlcore.zeros(*shape)


def leaf(*shape):
    return dlcore.zeros(*shape, requires_grad=True)


def backward_twice():
    loss = (leaf(2) * leaf(2)).sum()
    loss.backward()
    loss.backward()


def overwritten_input():
    x = leaf(3) * 2
    loss = (x * x).sum()
    x.add_(1)
    loss.backward()


def overwritten_output():
    x = leaf(3).exp()
    loss = x.sum()
    y = x.detach()
    y[0] = 1.0
    loss.backward()


def overwritten_weight():
    weight = leaf(3)
    loss = (weight * leaf(3)).sum()
    with dlcore.no_grad():
        weight.mul_(2)
    loss.backward()


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8), nn.Linear(4, 8)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()

    def forward(self, x):
        return self.encoder(x)


LINEAR = "Linear(in_features=784, out_features=128, bias=True)"

# Shapes that do not fit: the operation, both shapes, where in the model, the likely fix.
SHAPES = [
    (lambda: F.linear(z(2, 3), z(4)), "linear: the weight must be (out_features, in_features) or (in_features), got (4,) for inputs (2, 3)"),
    (lambda: F.linear(z(2, 4), z(4), z(3)), "linear: bias (3,) of weight (4,), which gives one number"),
    (lambda: z(2, 3) + z(4), "add: shapes (2, 3) and (4,) do not broadcast: dimension 1 from the right is 3 and 4; sizes must be equal or 1"),
    (lambda: z(2, 3) @ z(2, 3), "matmul: shapes (2, 3) and (2, 3) do not fit: the last dimension of the first (3) must equal the second-to-last of the second (2)"),
    (lambda: z() @ z(3), "matmul: both tensors need at least one dimension, got () and (3,); use * for a scalar"),
    (lambda: nn.Linear(784, 128)(z(64, 28, 28)), f"{LINEAR}: linear: input (64, 28, 28) has 28 features, weight (128, 784) expects 784; flatten(1) first: 28*28 = 784"),
    (lambda: Model()(z(2, 8)), "Model.encoder.layers.1 (Linear(in_features=4, out_features=8, bias=True)): linear: input (2, 8) has 8 features, weight (8, 4) expects 4\n  on the way: (2, 8) → linear (2, 8)"),
    (lambda: F.linear(z(2, 3), z(5, 3), z(4)), "linear: bias of shape (4,) for 5 output features, expected (5,)"),
    (lambda: F.conv2d(z(2, 1, 28, 28), z(8, 3, 3, 3)), "conv2d: input has 1 channel(s), weight expects 3 (groups=1); input (2, 1, 28, 28), weight (8, 3, 3, 3)"),
    (lambda: F.conv2d(z(28, 28), z(8, 3, 3, 3)), "conv2d: expected an input (batch, channels, height, width) and a weight (out, in / groups, height, width), got (28, 28) and (8, 3, 3, 3)"),
    (lambda: F.conv2d(z(2, 1, 3, 3), z(8, 1, 5, 5)), "conv2d: a kernel of (5, 5) with dilation (1, 1) does not fit into the input 3 x 3 with padding (0, 0)"),
    (lambda: F.max_pool2d(z(1, 1, 3, 3), 5), "max_pool2d: a window of (5, 5) with dilation (1, 1) does not fit into 3 x 3 with padding (0, 0)"),
    (lambda: F.layer_norm(z(2, 3), (4,)), "layer_norm: input (2, 3) does not end with normalized_shape (4,)"),
    (lambda: F.batch_norm(z(2, 4, 5, 5), z(3), z(3)), "batch_norm: input (2, 4, 5, 5) has 4 channels, but running_mean has shape (3,)"),
    (lambda: F.cross_entropy(z(2, 3), t(0, 1, 2)), "cross_entropy: labels of shape (3,) for an input of shape (2, 3) (classes in dimension 1), expected (2,)"),
    (lambda: F.cross_entropy(z(2, 3), t(0, 1), weight=z(2)), "cross_entropy: weight of shape (2,) for 3 classes, expected (3,)"),
    (lambda: F.mse_loss(z(2), z(3)), "mse_loss: shapes (2,) and (3,) do not broadcast: dimension 1 from the right is 2 and 3; sizes must be equal or 1"),
    (lambda: F.binary_cross_entropy_with_logits(z(2), z(3)), "binary_cross_entropy_with_logits: target (3,) must have the shape of the logits (2,)"),
    (lambda: z(2, 3).view(4), "view: cannot view (2, 3) (6 elements) as (4,) (4 elements)"),
    (lambda: z(2, 3).view(-1, 4), "view: cannot view (2, 3) as [-1, 4]: 6 elements do not divide by 4"),
    (lambda: z(2, 3).reshape(4), "reshape: cannot view (2, 3) (6 elements) as (4,) (4 elements)"),
    (lambda: z(2, 3).reshape(-1, 4), "reshape: cannot view (2, 3) as [-1, 4]: 6 elements do not divide by 4"),
    (lambda: z(2, 3).reshape(-1, -1), "reshape: cannot view (2, 3) as [-1, -1]: only one size may be -1"),
    (lambda: z(2, 3).expand(3, 3), "expand: cannot expand (2, 3) to (3, 3)"),
    (lambda: dlcore.cat([z(2, 3), z(2, 4)]), "cat: tensor 0 has shape (2, 3) and tensor 1 has shape (2, 4): they differ in dimension 1, and may differ only in dimension 0"),
    (lambda: dlcore.stack([z(2), z(3)]), "stack: tensor 0 has shape (2,) and tensor 1 has shape (3,): all must have the same shape"),
    (lambda: dlcore.gather(z(2, 3), 1, t(0)), "gather: index of shape (1,) for a tensor of shape (2, 3): expected 2 dimensions, none larger than the tensor's except dimension 1"),
    (lambda: z(2, 3).__setitem__(0, z(4)), "__setitem__: cannot expand (4,) to (3,)"),
    (lambda: z(3).add_(z(2, 3)), "add_: cannot expand (2, 3) to (3,)"),
    (lambda: (leaf(2) * 2).backward(z(3)), "backward: gradient of shape (3,) for an output of shape (2,)"),
    (lambda: setattr(leaf(2), "grad", z(3)), "grad: a float32 gradient of shape (3,) for a float32 tensor of shape (2,)"),
    (lambda: z(*[1] * 33), "zeros: 33 dimensions; at most 32 are supported"),
    (lambda: z(1).reshape([1] * 33), "reshape: 33 dimensions; at most 32 are supported"),
    (lambda: z(*[1] * 32).unsqueeze(0), "reshape: 33 dimensions; at most 32 are supported"),
    (lambda: z(*[1] * 32)[None], "reshape: 33 dimensions; at most 32 are supported"),
    (lambda: z(*[1] * 32).unfold(0, 1, 1), "unfold: 33 dimensions; at most 32 are supported"),
]  # fmt: skip

DTYPES = [
    (lambda: dlcore.mean(t(1, 2)), "mean: expected a float dtype, got int64; convert it with .float()"),
    (lambda: dlcore.exp([1, 2]), "expected a Tensor, got list; wrap it with dlcore.tensor(...)"),
    (lambda: dlcore.exp(np.zeros(3)), "expected a Tensor, got ndarray; wrap it with dlcore.from_numpy(array)"),
    (lambda: dlcore.exp(None), "expected a Tensor, got NoneType; did a function forget to return?"),
    (lambda: F.cross_entropy(z(2, 3), t(0.0, 1.0)), "cross_entropy: class labels must be int64, got float32 of shape (2,); convert them with .long(); class probabilities need the shape of the logits, (2, 3)"),
    (lambda: F.cross_entropy(z(2, 3), t(0.0, nan)), "cross_entropy: class labels must be int64, got float32, and the value at position 1 is NaN"),
    (lambda: nn.Embedding(10, 3)(t(0.5)), "Embedding(10, 3): embedding: indices must be integers, got float32; convert them with .long()"),
    (lambda: -t(True), "neg: bool tensors have no subtraction; use logical_not, or convert with .int()"),
    (lambda: t(True) - t(True), "sub: bool tensors have no subtraction; use logical_xor, or convert with .int()"),
    (lambda: t(True) - 1, "sub: bool tensors have no subtraction; use logical_xor, or convert with .int()"),
    (lambda: 1 - t(True), "sub: bool tensors have no subtraction; use logical_xor, or convert with .int()"),
    (lambda: t(1.0).sub_(t(True)), "sub: bool tensors have no subtraction; use logical_xor, or convert with .int()"),
    (lambda: +t(True), "+: bool tensors have no sign; convert with .int()"),
    (lambda: t(1, 2) & t(1.0, 2.0), "&: expected bool or integer tensors, got float32; compare first, as in (x > 0) & (x < 1)"),
    (lambda: dlcore.where(z(2), z(2), z(2)), "where: expected a bool condition, got float32; compare it (x != 0)"),
    (lambda: dlcore.masked_fill(z(2), t(1, 0), 0), "masked_fill: expected a bool mask, got int64; compare it (mask != 0)"),
    (lambda: t(1, 2).add_(0.5), "add_: a float32 result cannot be written into a int64 tensor"),
    (lambda: t("a"), "tensor: expected numbers in the list, found str"),
    (lambda: t(None), "tensor: expected numbers in the list, found NoneType"),
    (lambda: dlcore.tensor("abc"), "tensor: a string is no number; map it to numbers first"),
    (lambda: dlcore.tensor({}), "tensor: cannot make a tensor of dict; expected numbers, nested lists of numbers, or an array"),
    (lambda: dlcore.tensor(1j), "tensor: cannot make a tensor of complex; expected numbers, nested lists of numbers, or an array"),
    (lambda: dlcore.tensor(np.array([None])), "tensor: got an object array; convert its elements to one number type first"),
    (lambda: dlcore.from_numpy(np.array(["a"])), "from_numpy: got an array of strings; map them to numbers first"),
    (lambda: dlcore.ones(2).bfloat16().numpy(), "numpy: numpy has no bfloat16; convert the tensor with .float() first"),
    (lambda: dlcore.from_numpy(np.zeros(2, ">f4")), "from_numpy: got elements in the other byte order; convert with .astype(array.dtype.newbyteorder('='))"),
    (lambda: dlcore.from_numpy(np.zeros(2, "M8[s]")), "from_numpy: got an array of datetime64[s], which dlcore has no dtype for"),
    (lambda: z(2).to(5), "5 is not a dtype of dlcore; there are bool, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16, bfloat16, float32, float64"),
    (lambda: dlcore.zeros(2, dtype="float8"), "float8 is not a dtype of dlcore; there are bool, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16, bfloat16, float32, float64"),
]  # fmt: skip

GRADIENTS = [
    (lambda: dlcore.autograd.grad(leaf(1).sum(), []), "grad: inputs is empty; name the tensors that it is the gradient of"),
    (lambda: z(2).backward(), "backward: this tensor does not depend on any tensor with requires_grad=True, or was computed under no_grad() or after detach()"),
    (lambda: leaf(2).backward(), "backward: only a one-element tensor starts a backward by itself, this one has shape (2,); reduce it (.sum(), .mean()) or pass gradient="),
    (lambda: leaf(2).argmax().backward(), "backward: argmax has no gradient: its output is not a smooth function of its input"),
    (lambda: (leaf(2) > 0).float().sum().backward(), "backward: gt has no gradient: its output is not a smooth function of its input"),
    (backward_twice, "backward: the graph through mul was walked before and its saved values are freed; pass retain_graph=True to the first backward, or compute the loss again"),
    (overwritten_input, "mul: the input of shape (3,) that backward needs was overwritten in place by add_ after it was used; write to a clone(), or compute out of place"),
    (overwritten_output, "exp: the output of shape (3,) that backward needs was overwritten in place by __setitem__ after it was used; write to a clone(), or compute out of place"),
    (overwritten_weight, "mul: the input of shape (3,) that backward needs was overwritten in place by mul_ after it was used; write to a clone(), or compute out of place"),
    (lambda: leaf(2).add_(1), "add_: in-place write to a leaf that requires a gradient; do it under no_grad(), or out of place"),
    (lambda: leaf(2).zero_(), "zero_: in-place write to a leaf that requires a gradient; do it under no_grad(), or out of place"),
    (lambda: leaf(2).__setitem__(0, 1), "__setitem__: in-place write to a leaf that requires a gradient; do it under no_grad(), or out of place"),
    (lambda: leaf(2).numpy(), "numpy: a tensor that requires a gradient does not lend its memory; use detach().numpy()"),
    (lambda: t(1).requires_grad_(), "requires_grad: only float tensors have gradients, this one is int64; convert it with .float()"),
    (lambda: (leaf(2) * 2).requires_grad_(False), "requires_grad: only leaves can stop requiring a gradient; use detach() on the result of an operation"),
    (lambda: dlcore.autograd.grad(leaf(2).sum(), [z(2)]), "grad: input 0 does not require a gradient; call requires_grad_() on it first"),
    (lambda: dlcore.autograd.grad(leaf(2).sum(), [leaf(2)]), "grad: input 0 has no part in the outputs; pass allow_unused=True to get None for it"),
]  # fmt: skip

INDICES = [
    (lambda: F.cross_entropy(z(2, 3), t(0, 3)), "cross_entropy: target 3 at position 1 is out of range for 3 classes (0 to 2); labels may be off by one; ignore_index=3 leaves labels of this value out"),
    (lambda: F.cross_entropy(z(2, 3), t(0, -1)), "cross_entropy: target -1 at position 1 is out of range for 3 classes (0 to 2); labels may be off by one; ignore_index=-1 leaves labels of this value out"),
    (lambda: F.nll_loss(z(2, 3), t(0, 9)), "nll_loss: target 9 at position 1 is out of range for 3 classes (0 to 2); labels may be off by one; ignore_index=9 leaves labels of this value out"),
    (lambda: nn.Embedding(10, 3)(t(10)), "Embedding(10, 3): embedding: index 10 at position 0 is out of range for dimension 0 of size 10"),
    (lambda: dlcore.gather(z(2, 3), 1, dlcore.tensor([[5]])), "gather: index 5 at position 0 is out of range for dimension 1 of size 3"),
    (lambda: dlcore.index_select(z(2, 3), 0, t(2)), "index_select: index 2 at position 0 is out of range for dimension 0 of size 2"),
    (lambda: F.one_hot(t(3), 2), "one_hot: index 3 at position 0 is out of range for dimension 1 of size 2"),
    (lambda: F.one_hot(t(-1)), "one_hot: index -1 at position 0 is out of range for dimension 1 of size 1"),
    (lambda: z(2, 3)[2], "index: index 2 is out of range for dimension 0 of size 2"),
    (lambda: z(2, 3)[0, -4], "index: index -4 is out of range for dimension 1 of size 3"),
    (lambda: z(2, 3)[2**70], "index: 1180591620717411303424 is out of range"),
    (lambda: z(2, 3)[0, 0, 0], "index: 3 indices for a tensor of 2 dimensions, shape (2, 3)"),
    (lambda: z(2, 3)["a"], "index: an index is an int, a slice, None, ..., or a tensor of ints or bools, not str"),
    (lambda: z(2, 3)[t(0.0)], "index: tensors used as indices are integers or bool, got float32"),
    (lambda: z(2, 3)[t(True)], "index: the mask of shape (1,) does not match the tensor of shape (2, 3) from dimension 0 on"),
    (lambda: dlcore.sum(z(2, 3), 5), "sum: dimension 5 is out of range for 2 dimensions (expected -2 to 1)"),
    (lambda: F.softmax(z(2, 3), 2), "softmax: dimension 2 is out of range for 2 dimensions (expected -2 to 1)"),
    (lambda: z(2, 3).transpose(0, 2), "transpose: dimension 2 is out of range for 2 dimensions (expected -2 to 1)"),
    (lambda: z(2, 3).unsqueeze(4), "unsqueeze: dimension 4 is out of range for 3 dimensions (expected -3 to 2)"),
    (lambda: dlcore.narrow(z(5), 0, 3, 4), "narrow: 4 entries from 3 leave dimension 0 of size 5"),
]  # fmt: skip

VALUES = [
    (lambda: F.pad(z(2, 3), (1,)), "pad: expected pairs for at most 2 dimensions, got 1 numbers"),
    (lambda: F.pad(z(2, 3), (3, 0), mode="reflect"), "pad: 3 before and 0 after do not fit dimension 1 of size 3"),
    (lambda: F.pad(z(2, 3), (-2, -2)), "pad: -2 before and -2 after do not fit dimension 1 of size 3"),
    (lambda: F.pad(z(3), (1, 1), mode="circular", value=1), "pad: mode \"circular\" takes no value, got 1"),
    (lambda: F.pad(z(3), (1, 1), mode="mirror"), "pad: expected mode \"constant\", \"reflect\", \"replicate\" or \"circular\", got \"mirror\""),
    (lambda: dlcore.topk(z(3), 4), "topk: k is 4, expected 0 to 3, the size of dimension 0"),
    (lambda: dlcore.topk(z(3), -1), "topk: k is -1, expected 0 to 3, the size of dimension 0"),
    (lambda: F.cross_entropy(z(2, 3), t(0, 1), reduction="avg"), "cross_entropy: reduction must be 'none', 'mean' or 'sum', got 'avg'"),
    (lambda: F.cross_entropy(z(2, 3), t(0, 1), label_smoothing=2.0), "cross_entropy: label_smoothing must be between 0 and 1, got 2"),
    (lambda: F.dropout(z(2), 1.5), "dropout: the probability must be between 0 and 1, got 1.5"),
    (lambda: F.gelu(z(2), "fast"), 'gelu: approximate is "none" or "tanh", not "fast"'),
    (lambda: F.batch_norm(z(1, 3), None, None, training=True), "batch_norm: expected more than 1 value per channel when training, got input size (1, 3); take a larger batch (drop_last=True leaves out a last one that is smaller), or call eval()"),
    (lambda: F.max_pool2d(z(1, 1, 4, 4), 2, padding=2), "max_pool2d: padding (2, 2) must be at most half of kernel_size (2, 2)"),
    (lambda: z(2, 3).permute(0, 0), "permute: dims [0, 0] are not a permutation of the 2 dimensions of (2, 3)"),
    (lambda: z().permute(0), "permute: dims [0] are not a permutation of the 0 dimensions of ()"),
    (lambda: dlcore.sum(z(2, 3), (0, 0)), "sum: dims [0, 0] name a dimension twice"),
    (lambda: z(2, 3).flatten(1, 0), "flatten: start_dim 1 comes after end_dim 0"),
    (lambda: z(3, 2).t().view(6), "view: the layout needs a copy for this shape; use reshape() or contiguous()"),
    (lambda: dlcore.cat([]), "cat: expected at least one tensor"),
    (lambda: dlcore.split(z(5), [2, 2]), "split: sections [2, 2] do not add up to dimension 0 of size 5"),
    (lambda: dlcore.split(z(1), [2**63 - 1, 2**63 - 1, 3]), "split: sections [9223372036854775807, 9223372036854775807, 3] do not add up to dimension 0 of size 1"),
    (lambda: dlcore.clamp(z(2)), "clamp: at least one of min and max must be given"),
    (lambda: dlcore.argmax(z(0)), "argmax: no element to choose from in a tensor of shape (0,) along [0]"),
    (lambda: t(2) ** -1, "pow: integers to negative powers are no integers; convert with .float() first"),
    (lambda: t(1) // 0, "floor_divide: integer division by zero"),
    (lambda: z(-1), "zeros: sizes must not be negative, got -1"),
    (lambda: z(2**62), "zeros: shape (4611686018427387904,) has too many elements"),
    (lambda: z(2**32, 2**32), "zeros: shape (4294967296, 4294967296) has too many elements"),
    (lambda: dlcore.eye(-1), "eye: n must not be negative, got -1"),
    (lambda: dlcore.randperm(-1), "randperm: n must not be negative, got -1"),
    (lambda: dlcore.linspace(0, 1, -1), "linspace: steps must not be negative, got -1"),
    (lambda: dlcore.arange(0, 10, 0), "arange: a step of 0 does not lead from 0 to 10"),
    (lambda: dlcore.arange(nan), "arange: expected finite bounds, got 0 to NaN by 1"),
    (lambda: dlcore.randint(5, 5, (2,)), "randint: the range from 5 to 5 (excluded) is empty"),
    (lambda: dlcore.set_num_threads(0), "set_num_threads: there must be at least one thread, got 0"),
    (lambda: t(1, [2]), "tensor: the nested lists are ragged: at depth 1 expected a number, found a list of 1"),
    (lambda: t([1, 2], np.array([3])), "tensor: the nested lists are ragged: at depth 1 expected a list of 2, found a list of 1"),
    (lambda: t([1, 2], np.array(3)), "tensor: the nested lists are ragged: at depth 1 expected a list of 2, found a number"),
    (lambda: dlcore.quantile(t(1.0), 2.0), "quantile: q must be between 0 and 1"),
    (lambda: dlcore.linalg.vander(t(1.0), N=-1), "linalg.vander: N must be at least 2, got -1"),
    (lambda: t([1, 2], [3]), "tensor: the nested lists are ragged: at depth 1 expected a list of 2, found a list of 1"),
    (lambda: dlcore.frombuffer(b"abc", dtype=dlcore.float32), "frombuffer: 3 bytes are no whole number of float32 elements"),
    (lambda: z(2).item(), "item: only a one-element tensor becomes a Python number; this one has shape (2,)"),
    (lambda: bool(z(2)), "bool: a tensor of 2 elements is neither true nor false; use .any() or .all()"),
    (lambda: z(2, 3)[::0], "index: a slice's step must not be zero"),
    (lambda: optim.SGD([leaf(2)], lr=-1), "SGD: lr must be at least 0, got -1"),
]  # fmt: skip

WHERE = "where: expected input and other besides the condition, or the condition alone"
OTHERS = [
    (lambda: z(2**40, 0).unbind(), MemoryError, "unbind: no memory for a tuple of 1099511627776 tensors"),
    (lambda: z(1).expand(2**40).split(1), MemoryError, "split: no memory for a tuple of 1099511627776 tensors"),
    (lambda: z(2**63), OverflowError, "9223372036854775808 is too large"),
    (lambda: dlcore.where(z(2) > 0, z(2)), TypeError, WHERE),
    (lambda: z(2).__array_ufunc__(1.0, "__call__"), TypeError, "__array_ufunc__: 1.0 is not a ufunc"),
    (lambda: dlcore.tensor(2**64), OverflowError, "int too large: no dtype holds it"),
    (lambda: z(2).to("cuda"), RuntimeError, 'dlcore computes on the CPU: "cuda" is neither a dtype nor a device here; leave out .to("cuda")'),
    (lambda: z(2).cuda(), RuntimeError, 'dlcore computes on the CPU: leave out .cuda() and .to("cuda")'),
    (lambda: dlcore.zeros(2, device="cuda"), RuntimeError, 'dlcore computes on the CPU: there is no device "cuda"'),
    (lambda: dlcore.from_numpy([1, 2]), TypeError, "from_numpy: expected a numpy array, got list"),
    (lambda: dlcore.autograd.functional.jacobian(lambda x: 3, t(1.0)), TypeError, "jacobian: the function must return tensors, got int"),
    (lambda: dlcore.from_dlpack(1), TypeError, "from_dlpack: expected an object with __dlpack__, got int"),
    (lambda: memoryview(leaf(2)), BufferError, "a tensor that requires a gradient does not lend its memory; detach() it"),
    (lambda: len(z()), TypeError, "a 0-d tensor has no length"),
    (lambda: iter(z()), TypeError, "a 0-d tensor has nothing to iterate over"),
    (lambda: f"{z(2):.2f}", TypeError, "only a 0-d tensor takes a format; use .item() or .tolist()"),
    (lambda: z(2) + "a", TypeError, "unsupported operand type(s) for +: 'dlcore.Tensor' and 'str'"),
    (lambda: z(2) / [1, 2], TypeError, "unsupported operand type(s) for /: 'dlcore.Tensor' and 'list'"),
    (lambda: dlcore.exp(*[]), TypeError, "exp() missing 1 required positional argument: 'input'"),
    (lambda: dlcore.nope, AttributeError, "module 'dlcore' has no attribute 'nope'"),
    (lambda: dlcore.datasets.idx_folder("/nonexistent"), FileNotFoundError, "/nonexistent is not a folder; expected {train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz, one pair or both in it"),
    (lambda: dlcore.save({"a": z(2)}, "/nonexistent/x.safetensors"), FileNotFoundError, "cannot write x.safetensors: the folder /nonexistent does not exist"),
    (lambda: dlcore.load("/nonexistent.safetensors"), FileNotFoundError, "[Errno 2] No such file or directory: '/nonexistent.safetensors'"),
]  # fmt: skip

TABLE = [
    (call, kind, text)
    for rows, kind in ((SHAPES, ShapeError), (DTYPES, DTypeError), (GRADIENTS, GradientError), (INDICES, IndexError), (VALUES, ValueError))
    for call, text in rows
] + OTHERS  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "text"), TABLE, ids=[text[:60] for _, _, text in TABLE])
def test_messages(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert str(caught.value) == text


def test_kinds_are_builtin_kinds():
    assert issubclass(ShapeError, ValueError)
    assert issubclass(DTypeError, TypeError)
    assert issubclass(GradientError, RuntimeError)
    for kind in (ShapeError, DTypeError, GradientError):
        assert (kind.__module__, getattr(dlcore, kind.__name__)) == ("dlcore", kind)


def test_after_an_error_all_is_as_before():
    x = dlcore.ones(2, requires_grad=True)
    y = x * 2
    with pytest.raises(GradientError):
        y.backward()
    with pytest.raises(ShapeError):
        y.add_(z(3))
    y.sum().backward()
    assert y.tolist() == x.grad.tolist() == [2, 2]
