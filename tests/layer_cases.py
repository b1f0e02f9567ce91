"""One example of every layer in `dlcore.nn`: how it is made, and what it is called with."""

import dlcore
import numpy as np
from dlcore import nn

__all__ = ["CASES", "LAYERS"]


def numbers(*shape):
    """The same numbers in every process, inside (0, 1): what losses take as probabilities too."""
    return dlcore.tensor(np.random.default_rng(0).uniform(0.05, 0.95, shape).astype(np.float32))


def _whole(*shape, below=4):
    return dlcore.tensor(np.random.default_rng(1).integers(0, below, shape))


_LINE, _IMAGE, _VOLUME = numbers(2, 4, 8), numbers(2, 4, 8, 8), numbers(2, 4, 4, 4, 4)
_ROWS, _LABELS, _SIGNS = numbers(6, 4), _whole(6), 2 * _whole(6, below=2) - 1
_BY_RANK = {"1d": _LINE, "2d": _IMAGE, "3d": _VOLUME}


def _of_rank(names, *args, **kwargs):
    """Cases of layers with one, two and three dimensions, called with what fits."""
    return {f"{name}{rank}": (args, kwargs, (x,)) for name in names for rank, x in _BY_RANK.items()}


CASES = {
    **_of_rank(["AvgPool", "MaxPool", "AdaptiveAvgPool", "AdaptiveMaxPool"], 2),
    **_of_rank(["CircularPad", "ReflectionPad", "ReplicationPad", "ZeroPad"], 1),
    **_of_rank(["BatchNorm"], 4),
    **_of_rank(["InstanceNorm"], 4, affine=True, track_running_stats=True),
    **_of_rank(["LazyBatchNorm", "LazyInstanceNorm", "Dropout"]),
    **_of_rank(["Conv", "ConvTranspose"], 4, 6, 3),
    **_of_rank(["LazyConv", "LazyConvTranspose"], 6, 3),
    **_of_rank(["ConstantPad"], 1, 0.5),
    **_of_rank(["LPPool"], 2, 2),
    "MaxUnpool1d": ((2,), {}, (numbers(1, 2, 3), dlcore.tensor([[[0, 2, 5], [1, 3, 4]]]))),
    "MaxUnpool2d": ((2,), {}, (numbers(1, 1, 1, 2), dlcore.tensor([[[[0, 3]]]]))),
    "MaxUnpool3d": ((2,), {}, (numbers(1, 1, 1, 1, 2), dlcore.tensor([[[[[0, 3]]]]]))),
    "FractionalMaxPool2d": ((2,), {"output_size": 3}, (_IMAGE,)),
    "FractionalMaxPool3d": ((2,), {"output_size": 2}, (_VOLUME,)),
    "Linear": ((4, 3), {}, (_ROWS,)),
    "LazyLinear": ((3,), {}, (_ROWS,)),
    "LoRALinear": ((4, 3), {"rank": 2, "dropout": 0.5}, (_ROWS,)),
    "Bilinear": ((4, 4, 3), {}, (_ROWS, _ROWS)),
    "RNN": ((8, 3), {"num_layers": 2, "dropout": 0.5}, (_LINE,)),
    "LSTM": ((8, 3), {"bidirectional": True, "proj_size": 2}, (_LINE,)),
    "GRU": ((8, 3), {"batch_first": True}, (_LINE,)),
    "RNNBase": (("GRU", 8, 3), {}, (_LINE,)),
    "RNNCell": ((4, 3), {}, (_ROWS,)),
    "LSTMCell": ((4, 3), {}, (_ROWS,)),
    "GRUCell": ((4, 3), {}, (_ROWS,)),
    "MultiheadAttention": ((8, 2), {"dropout": 0.5, "add_bias_kv": True}, (_LINE, _LINE, _LINE)),
    "TransformerEncoderLayer": ((8, 2, 16), {}, (_LINE,)),
    "TransformerDecoderLayer": ((8, 2, 16), {}, (_LINE, _LINE)),
    "TransformerEncoder": ((nn.TransformerEncoderLayer(8, 2, 16), 2), {}, (_LINE,)),
    "TransformerDecoder": ((nn.TransformerDecoderLayer(8, 2, 16), 2), {}, (_LINE, _LINE)),
    "Transformer": ((8, 2, 1, 1, 16), {}, (_LINE, _LINE)),
    "Embedding": ((4, 3), {"padding_idx": 0, "max_norm": 1.0}, (_whole(2, 5),)),
    "EmbeddingBag": ((4, 3), {"mode": "sum"}, (_whole(2, 5),)),
    "LayerNorm": ((8,), {}, (_LINE,)),
    "RMSNorm": ((8,), {}, (_LINE,)),
    "GroupNorm": ((2, 4), {}, (_IMAGE,)),
    "LocalResponseNorm": ((2,), {}, (_IMAGE,)),
    "CrossMapLRN2d": ((2,), {}, (_IMAGE,)),
    "Normalization": ((0.5, 0.1), {}, (_ROWS,)),
    "Rescaling": ((0.5,), {}, (_ROWS,)),
    "Threshold": ((0.5, 0.0), {}, (_ROWS,)),
    "Softmax": ((-1,), {}, (_ROWS,)),
    "LogSoftmax": ((-1,), {}, (_ROWS,)),
    "Softmin": ((-1,), {}, (_ROWS,)),
    "Softmax2d": ((), {}, (_IMAGE,)),
    "Flatten": ((), {}, (_IMAGE,)),
    "Unflatten": ((1, (2, 2)), {}, (_LINE,)),
    "ChannelShuffle": ((2,), {}, (_IMAGE,)),
    "PixelShuffle": ((2,), {}, (_IMAGE,)),
    "PixelUnshuffle": ((2,), {}, (_IMAGE,)),
    "Fold": (((4, 4), 2), {}, (numbers(2, 8, 9),)),
    "Unfold": ((2,), {}, (_IMAGE,)),
    "Upsample": ((), {"scale_factor": 2, "mode": "bilinear"}, (_IMAGE,)),
    "UpsamplingBilinear2d": ((), {"scale_factor": 2}, (_IMAGE,)),
    "UpsamplingNearest2d": ((), {"scale_factor": 2}, (_IMAGE,)),
    "AlphaDropout": ((), {}, (_ROWS,)),
    "FeatureAlphaDropout": ((), {}, (_IMAGE,)),
    "DropPath": ((0.5,), {}, (_ROWS,)),
    "GaussianNoise": ((0.5,), {}, (_ROWS,)),
    "PatchEmbed": ((8, 4, 4, 6), {}, (_IMAGE,)),
    "BottleneckBlock": ((4, 2), {}, (_IMAGE,)),
    "ResidualBlock": ((4, 2), {"stride": 2}, (_IMAGE,)),
    "DepthwiseSeparableConv2d": ((4, 6, 3), {}, (_IMAGE,)),
    "SqueezeExcite": ((4, 2), {}, (_IMAGE,)),
    "GlobalAvgPool": ((), {}, (_IMAGE,)),
    "GlobalMaxPool": ((), {}, (_IMAGE,)),
    "ALiBi": ((2,), {}, (5,)),
    "RotaryEmbedding": ((8,), {}, (_LINE,)),
    "SinusoidalPositionalEncoding": ((8,), {"dropout": 0.5}, (_LINE,)),
    "GatedFeedForward": ((4,), {}, (_ROWS,)),
    "SwiGLU": ((4,), {}, (_ROWS,)),
    "GEGLU": ((4,), {"dropout": 0.5}, (_ROWS,)),
    "TimeDistributed": ((nn.Linear(8, 3),), {}, (_LINE,)),
    "Bidirectional": ((nn.GRU(8, 3),), {}, (_LINE,)),
    "DataParallel": ((nn.Linear(4, 3),), {}, (_ROWS,)),
    "Sequential": ((nn.Linear(4, 3), nn.Dropout()), {}, (_ROWS,)),
    "AdaptiveLogSoftmaxWithLoss": ((4, 12, [2, 6]), {}, (_ROWS, _whole(6, below=12))),
    "LinearCrossEntropyLoss": ((4, 5), {}, (_ROWS, _LABELS)),
    "CosineSimilarity": ((), {}, (_ROWS, _ROWS)),
    "PairwiseDistance": ((), {}, (_ROWS, 1 - _ROWS)),
    **{f"{name}Loss": ((), {}, (_ROWS, _LABELS)) for name in ("CrossEntropy", "NLL", "MultiMargin", "Focal")},
    **{f"{name}Loss": ((), {}, (_ROWS, _LABELS)) for name in ("GeneralizedCrossEntropy", "CategoricalHinge")},
    **{f"{name}Loss": ((), {}, (_ROWS, _LABELS)) for name in ("SupCon", "Circle")},
    **{
        f"{name}Loss": ((), {}, (_ROWS, 1 - _ROWS))
        for name in ("MSE", "L1", "SmoothL1", "Huber", "KLDiv", "BCE", "BCEWithLogits", "PoissonNLL", "LogCosh")
    },
    **{f"{name}Loss": ((), {}, (_ROWS, 1 - _ROWS)) for name in ("MAPE", "MSLE", "NTXent", "InfoNCE", "SquaredHinge")},
    **{f"{name}Loss": ((), {}, (_ROWS, (_ROWS > 0.5).float())) for name in ("Dice", "Tversky", "BinaryFocal")},
    "GaussianNLLLoss": ((), {}, (_ROWS, 1 - _ROWS, _ROWS)),
    "CosineEmbeddingLoss": ((), {}, (_ROWS, 1 - _ROWS, _SIGNS)),
    "MarginRankingLoss": ((), {}, (_ROWS[:, 0], _ROWS[:, 1], _SIGNS)),
    "HingeEmbeddingLoss": ((), {}, (_ROWS[:, 0], _SIGNS)),
    "SoftMarginLoss": ((), {}, (_ROWS[:, 0], _SIGNS)),
    "MultiLabelMarginLoss": ((), {}, (_ROWS, dlcore.tensor([[1, 2, -1, 0]] * 6))),
    "MultiLabelSoftMarginLoss": ((), {}, (_ROWS, (_ROWS > 0.5).float())),
    "TripletMarginLoss": ((), {}, (_ROWS, 1 - _ROWS, _ROWS * 0.5)),
    "TripletMarginWithDistanceLoss": ((), {}, (_ROWS, 1 - _ROWS, _ROWS * 0.5)),
    "CTCLoss": (
        (),
        {},
        (numbers(5, 2, 4).log(), dlcore.tensor([[1, 2], [3, 1]]), dlcore.tensor([5, 5]), dlcore.tensor([2, 2])),
    ),
}
"""By the name of the class: arguments, keyword arguments, and what the layer is called with."""

LAYERS = {
    name: found for name in nn.__all__ if isinstance(found := getattr(nn, name), type) and issubclass(found, nn.Module)
}
"""All modules of `dlcore.nn`; those without a case take any input, or are not called."""
