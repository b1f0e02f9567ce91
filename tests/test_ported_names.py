"""Names that programs written for PyTorch import, also where they have nothing to do here."""

import copy
import math
import pickle
from collections import OrderedDict

import dlcore
import dlcore.backends.cudnn as cudnn
import numpy as np
import pytest
from dlcore import models, nn
from dlcore.autograd import Variable
from dlcore.nn.parameter import Parameter


def test_switches_may_be_set_in_a_module_of_their_own():
    assert cudnn is dlcore.backends.cudnn
    cudnn.benchmark = True
    assert dlcore.backends.cudnn.benchmark
    cudnn.benchmark = False
    assert (cudnn.is_available(), cudnn.version(), cudnn.deterministic) == (False, None, True)
    dlcore.use_deterministic_algorithms(False, warn_only=True)
    assert dlcore.are_deterministic_algorithms_enabled() is True


def test_modules_take_memory_formats_and_stay_what_they_are():
    formats = [dlcore.contiguous_format, dlcore.preserve_format, dlcore.channels_last, dlcore.channels_last_3d]
    assert len(set(formats)) == 4
    layer = nn.Conv2d(1, 2, 3)
    weight = layer.weight
    for each in formats:
        assert isinstance(each, dlcore.memory_format)
        assert copy.deepcopy(each) is pickle.loads(pickle.dumps(each)) is each
        assert layer.to(memory_format=each).weight is weight
    assert repr(dlcore.channels_last) == "dlcore.channels_last"


def test_a_size_is_a_shape():
    size, shape = dlcore.Size((2, 3)), dlcore.zeros(2, 3).shape
    assert size == shape
    assert hash(size) == hash(shape)
    assert isinstance(shape, dlcore.Size)
    assert isinstance(size, tuple)
    assert not isinstance([2, 3], dlcore.Size)
    assert size.numel() == 6
    assert dlcore.Size().numel() == 1
    assert dlcore.zeros(size).shape == size
    assert pickle.loads(pickle.dumps(size)) == size


def test_a_variable_is_a_tensor():
    data = dlcore.ones(2)
    x = Variable(data, requires_grad=True)
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    assert isinstance(data, Variable)
    assert not isinstance(1, Variable)
    assert Variable(x).requires_grad is False
    data.zero_()
    assert x.tolist() == [0.0, 0.0]


def test_names_are_where_pytorch_has_them():
    assert Parameter is nn.Parameter is nn.parameter.Parameter
    assert list(models.mobilenet_v2(5).state_dict()) == list(models.MobileNetV2(5).state_dict())


def test_names_of_older_programs():
    from dlcore.optim.lr_scheduler import _LRScheduler
    from dlcore.utils.data.dataloader import DataLoader, default_collate
    from dlcore.utils.data.dataset import Dataset, Subset
    from dlcore.utils.data.sampler import SubsetRandomSampler

    assert (DataLoader, default_collate) == (dlcore.data.DataLoader, dlcore.data.default_collate)
    assert (Dataset, Subset) == (dlcore.utils.data.Dataset, dlcore.data.Subset)
    assert SubsetRandomSampler is dlcore.utils.data.sampler.SubsetRandomSampler
    assert issubclass(dlcore.optim.lr_scheduler.StepLR, _LRScheduler)
    assert dlcore.concat([dlcore.ones(1), dlcore.zeros(1)], dim=0).tolist() == [1.0, 0.0]
    assert dlcore.concatenate is dlcore.concat is dlcore.cat
    assert dlcore.cuda.memory_allocated() == dlcore.cuda.max_memory_allocated("cuda:0") == 0
    dlcore.cuda.reset_peak_memory_stats()
    assert (dlcore.pi, dlcore.e, dlcore.inf, dlcore.newaxis) == (math.pi, math.e, math.inf, None)
    assert math.isnan(dlcore.nan)


def test_what_is_asked_of_a_tensor_has_its_answer():
    x = dlcore.ones(2, 3)
    assert not any([x.is_cuda, x.is_mps, x.is_sparse, x.is_quantized, x.is_pinned()])
    assert (x.get_device(), x.nelement(), x.ndimension()) == (-1, 6, 2)
    assert x.pin_memory() is x.share_memory_() is x
    assert nn.Parameter(x).is_cuda is False
    assert (x.is_cpu, x.is_meta, x.itemsize, x.double().itemsize) == (True, False, 4, 8)
    assert (x.is_signed(), x.byte().is_signed(), x.char().is_signed(), x.bool().is_signed()) == (
        True,
        False,
        True,
        False,
    )
    assert (x.is_same_size(x.t()), x.is_same_size(x + 1), x[0, :1].is_nonzero()) == (False, True, True)
    assert (dlcore.get_default_device(), dlcore.get_num_interop_threads()) == (x.device, 1)
    dlcore.set_default_device("cpu")
    with pytest.raises(RuntimeError, match="computes on the CPU"):
        dlcore.set_default_device("cuda")


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (7, 3), (4, 1), (0, 3), (3, 3, 3)])
@pytest.mark.parametrize("wrap", [False, True])
def test_diagonals_are_filled_as_numpys(shape, wrap):
    array, x = np.zeros(shape), dlcore.zeros(*shape, dtype=dlcore.float64)
    np.fill_diagonal(array, 2.5, wrap=wrap)
    assert x.fill_diagonal_(2.5, wrap=wrap) is x
    np.testing.assert_array_equal(x.numpy(), array)
    if len(shape) == 2:
        source = dlcore.ones(shape, requires_grad=True)
        (source * 3).fill_diagonal_(1.0, wrap).sum().backward()
        np.testing.assert_array_equal(source.grad.numpy(), np.where(array == 0, 3.0, 0.0))


def test_diagonals_of_what_is_no_cube_are_refused():
    for shape in ((3,), (2, 2, 3)):
        with pytest.raises(dlcore.ShapeError, match="extents that are all equal"):
            dlcore.zeros(shape).fill_diagonal_(1)


def test_arrays_become_tensors_that_share_their_memory_where_they_can():
    array = np.zeros(3, dtype=np.float32)
    dlcore.asarray(array)[0] = 1
    assert array[0] == 1
    dlcore.asarray(array, copy=True)[1] = 1
    assert array[1] == 0
    assert dlcore.asarray([1, 2], dtype=dlcore.float64, requires_grad=True).requires_grad
    x = dlcore.ones(2, requires_grad=True)
    assert dlcore.asarray(x).requires_grad
    assert not dlcore.asarray(x, requires_grad=False).requires_grad
    assert not dlcore.asarray(x * 2, requires_grad=True).is_leaf
    with pytest.raises(ValueError, match="copy=False"):
        dlcore.asarray([1, 2], copy=False)
    assert (dlcore.scalar_tensor(3).dtype, dlcore.scalar_tensor(3, dtype=dlcore.int64).item()) == (dlcore.float32, 3)


def test_numbers_drawn_aside_leave_no_trace():
    dlcore.random.manual_seed(3)
    expected = dlcore.rand(4).tolist()
    dlcore.random.manual_seed(3)
    with dlcore.random.fork_rng(devices=[]):
        aside = dlcore.rand(4).tolist()
    assert aside == dlcore.rand(4).tolist() == expected
    with dlcore.random.fork_rng(enabled=False):
        drawn = dlcore.rand(4).tolist()
    assert drawn not in (expected, dlcore.rand(4).tolist())


def test_prefixes_of_names_are_taken_away():
    state = {"module.a": 1, "b": 2, "module.c": 3}
    nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    assert state == {"a": 1, "b": 2, "c": 3}


def test_what_counts_operations_asks_of_layers():
    layers = [nn.Conv2d(2, 4, 3), nn.ConvTranspose2d(2, 4, 3, 2, output_padding=1)]
    assert [(layer.transposed, layer.output_padding) for layer in layers] == [(False, (0, 0)), (True, (1, 1))]
    assert nn.Upsample(scale_factor=(2, 3)).scale_factor == (2.0, 3.0)
    fans = [nn.init._calculate_correct_fan(layers[0].weight, mode) for mode in ("fan_in", "FAN_OUT")]
    assert fans == [18, 36]
    assert isinstance(layers[0].state_dict(), OrderedDict)


def test_lists_show_what_repeats_once():
    shown = repr(
        nn.ModuleList([nn.Linear(1, 2), nn.Linear(1, 2), nn.ReLU(), nn.Sequential(nn.ReLU()), nn.Sequential()])
    )
    assert shown.split("\n") == [
        "ModuleList(",
        "  (0-1): 2 x Linear(in_features=1, out_features=2, bias=True)",
        "  (2): ReLU()",
        "  (3): Sequential(",
        "    (0): ReLU()",
        "  )",
        "  (4): Sequential()",
        ")",
    ]
    assert repr(nn.ModuleList()) == "ModuleList()"
    assert repr(nn.ParameterList([dlcore.ones(2, 3), 1])).split("\n") == [
        "ParameterList(",
        "    (0): Parameter containing: [dlcore.float32 of size 2x3]",
        "    (1): Object of type: int",
        ")",
    ]
    assert repr(nn.Conv2d(2, 2, 3, padding="valid", dilation=2, groups=2, bias=False, padding_mode="reflect")) == (
        "Conv2d(2, 2, kernel_size=(3, 3), stride=(1, 1), padding=valid, dilation=(2, 2), groups=2, bias=False, "
        "padding_mode=reflect)"
    )
    assert "padding=(1,), dilation=(3,), output_padding=(2,))" in repr(nn.ConvTranspose1d(1, 1, 2, 3, 1, 2, dilation=3))
    groups = [{"params": [dlcore.ones(1, requires_grad=True)], "lr": rate} for rate in (1.0, 2.0)]
    shown = repr(dlcore.optim.SGD(groups)).split("\n")
    assert shown[:3] == ["SGD (", "Parameter Group 0", "    dampening: 0"]
    assert shown[10:13] == ["    weight_decay: 0", "", "Parameter Group 1"]
    assert repr(nn.LayerNorm(4, bias=False)) == "LayerNorm((4,), eps=1e-05, elementwise_affine=True, bias=False)"
    assert repr(nn.GroupNorm(2, 4)) == "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)"
    assert repr(nn.Parameter(dlcore.ones(1))) == "Parameter containing:\ntensor([1.], requires_grad=True)"


def test_mixed_precision_for_other_devices_changes_nothing():
    from dlcore.cuda.amp import GradScaler, autocast

    scaler = GradScaler()
    with autocast(), autocast(True, dtype=dlcore.float16), autocast(enabled=False):
        assert not dlcore.is_autocast_enabled("cpu")
        loss = scaler.scale((dlcore.ones(2, 2) @ dlcore.ones(2, 2)).sum())
    assert (loss.item(), loss.dtype) == (8.0, dlcore.float32)

    @autocast()
    def forward(x):
        return x @ x

    assert forward(dlcore.ones(2, 2)).dtype == dlcore.float32


def test_hints_to_a_compiler_change_nothing():
    jit = dlcore.jit

    @jit.script
    def double(x):
        return x * 2 if jit.is_scripting() or jit.is_tracing() else x + x

    class Net(nn.Module):
        @jit.export
        def forward(self, x):
            return self.helper(x)

        @jit.unused
        def other(self):
            return 1

        @jit.ignore(drop=True)
        def helper(self, x):
            return double(jit.annotate(dlcore.Tensor, x))

        @jit.ignore
        def plain(self):
            return 2

    model = Net()
    assert jit.script(model) is jit.trace(model, (dlcore.ones(1),)) is model
    assert (model(dlcore.ones(1)).item(), model.other(), model.plain()) == (2.0, 1, 2)


def test_there_is_one_process():
    import dlcore.distributed as dist
    from dlcore.distributed import destroy_process_group, init_process_group
    from dlcore.nn.parallel import DistributedDataParallel
    from dlcore.utils.data.distributed import DistributedSampler

    assert not dist.is_available()
    assert not dist.is_initialized()
    for call in (init_process_group, destroy_process_group, dist.get_rank, dist.all_reduce):
        with pytest.raises(RuntimeError, match=f"{call.__name__}: dlcore trains in one process"):
            call()
    with pytest.raises(RuntimeError, match="one process"):
        DistributedDataParallel(nn.Linear(1, 1), device_ids=[0])
    assert DistributedSampler is dlcore.data.DistributedSampler


def test_parameters_have_attributes_of_their_own():
    layer = nn.Linear(2, 2)
    layer.weight._no_weight_decay = True
    plain = [name for name, weight in layer.named_parameters() if not getattr(weight, "_no_weight_decay", False)]
    assert plain == ["bias"]
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert dlcore.equal(other.weight, layer.weight)
        assert isinstance(other.weight, Parameter)


def test_tensors_are_read_backwards():
    assert [x.tolist() for x in reversed(dlcore.arange(4).reshape(2, 2))] == [[2, 3], [0, 1]]
    assert list(map(float, reversed(dlcore.arange(3.0)))) == [2.0, 1.0, 0.0]


def test_the_diagonal_of_no_columns_is_filled():
    assert dlcore.zeros(3, 0).fill_diagonal_(1.0, wrap=True).shape == (3, 0)


def test_functions_of_layers_at_the_top_take_pytorchs_arguments_there():
    F = nn.functional
    x, table = dlcore.arange(12.0).reshape(2, 3, 2), dlcore.arange(6.0).reshape(3, 2).requires_grad_()
    weight, bias, mean, var = dlcore.full((3,), 2.0), dlcore.ones(3), dlcore.zeros(3), dlcore.ones(3)
    expected = F.batch_norm(x, mean.clone(), var.clone(), weight, bias, True, 0.3, 1e-3)
    assert dlcore.batch_norm(x, weight, bias, mean, var, True, 0.3, 1e-3, True).equal(expected)
    np.testing.assert_allclose(mean.numpy(), 0.3 * x.mean((0, 2)).numpy(), rtol=1e-6)
    expected = F.instance_norm(x, weight=weight, bias=bias, eps=1e-3)
    assert dlcore.instance_norm(x, weight, bias, None, None, True, 0.1, 1e-3, True).equal(expected)
    rows = dlcore.embedding(table, dlcore.tensor([0, 2, 2]), 0)
    assert rows.tolist() == [[0.0, 1.0], [4.0, 5.0], [4.0, 5.0]]
    rows.sum().backward()
    assert table.grad.tolist() == [[0.0, 0.0], [0.0, 0.0], [2.0, 2.0]]
    assert dlcore.embedding(table, dlcore.tensor([2]), scale_grad_by_freq=True).requires_grad
    for name in ("dropout", "alpha_dropout", "feature_alpha_dropout"):
        function, at_the_top = getattr(F, name), getattr(dlcore, name)
        dlcore.manual_seed(3)
        expected = function(x, 0.5, True)
        dlcore.manual_seed(3)
        assert at_the_top(x, 0.5, train=True).equal(expected)
        assert at_the_top(x, 0.5, False).equal(x)
    assert dlcore.constant_pad_nd(x, (1, 2), 3.0).equal(F.pad(x, (1, 2), value=3.0))
    assert dlcore.selu_ is F.selu_
    assert dlcore.pdist is F.pdist
    assert not hasattr(dlcore, "margin_ranking_loss")


def test_channels_are_dropped_as_a_whole():
    x = dlcore.feature_dropout(dlcore.ones(16, 8, 3, 2), 0.5, True)
    of_channels = x.flatten(2)
    assert of_channels.eq(of_channels[..., :1]).all()
    assert x.unique().tolist() == [0.0, 2.0]
    assert dlcore.feature_dropout(x, 0.5, False).equal(x)
    with pytest.raises(dlcore.ShapeError, match=r"\(N, C, \.\.\.\)"):
        dlcore.feature_dropout(dlcore.ones(3), 0.5, True)


def test_tensors_tell_whether_they_share_memory():
    x = dlcore.arange(6).reshape(2, 3)
    storage = x.untyped_storage()
    assert storage == x[1, 1:].untyped_storage() == x.t().untyped_storage()
    assert len({storage, x.t().untyped_storage(), x.clone().untyped_storage()}) == 2
    assert storage.data_ptr() == x[1].untyped_storage().data_ptr() == x.data_ptr() != x[1].data_ptr()
    assert (x.is_set_to(x.view(2, 3)), x.is_set_to(x.t()), x.is_set_to(x.clone()), x.is_shared()) == (
        True,
        False,
        False,
        False,
    )
    piece = x.narrow_copy(1, 1, 2)
    assert piece.tolist() == [[1, 2], [4, 5]]
    assert piece.untyped_storage() != storage
    assert x.clone().resize_as_(dlcore.ones(2, 1)).tolist() == [[0], [1]]


def test_tensors_are_made_by_their_strides():
    x = dlcore.empty_strided((2, 3), (1, 4), dtype=dlcore.int16, requires_grad=False)
    assert (x.shape, x.stride(), x.dtype) == ((2, 3), (1, 4), dlcore.int16)
    assert dlcore.empty_strided((0, 3), (9, 9)).shape == (0, 3)
    assert dlcore.empty_strided((), (), requires_grad=True).is_leaf
    for size, stride in (((2, 2), (3,)), ((2,), (-1,))):
        with pytest.raises(ValueError, match="a stride of at least 0 for each"):
            dlcore.empty_strided(size, stride)


@pytest.mark.parametrize(
    ("size", "fill", "expected"), [(2, -1, [[0, 0], [1, 0]]), (4, 7, [[0, 0], [1, 0], [1, 1], [7, 7]]), (0, -1, [])]
)
def test_places_of_what_is_not_zero_in_a_given_number(size, fill, expected):
    x = dlcore.tensor([[1, 0], [1, 1]])
    assert x.nonzero_static(size=size, fill_value=fill).tolist() == expected
    assert dlcore.nonzero_static(dlcore.tensor(1), size=2).shape == (2, 0)
    with pytest.raises(ValueError, match="at least 0, got -1"):
        x.nonzero_static(size=-1)


def test_what_is_asked_of_devices_and_compilers_has_its_answer():
    import dlcore.multiprocessing as mp
    from dlcore.cpu.amp import autocast
    from dlcore.utils.dlpack import from_dlpack, to_dlpack

    assert (dlcore.accelerator.is_available(), dlcore.accelerator.current_accelerator()) == (False, None)
    assert not any([dlcore.xpu.is_available(), dlcore.compiler.is_compiling(), dlcore.set_flush_denormal(True)])
    assert (dlcore.version.__version__, dlcore.version.cuda) == (dlcore.__version__, None)
    assert dlcore.compiler.disable(len) is dlcore.compiler.disable(recursive=False)(len) is len
    assert mp.get_context("spawn").get_start_method() == "spawn"
    x = dlcore.ones(2, 2)
    with autocast():
        assert (x @ x).dtype == dlcore.bfloat16
    with autocast(enabled=False):
        assert (x @ x).dtype == dlcore.float32
    from_dlpack(to_dlpack(x))[0, 0] = 5
    assert x[0, 0] == dlcore.from_dlpack(dlcore.to_dlpack(x))[0, 0] == 5
    assert dlcore.utils.dlpack.to_dlpack is dlcore.to_dlpack
    assert (dlcore.get_device(x), dlcore.is_signed(x), dlcore.is_same_size(x, x.t())) == (-1, True, True)
    assert [part.shape for part in dlcore.unsafe_split(x, 1)] == [part.shape for part in dlcore.unsafe_chunk(x, 2)]
