"""What every operation of the registry means, in numpy: ``REFERENCES[name](*arrays, **parameters)``.

Written to be read, not to be fast, and from the definitions, not from the Rust. An operation with several outputs has
a reference that returns a tuple of as many leading ones as have a meaning of their own.
"""

import functools
import itertools
import math
from statistics import NormalDist

import numpy as np

_erf = np.vectorize(math.erf, otypes=[np.float64])


_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _erfinv(y):
    """By Newton's method from the quantile of the normal distribution."""

    def inverse(y):
        if not -1 < y < 1 or y == 0:
            return y if y == 0 else math.copysign(math.inf, y) if abs(y) == 1 else math.nan
        x = NormalDist().inv_cdf((1 + y) / 2) / math.sqrt(2)
        return x - (math.erf(x) - y) / (2 / math.sqrt(math.pi) * math.exp(-x * x))

    return np.vectorize(inverse, otypes=[np.float64])(y)


def _quiet(function):
    """Without warnings of what is not defined everywhere."""

    def quietly(x):
        with np.errstate(all="ignore"):
            return function(x)

    return quietly


def _lgamma(x):
    def one(x):
        try:
            return math.lgamma(x)
        except (ValueError, OverflowError):  # a pole, or too large
            return math.inf

    return np.vectorize(one, otypes=[np.float64])(x)


def _digamma(x):
    x = np.asarray(x, np.float64)
    with np.errstate(all="ignore"):
        y = np.where(x < 0, 1 - x, x)
        z = y + 50
        shifted = np.log(z) - 1 / (2 * z) - 1 / (12 * z**2) + 1 / (120 * z**4) - 1 / (252 * z**6)
        value = np.where(np.isinf(y), y, shifted - sum(1 / (y + k) for k in range(50)))
        value = np.where(x < 0, value - math.pi / np.tan(math.pi * np.fmod(x, 1)), value)
        return np.where((x < 0) & (np.trunc(x) == x), np.nan, np.where(x == 0, np.copysign(np.inf, -x), value))


def _polygamma(x, n):
    """Its definition as a series; what comes after 10 000 terms as an integral and half a term."""
    x = np.asarray(x, np.float64)
    end = x + 10_000
    terms = sum((x + k) ** -(n + 1.0) for k in range(10_000))
    zeta = terms + end**-n / n + end ** -(n + 1.0) / 2 + (n + 1) * end ** -(n + 2.0) / 12
    return (-1) ** (n + 1) * math.factorial(n) * zeta


def _zeta(s, x):
    """Its definition as a series, ended as above."""
    s, x = np.asarray(s, np.float64), np.asarray(x, np.float64)
    end = x + 10_000
    terms = sum((x + k) ** -s for k in range(10_000))
    with np.errstate(divide="ignore"):
        return terms + end ** (1 - s) / (s - 1) + end**-s / 2 + s * end ** (-s - 1) / 12


def _igammac(a, x):
    """Of integers: a Poisson variable of mean x is below a."""
    x = np.asarray(x, np.float64)
    poisson = [np.exp(-x) * x**k / math.factorial(k) for k in range(int(np.max(a, initial=0)))]
    below = sum((np.where(k < a, p, 0) for k, p in enumerate(poisson)), start=np.zeros(np.broadcast(a, x).shape))
    return np.where((np.asarray(a) == 0) & (x == 0), np.nan, below) + 0 * x


def _bessel_over_exp(order, x):
    """Bessel's integral, which a sum over equal steps gives exactly, or its limit for large arguments."""
    x = np.abs(np.asarray(x, np.float64))
    angles = (np.arange(2000) + 0.5) * (math.pi / 2000)
    with np.errstate(all="ignore"):
        integral = np.mean(np.exp(x[..., None] * (np.cos(angles) - 1)) * np.cos(order * angles), -1)
        large = (1 - (4 * order - 1) / (8 * x)) / np.sqrt(2 * math.pi * x)
        return np.where(x > 1e4, large, np.where(x < 1e-9, x / 2 if order else 1.0, integral))


def _bessel(order, x):
    with np.errstate(all="ignore"):
        half = np.exp(np.abs(np.asarray(x, np.float64)) / 2)
        return np.where(np.isinf(half), half, _bessel_over_exp(order, x) * half * half)


def _erfcx(x):
    x = np.asarray(x, np.float64)
    with np.errstate(all="ignore"):
        tail = (1 - 1 / (2 * x**2) + 3 / (4 * x**4) - 15 / (8 * x**6)) / (x * math.sqrt(math.pi))
        return np.where(x > 25, tail, np.exp(x**2) * _erfc(x))


@np.vectorize
def _ndtri(p):
    if 0 < p < 1:
        return NormalDist().inv_cdf(p)
    return {0: -math.inf, 1: math.inf}.get(float(p), math.nan)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _softplus(x):
    return np.logaddexp(0, x)


def _gelu(x, approximate):
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + _erf(x / math.sqrt(2)))


def _pow(x, y):
    exact = np.power(x.astype(np.float64), y.astype(np.float64))
    return exact if np.result_type(x, y).kind == "f" else np.trunc(exact).astype(np.result_type(x, y))


def _clamp(x, min, max):
    x = x if min is None else np.maximum(x, np.array(min, x.dtype))
    return x if max is None else np.minimum(x, np.array(max, x.dtype))


def bfloat16(x):
    """Float64 numbers rounded to eight significant bits, ties to even, in float32."""
    _, exponent = np.frexp(x)
    place = np.maximum(exponent - 8, -133).astype(np.int64)
    with np.errstate(all="ignore"):
        rounded = np.ldexp(np.round(np.ldexp(x, -place)), place)
        return np.where(np.isfinite(x), rounded, x).astype(np.float32)


def _to(x, dtype):
    """Towards zero; what a narrow integer cannot hold wraps, as in PyTorch on x86."""
    if dtype == "bfloat16":
        return bfloat16(x.astype(np.float64))
    if np.dtype(dtype).kind not in "iu" or x.dtype.kind != "f":
        return x.astype(dtype)
    return np.trunc(x).astype(np.int64).astype(dtype)


def _floor_divide(x, y, trunc):
    """As the array API standard has it: quotients by zero, and of and by infinities, are not rounded."""
    if trunc:
        return np.trunc(x / y) if x.dtype.kind == "f" else (np.abs(x) // np.abs(y)) * np.sign(x) * np.sign(y)
    exact = np.isinf(x) | np.isinf(y) | (y == 0)
    return np.where(exact, np.divide(x, y), np.floor_divide(x, y)) if x.dtype.kind == "f" else np.floor_divide(x, y)


def _sort(x, dim, descending):
    """Equals in the order in which they were."""
    x = np.moveaxis(x, dim, -1)
    last_first = np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    order = x.shape[-1] - 1 - last_first if descending else np.argsort(x, axis=-1, kind="stable")
    return tuple(np.moveaxis(y, -1, dim) for y in (np.take_along_axis(x, order, axis=-1), order))


def _running(extreme, x, dim):
    """Of numbers that are all different, each is found where it is."""
    values = extreme.accumulate(x, axis=dim)
    return values, np.maximum.accumulate(np.where((x == values) | np.isnan(x), np.indices(x.shape)[dim], 0), axis=dim)


def _logsumexp(x, dim, keepdim=False):
    top = x.max(axis=dim, keepdims=True, initial=-math.inf)
    out = np.log(np.exp(x - top).sum(axis=dim, keepdims=True)) + top
    return out if keepdim else out.sum(axis=dim)


def _softmax(x, dim):
    shifted = np.exp(x - x.max(axis=dim, keepdims=True, initial=-math.inf))
    return shifted / shifted.sum(axis=dim, keepdims=True)


def _log_softmax(x, dim):
    return x - _logsumexp(x, dim, keepdim=True) if x.size else x


def _cross_entropy(x, labels, weight=None, *, ignore_index, reduction, label_smoothing):
    weight = np.ones(x.shape[1]) if weight is None else weight
    counts = labels != ignore_index
    target = np.where(counts, labels, 0)
    shares = label_smoothing / max(x.shape[1], 1) * np.ones_like(x)
    shares[np.arange(len(target)), target] += 1 - label_smoothing
    losses = np.where(counts, -(shares * weight * _log_softmax(x, 1)).sum(1), 0)
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / weight[target][counts].sum()


def _linear_cross_entropy(x, w, labels, bias=0.0, **options):
    return np.asarray(_cross_entropy(x @ w.T + bias, labels, reduction="sum", **options))


def _ctc_loss(log_probs, labels, frames, lengths, blank):
    """The probability of each state, frame by frame."""
    losses = np.empty(len(lengths))
    ends = np.cumsum(lengths, dtype=int)
    for n, (count, length, end) in enumerate(zip(frames, lengths, ends, strict=True)):
        states = np.full(2 * length + 1, blank)
        states[1::2] = labels[end - length : end]
        skips = np.zeros(len(states), bool)
        skips[2:] = (states[2:] != blank) & (states[2:] != states[:-2])
        reached = np.eye(len(states))[0]
        if count:
            reached[:2] = np.exp(log_probs[0, n, states[:2]])
        for t in range(1, count):
            step, skip = np.zeros(len(states)), np.zeros(len(states))
            step[1:] = reached[:-1]
            skip[2:] = reached[:-2] * skips[2:]
            reached = (reached + step + skip) * np.exp(log_probs[t, n, states])
        with np.errstate(divide="ignore"):
            losses[n] = -np.log(reached[-2:].sum())
    return losses


def _distances(differences, p):
    # numpy counts NaN as what differs; torch does not know.
    nan = np.isnan(differences).any(-1) if p == 0 else False
    return np.where(nan, np.nan, np.linalg.norm(differences, p, -1))


def _cdist(x, y, p):
    return _distances(x[..., :, None, :] - y[..., None, :, :], p)


def _pad(x, counts, mode, value):
    counts = np.reshape(counts, (-1, 2))
    return np.pad(x, counts, mode) if value is None else np.pad(x, counts, constant_values=value)


def _pdist(x, p):
    first, second = np.triu_indices(len(x), 1)
    return _distances(x[first] - x[second], p)


def _median(x, of_numbers):
    ordered = np.sort(x[~np.isnan(x)] if of_numbers else x, axis=None)
    if ordered.size == 0 or np.isnan(ordered[-1]):
        return np.asarray(np.nan)
    return ordered[(ordered.size - 1) // 2]


def _lerp(start, end, weight):
    return start + weight * (end - start)


def _huber(x, y, delta):
    size = np.abs(x - y)
    return np.where(size < delta, size * size / 2, delta * (size - delta / 2))


def _binary_cross_entropy(x, t):
    with np.errstate(all="ignore"):
        return -(t * np.maximum(np.log(x), -100) + (1 - t) * np.maximum(np.log1p(-x), -100))


def _normalised(x, axes, eps):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def _layer_norm(x, weight=1, bias=0, *, dims, eps):
    return _normalised(x, tuple(range(-dims, 0)), eps) * weight + bias


def _rms_norm(x, weight=1, *, dims, eps):
    return x / np.sqrt((x**2).mean(tuple(range(-dims, 0)), keepdims=True) + eps) * weight


def _per_channel(parameter, x):
    return np.reshape(parameter, (-1,) + (1,) * (x.ndim - 2))


def _batch_norm(x, weight=1, bias=0, *, eps):
    axes = (0, *range(2, x.ndim))
    variance = x.var(axes)
    statistics = np.stack([x.mean(axes), variance, 1 / np.sqrt(variance + eps)])
    return _normalised(x, axes, eps) * _per_channel(weight, x) + _per_channel(bias, x), statistics


def _batch_norm_inference(x, mean, deviation, weight, bias):
    mean, deviation, weight, bias = (_per_channel(p, x) for p in (mean, deviation, weight, bias))
    return (x - mean) * deviation * weight + bias


def _attention(q, k, v, mask=0.0, *, causal, scale):
    shared = q.shape[1] // max(k.shape[1], 1)
    k, v = np.repeat(k, shared, 1), np.repeat(v, shared, 1)
    scores = scale * q @ np.swapaxes(k, -1, -2)
    scores = np.where(mask, scores, -math.inf) if np.asarray(mask).dtype == bool else scores + mask
    if causal:
        scores = np.where(np.tri(*scores.shape[2:], dtype=bool), scores, -math.inf)
    blind = (scores == -math.inf).all(-1, keepdims=True)
    return np.where(blind, 0, _softmax(np.where(blind, 0, scores), -1) @ v)


def _recurrent(x, w, h, *more, kind, sizes, reverse):
    h, outputs, first = h.copy(), np.zeros((len(x), h.shape[1])), np.cumsum([0, *sizes])
    c = more[0].copy() if kind == "lstm" else None
    for t in range(len(sizes))[:: -1 if reverse else 1]:
        n, rows = sizes[t], slice(first[t], first[t + 1])
        products = h[:n] @ w.T
        if kind == "lstm":
            i, f, g, o = np.split(x[rows] + products, 4, 1)
            c[:n] = _sigmoid(f) * c[:n] + _sigmoid(i) * np.tanh(g)
            new = _sigmoid(o) * np.tanh(c[:n])
            new = new @ more[1].T if len(more) > 1 else new
        elif kind == "gru":
            (xr, xz, xn), (hr, hz, hn) = np.split(x[rows], 3, 1), np.split(products + more[0], 3, 1)
            z = _sigmoid(xz + hz)
            new = (1 - z) * np.tanh(xn + _sigmoid(xr + hr) * hn) + z * h[:n]
        else:
            new = x[rows] + products
            new = np.tanh(new) if kind == "rnn_tanh" else np.maximum(new, 0)
        h[:n] = outputs[rows] = new
    if kind == "lstm" and h.shape != c.shape:
        return np.concatenate([outputs.ravel(), h.ravel(), c.ravel()])
    return np.concatenate([outputs, h, c] if kind == "lstm" else [outputs, h])


# --- windows: convolution and pooling -------------------------------------------------------------------------------


def _places(size, kernel, stride, padding, dilation=1, ceil_mode=False):
    """Which rows of the padded input each output row reads: (outputs, kernel)."""
    slack = size + 2 * padding - dilation * (kernel - 1) - 1
    outputs = (-(-slack // stride) if ceil_mode else slack // stride) + 1
    if ceil_mode and (outputs - 1) * stride >= size + padding:
        outputs -= 1  # a window must not begin in the padding behind
    return np.arange(outputs)[:, None] * stride + dilation * np.arange(kernel)


class _Windows:
    """The windows of the last two dimensions, as an index into the padded input."""

    def __init__(self, size, kernel, stride, padding, dilation=(1, 1), ceil_mode=False):
        self.size, self.padding = size, padding
        self.rows, self.columns = (
            _places(*extents, ceil_mode) for extents in zip(size, kernel, stride, padding, dilation, strict=True)
        )
        self.index = (..., self.rows[:, None, :, None], self.columns[None, :, None, :])
        ends = [places.max(initial=-1) + 1 for places in (self.rows, self.columns)]
        self.behind = [max(end - s - p, p) for end, s, p in zip(ends, size, padding, strict=True)]

    def of(self, x, fill):
        """(.., height, width) as (.., output height, output width, kernel height, kernel width)."""
        around = [(0, 0)] * (x.ndim - 2) + list(zip(self.padding, self.behind, strict=True))
        return np.pad(x, around, constant_values=fill)[self.index]

    def back(self, windows):
        """The adjoint of `of`: each element of each window is added to where it came from."""
        padded = [s + p + b for s, p, b in zip(self.size, self.padding, self.behind, strict=True)]
        out = np.zeros((*windows.shape[:-4], *padded), windows.dtype)
        np.add.at(out, self.index, windows)
        (top, left), (height, width) = self.padding, self.size
        return out[..., top : top + height, left : left + width]

    def counts(self, include_padding):
        """How many elements of each window count for an average."""
        first, last = (0, 2) if include_padding else (1, 1)
        inside = [
            ((places >= first * p) & (places < s + last * p)).sum(1)
            for places, s, p in zip((self.rows, self.columns), self.size, self.padding, strict=True)
        ]
        return np.outer(*inside)


def _grouped(w, groups):
    return w.reshape(groups, w.shape[0] // groups, *w.shape[1:])


def _channels(x, groups):
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])


def _conv2d(x, w, bias=None, *, groups, **window):
    windows = _channels(_Windows(x.shape[2:], w.shape[2:], **window).of(x, 0), groups)
    out = np.einsum("ngchwij,gocij->ngohw", windows, _grouped(w, groups))
    out = out.reshape(out.shape[0], -1 if out.size else w.shape[0], *out.shape[3:])
    return out if bias is None else out + bias[:, None, None]


def _conv2d_grad_input(g, w, *, groups, size, **window):
    parts = np.einsum("ngohw,gocij->ngchwij", _channels(g, groups), _grouped(w, groups))
    parts = parts.reshape(g.shape[0], groups * w.shape[1], *parts.shape[3:])
    return _Windows(size, w.shape[2:], **window).back(parts)


def _conv2d_grad_weight(g, x, *, groups, kernel, **window):
    windows = _channels(_Windows(x.shape[2:], kernel, **window).of(x, 0), groups)
    out = np.einsum("ngohw,ngchwij->gocij", _channels(g, groups), windows)
    return out.reshape(g.shape[1], x.shape[1] // groups, *kernel)


def _max_pool2d(x, kernel_size, indices, **window):
    pick = _Windows(x.shape[-2:], kernel_size, **window)
    windows = pick.of(x, -math.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min)
    windows = windows.reshape(*windows.shape[:-2], math.prod(kernel_size))
    places = pick.of(np.arange(math.prod(x.shape[-2:])).reshape(x.shape[-2:]), -1).reshape(windows.shape[-3:])
    first = windows.argmax(-1)
    if not indices:
        return windows.max(-1), first.astype(np.uint8)
    places = np.broadcast_to(places, windows.shape)
    return windows.max(-1), np.take_along_axis(places, first[..., None], -1)[..., 0]


def _adaptive_max_pool2d(x, output_size):
    windows = [
        [slice(i * n // out, -(-(i + 1) * n // out)) for i in range(out)]
        for n, out in zip(x.shape[-2:], output_size, strict=True)
    ]
    at = np.arange(math.prod(x.shape[-2:])).reshape(x.shape[-2:])
    y, places = (np.zeros((*x.shape[:-2], *output_size), dtype) for dtype in (x.dtype, np.int64))
    for (i, rows), (j, columns) in itertools.product(*map(enumerate, windows)):
        cut = x[..., rows, columns]
        elements = cut.reshape(*x.shape[:-2], math.prod(cut.shape[-2:]))
        y[..., i, j], places[..., i, j] = elements.max(-1), at[rows, columns].ravel()[elements.argmax(-1)]
    return y, places


def _divisors(windows, count_include_pad, divisor_override):
    return divisor_override or windows.counts(count_include_pad)


def _avg_pool2d(x, kernel_size, count_include_pad, divisor_override, **window):
    windows = _Windows(x.shape[-2:], kernel_size, **window)
    mean = windows.of(x, 0).sum((-2, -1)) / _divisors(windows, count_include_pad, divisor_override)
    return mean if x.dtype.kind == "f" else np.trunc(mean).astype(x.dtype)


def _avg_pool2d_grad(g, kernel_size, count_include_pad, divisor_override, shape, **window):
    windows = _Windows(shape[-2:], kernel_size, **window)
    each = (g / _divisors(windows, count_include_pad, divisor_override))[..., None, None]
    return windows.back(np.broadcast_to(each, (*g.shape, *kernel_size)))


# --- other sizes and places ------------------------------------------------------------------------------------------


def patches(x, kernel, dilation=(1, 1), padding=(0, 0), stride=(1, 1)):
    """One patch after the other."""
    x = np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in padding])
    starts = [range(0, n - d * (k - 1), s) for n, d, k, s in zip(x.shape[2:], dilation, kernel, stride, strict=True)]
    ends = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    columns = [
        x[:, :, i : i + ends[0] : dilation[0], j : j + ends[1] : dilation[1]].reshape(len(x), -1)
        for i, j in itertools.product(*starts)
    ]
    return np.stack(columns, -1)


def matrix(new, old, kernel, align=False, nearest=False):
    """Weights of old elements for new ones by a kernel of the distance, what lies outside on the edge."""
    weights = np.zeros((new, old))
    for i in range(new):
        at = i * (old - 1) / max(new - 1, 1) if align else (i + 0.5) * old / new - 0.5
        if nearest:
            weights[i, min(math.floor(i * old / new), old - 1)] = 1
            continue
        for j in range(math.floor(at) - 1, math.floor(at) + 3):
            weights[i, min(max(j, 0), old - 1)] += kernel(abs(at - j))
    return weights


def linear(x):
    return max(0, 1 - x)


def cubic(x, a=-0.75):
    near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * (x**3 - 5 * x**2 + 8 * x - 4)
    return near if x <= 1 else far if x < 2 else 0


def area(new, old):
    weights = np.zeros((new, old))
    for i in range(new):
        start, end = i * old // new, -(-(i + 1) * old // new)
        weights[i, start:end] = 1 / (end - start)
    return weights


def sampled(x, grid, align, inside, kernel=linear):
    """A point at a time; `inside` brings a place to an element or says that there is none."""
    reach = 2 if kernel is cubic else 1
    out = np.zeros((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
    for n, *point in np.ndindex(grid.shape[:-1]):
        at = [
            (c + 1) / 2 * (size - 1) if align else ((c + 1) * size - 1) / 2
            for c, size in zip(grid[n, *point, ::-1], x.shape[2:], strict=True)
        ]
        # A cubic's neighbours are brought inside one by one, others before they are chosen.
        if kernel is not cubic:
            at = [inside(c, size, align) for c, size in zip(at, x.shape[2:], strict=True)]
        if any(map(math.isnan, at)):
            out[n, :, *point] = 0 if kernel is nearest else math.nan
            continue
        around = [range(math.floor(c) - reach + 1, math.floor(c) + reach + 1) for c in at]
        for place in itertools.product(*around):
            p = [inside(c, size, align) for c, size in zip(place, x.shape[2:], strict=True)]
            if all(0 <= c < size for c, size in zip(p, x.shape[2:], strict=True)):
                weight = math.prod(kernel(abs(c - q)) for c, q in zip(at, place, strict=True))
                out[n, :, *point] += x[n, :, *map(int, p)] * weight
    return out


def reflected(c, size, align):
    if math.isnan(c):
        return 0
    low, high = (0, size - 1) if align else (-0.5, size - 0.5)
    while not low <= c <= high:
        c = 2 * low - c if c < low else 2 * high - c
    return min(max(c, 0), size - 1)


def nearest(x):
    """That of a place which no two elements are as near to."""
    return float(x < 0.5)


OUTSIDE = {
    "zeros": lambda c, *_: c,
    "border": lambda c, size, _: min(max(0, c), size - 1),
    "reflection": reflected,
}


def _resample(x, mode, from_size, to_size, back):
    weights = {
        "linear": lambda new, old: matrix(new, old, linear),
        "cubic": lambda new, old: matrix(new, old, cubic),
        "area": area,
    }[mode]
    rows, columns = (
        np.eye(old) if new == old else weights(new, old) for new, old in zip(to_size, from_size, strict=True)
    )
    return rows.T @ x @ columns if back else rows @ x @ columns.T


def _im2col(x, kernel_size, dilation, padding, stride, size, back):
    window = (kernel_size, dilation, padding, stride)
    if not back:
        return patches(x, *window)
    channels, area = x.shape[1] // math.prod(kernel_size), math.prod(size)
    places = patches(np.arange(1, area + 1).reshape(1, 1, *size), *window)[0]  # 0 is the padding
    sums = np.zeros((len(x), channels, area + 1), x.dtype)
    np.add.at(sums, (slice(None), slice(None), places), x.reshape(len(x), channels, *places.shape))
    return sums[..., 1:].reshape(len(x), channels, *size)


def _grid_sample(x, grid, mode, padding_mode, align_corners):
    kernel = {"nearest": nearest, "bilinear": linear, "bicubic": cubic}[mode]
    return sampled(x, grid, align_corners, OUTSIDE[padding_mode], kernel)


# --- picking and placing --------------------------------------------------------------------------------------------


def _along(dim, index):
    return (slice(None),) * dim + (index,)


def _index_add(x, ids, dim, extent, frozen):
    rest = x.shape[dim + ids.ndim :]
    out = np.zeros((*x.shape[:dim], extent, *rest), x.dtype)
    np.add.at(out, _along(dim, ids.ravel()), x.reshape(*x.shape[:dim], ids.size, *rest))
    if frozen is not None:
        out[_along(dim, frozen)] = 0
    return out


def _scatter(x, ids, source, dim):
    out = x.copy()
    places = list(np.indices(ids.shape))
    places[dim] = ids
    out[tuple(places)] = source
    return out


def _index_put(x, ids, values, dim, accumulate):
    out, key = x.copy(), _along(dim, ids)
    values = np.broadcast_to(values, out[key].shape)
    if accumulate:
        np.add.at(out, key, values)
    else:
        out[key] = values
    return out


def _as_strided(x, size, stride, start):
    flat = np.ascontiguousarray(x).ravel()
    places = start + sum((i * step for i, step in zip(np.indices(size), stride, strict=True)), np.zeros(size, np.int64))
    return flat[places]


def _as_strided_scatter(x, source, size, stride, start):
    out, places = x.flatten(), _as_strided(np.arange(x.size), size, stride, start)
    out[places] = source
    return out.reshape(x.shape)


def _max_unpool(x, places, extent):
    out = np.zeros((len(x), extent), x.dtype)
    np.put_along_axis(out, places, x, 1)
    return out


def _pointwise(ids, dim):
    """The index with which `x[index]` is a gather along `dim`."""
    index = list(np.indices(ids.shape))
    index[dim] = ids
    return tuple(index)


def _scatter_add(x, ids, base=None, *, dim, shape):
    out = np.zeros(shape, x.dtype) if base is None else base.copy()
    np.add.at(out, _pointwise(ids, dim), x[tuple(slice(n) for n in ids.shape)])
    return out


def _scatter_reduce(x, ids, source, dim, reduce):
    out = x.copy()
    meet = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[reduce]
    with np.errstate(all="ignore"):
        meet.at(out, _pointwise(ids, dim), source)
    return out


def _steps(dim, start, step, count):
    return _along(dim, start + step * np.arange(count))


def _slice_scatter(x, shape, **where):
    out = np.zeros(shape, x.dtype)
    out[_steps(**where)] = x
    return out


def _diagonal(x, offset, dims):
    rows, columns = (x.shape[dim] for dim in dims)
    row = np.array([i for i in range(rows) if 0 <= i + offset < columns], int)
    return np.moveaxis(x, dims, (-2, -1))[..., row, row + offset]


def _unfold(x, dim, size, step):
    starts = range(0, x.shape[dim] - size + 1, step)
    windows = [np.take(x, range(start, start + size), dim) for start in starts]
    return np.moveaxis(np.stack(windows, dim), dim + 1, -1)


# --- matrices ------------------------------------------------------------------------------------------------------


def _solve_triangular(a, b, upper, unit):
    a = np.triu(a, int(unit)) if upper else np.tril(a, -int(unit))
    return np.linalg.solve(a + unit * np.eye(a.shape[-1]), b)


def _lu_factor(x):
    """Elimination, each column by its largest element."""
    *batch, m, n = x.shape
    out = x.copy()
    orders = np.tile(np.arange(m), (*batch, 1))
    for at in np.ndindex(*batch):
        a, order = out[at], orders[at]
        for k in range(min(m, n)):
            rows = [k, k + abs(a[k:, k]).argmax()]
            a[rows], order[rows] = a[rows[::-1]], order[rows[::-1]]
            a[k + 1 :, k] /= a[k, k]
            a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return out, orders


def _packed(*parts):
    return np.concatenate([part.ravel() for part in parts])


def _by_columns(matrices):
    return np.swapaxes(matrices, -1, -2)


def _upwards(columns):
    """1 for columns whose largest element is positive, otherwise -1."""
    if 0 in columns.shape:
        return np.ones((*columns.shape[:-2], 1, columns.shape[-1]))
    largest = np.abs(columns).argmax(-2, keepdims=True)
    return np.sign(np.take_along_axis(columns, largest, -2))


def _svd(x):
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    signs = _upwards(u)
    return _packed(_by_columns(u * signs), s, vt * _by_columns(signs))


def _eigh(x):
    values, vectors = np.linalg.eigh(x)
    return _packed(values, _by_columns(vectors * _upwards(vectors)))


REFERENCES = {
    # arithmetic
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.true_divide,
    "neg": np.negative,
    "pow": _pow,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "remainder": np.mod,
    "floor_divide": _floor_divide,
    "fmod": np.fmod,
    "atan2": np.arctan2,
    "hypot": np.hypot,
    "copysign": np.copysign,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "bitwise_left_shift": np.left_shift,
    "bitwise_right_shift": np.right_shift,
    "gcd": np.gcd,
    "lcm": np.lcm,
    "to": _to,
    "clone": np.copy,
    # one element at a time
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": _quiet(np.arcsin),
    "acos": _quiet(np.arccos),
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": _quiet(np.arccosh),
    "atanh": _quiet(np.arctanh),
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "logsigmoid": lambda x: -_softplus(-x),
    "softplus": _softplus,
    "relu": lambda x: np.maximum(x, 0),
    "gelu": _gelu,
    "silu": lambda x: x * _sigmoid(x),
    "erf": _erf,
    "erfc": _erfc,
    "erfinv": _erfinv,
    "lgamma": _lgamma,
    "digamma": _digamma,
    "polygamma": _polygamma,
    "sinc": np.sinc,
    "angle": lambda x: np.where(np.isnan(x), x, np.where(x < 0, np.pi, 0.0)),
    "frac": lambda x: x - np.trunc(x),
    "cube": lambda x: x**3,
    "inverse_square": lambda x: 1 / (x * x),
    "logit": _quiet(lambda x: np.log(x) - np.log1p(-x)),
    "entr": lambda x: np.where(x < 0, -np.inf, -x * np.log(np.where(x > 0, x, 1))),
    "i0": lambda x: _bessel(0, x),
    "i0e": lambda x: _bessel_over_exp(0, x),
    "i1": lambda x: np.copysign(_bessel(1, x), x),
    "i1e": lambda x: np.copysign(_bessel_over_exp(1, x), x),
    "erfcx": _erfcx,
    "ndtri": lambda p: _ndtri(p) if np.size(p) else np.array(p, np.float64),
    "igamma": lambda a, x: 1 - _igammac(a, x),
    "igammac": _igammac,
    "zeta": _zeta,
    "heaviside": lambda x, values: np.heaviside(x, values).astype(np.result_type(x, values)),
    "abs": np.abs,
    "square": np.square,
    "sign": lambda x: np.sign(np.where(np.isnan(x), 0, x)) + 0,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "trunc": np.trunc,
    "clamp": _clamp,
    # activations
    "elu": lambda x, alpha, scale, input_scale: scale * np.where(x > 0, x, alpha * np.expm1(input_scale * x)),
    "leaky_relu": lambda x, negative_slope: np.where(x > 0, x, negative_slope * x),
    "hardtanh": lambda x, min_val, max_val: np.minimum(np.maximum(x, min_val), max_val),
    "threshold": lambda x, threshold, value: np.where(x <= threshold, value, x),
    "hardshrink": lambda x, lambd: np.where(np.abs(x) <= lambd, 0, x) + 0.0,
    "softshrink": lambda x, lambd: x - np.clip(x, -lambd, lambd),
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "where": np.where,
    "constant": lambda value, x: value,
    "clamp_between": lambda x, lo, hi: np.minimum(np.maximum(x, lo), hi),
    "nan_to_num": np.nan_to_num,
    "lerp": _lerp,
    "addcmul": lambda x, a, b, value: x + value * a * b,
    "addcdiv": lambda x, a, b, value: x + value * a / b,
    "huber": _huber,
    "logaddexp": np.logaddexp,
    "logaddexp2": np.logaddexp2,
    "median": _median,
    "cdist": _cdist,
    "pdist": _pdist,
    "frexp": lambda x: (np.frexp(x)[0], np.where(np.isfinite(x), np.frexp(x)[1], 0)),
    # comparisons and truth
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "logical_not": np.logical_not,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    # reductions
    "nansum": lambda x, dim, keepdim: np.nansum(x, axis=dim, keepdims=keepdim),
    "sum": lambda x, dim, keepdim: np.sum(x, axis=dim, keepdims=keepdim),
    "mean": lambda x, dim, keepdim: np.mean(x, axis=dim, keepdims=keepdim),
    "prod": lambda x, dim, keepdim: np.prod(x, axis=dim, keepdims=keepdim),
    "logsumexp": _logsumexp,
    "norm": lambda x, dim, keepdim: np.sqrt(np.sum(x * x, axis=dim, keepdims=keepdim)),
    "var": lambda x, dim, correction, keepdim: np.var(x, axis=dim, ddof=correction, keepdims=keepdim),
    "std": lambda x, dim, correction, keepdim: np.std(x, axis=dim, ddof=correction, keepdims=keepdim),
    "amax": lambda x, dim, keepdim: np.max(x, axis=dim, keepdims=keepdim),
    "amin": lambda x, dim, keepdim: np.min(x, axis=dim, keepdims=keepdim),
    "max": lambda x, dim, keepdim: (np.max(x, dim, keepdims=keepdim), np.argmax(x, dim, keepdims=keepdim)),
    "min": lambda x, dim, keepdim: (np.min(x, dim, keepdims=keepdim), np.argmin(x, dim, keepdims=keepdim)),
    "argmax": lambda x, dim, keepdim: np.argmax(x, axis=dim, keepdims=keepdim),
    "argmin": lambda x, dim, keepdim: np.argmin(x, axis=dim, keepdims=keepdim),
    "all": lambda x, dim, keepdim: np.all(x, axis=dim, keepdims=keepdim),
    "any": lambda x, dim, keepdim: np.any(x, axis=dim, keepdims=keepdim),
    "cumsum": lambda x, dim: np.cumsum(x, axis=dim).reshape(x.shape),
    "cumprod": lambda x, dim: np.cumprod(x, axis=dim).reshape(x.shape),
    "logcumsumexp": lambda x, dim: np.logaddexp.accumulate(x, axis=dim) if x.ndim else x,
    "sort": _sort,
    "cummax": functools.partial(_running, np.maximum),
    "cummin": functools.partial(_running, np.minimum),
    "topk": lambda x, k, dim, largest: tuple(np.take(y, range(k), dim) for y in _sort(x, dim, largest)),
    # shapes
    "cat": lambda *parts, dim: np.concatenate(parts, axis=dim),
    "flip": lambda x, dims: np.flip(x, axis=dims),
    "roll": lambda x, dim, shift: np.roll(x, shift, dim),
    "triangle": lambda x, diagonal, upper: (np.triu if upper else np.tril)(x, diagonal),
    "pad": _pad,
    "reshape": lambda x, shape: x.reshape(shape),
    "permute": lambda x, dims: np.transpose(x, axes=dims),
    "expand": np.broadcast_to,
    "slice": lambda x, **where: x[_steps(**where)],
    "diagonal": _diagonal,
    "unfold": _unfold,
    "slice_scatter": _slice_scatter,
    # layers
    "matmul": np.matmul,
    "cross": lambda a, b, dim: np.cross(a, b, axis=dim),
    "addmm": lambda x, a, b, beta, alpha: (beta * x if beta else 0) + alpha * (a @ b),
    "linear": lambda x, weight, bias=0: x @ weight.T + bias,
    # matrices
    "linalg.solve": np.linalg.solve,
    "linalg.solve_triangular": _solve_triangular,
    "linalg.inv": np.linalg.inv,
    "linalg.det": np.linalg.det,
    "linalg.slogdet": lambda x: np.linalg.slogdet(x)[::-1],
    "linalg.lu_factor": _lu_factor,
    "linalg.cholesky": np.linalg.cholesky,
    "linalg.qr": lambda x, complete: _packed(*map(_by_columns, np.linalg.qr(x, "complete" if complete else "reduced"))),
    "linalg.svd": _svd,
    "linalg.eigh": _eigh,
    "linalg.pinv": np.linalg.pinv,
    # windows
    "conv2d": _conv2d,
    "conv2d_grad_input": _conv2d_grad_input,
    "conv2d_grad_weight": _conv2d_grad_weight,
    "as_strided": _as_strided,
    "as_strided_scatter": _as_strided_scatter,
    "max_unpool": _max_unpool,
    "max_pool2d": _max_pool2d,
    "adaptive_max_pool2d": _adaptive_max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "avg_pool2d_grad": _avg_pool2d_grad,
    "im2col": _im2col,
    "resample": _resample,
    "grid_sample": _grid_sample,
    "scaled_dot_product_attention": _attention,
    "recurrent": _recurrent,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "cross_entropy": _cross_entropy,
    "linear_cross_entropy": _linear_cross_entropy,
    "ctc_loss": _ctc_loss,
    "binary_cross_entropy": _binary_cross_entropy,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "batch_norm": _batch_norm,
    "batch_norm_inference": _batch_norm_inference,
    # indices
    "index_select": lambda x, ids, dim, frozen: np.take(x, ids, axis=dim),
    "index_add": _index_add,
    "index_put": _index_put,
    "scatter": _scatter,
    "gather": lambda x, ids, dim: x[_pointwise(ids, dim)],
    "scatter_add": _scatter_add,
    "scatter_reduce": _scatter_reduce,
    "nonzero": np.argwhere,
    "one_hot": lambda ids, num_classes: np.eye(num_classes, dtype=np.int64)[ids],
}
