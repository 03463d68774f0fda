"""Inputs of a recurrence are checked: nothing reads foreign memory, and errors name the tensor."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils.rnn import pack_padded_sequence

from gatelab import RNN
from gatelab.errors import UserError
from gatelab.layers.layer import Layer
from tests.conformance.closeness import assert_close

DOUBLE = torch.float64
PATHS = ("auto", "loop", "native")  # those that run what is tested here


def rnn_of(variant="lstm", path="auto", dtype=torch.float32, **options) -> RNN:
    torch.manual_seed(0)
    return RNN(variant, 3, 4, path=path, dtype=dtype, **options)


def states_of(dtype=torch.float32) -> tuple[Tensor, Tensor]:
    return torch.ones(1, 2, 4, dtype=dtype), torch.ones(1, 2, 4, dtype=dtype)


X = torch.linspace(-1, 1, 5 * 2 * 3).view(5, 2, 3)
H, C = states_of()

# name: (inputs, state, line)
DISAGREEING = {
    "a double state": (X, (H, C.double()), "state c is float64, the weights are float32: must be float32 too"),
    "a half state": (X, (H.bfloat16(), C), "state h is bfloat16, the weights are float32: must be float32 too"),
    "whole numbers as state": (X, (H, C.long()), "state c is int64, the weights are float32: must be float32 too"),
    "a state elsewhere": (X, (H.to("meta"), C), "state h is on meta, the weights are on cpu: must be on cpu too"),
    "double inputs": (X.double(), None, "input is float64, the weights are float32: must be float32 too"),
    "whole numbers": (X.long(), None, "input is int64, the weights are float32: must be float32 too"),
    "truth values": (X > 0, None, "input is bool, the weights are float32: must be float32 too"),
    "complex inputs": (X.to(torch.complex64), None, "input is complex64, the weights are float32: must be float32"),
    "inputs elsewhere": (X.to("meta"), (H, C), "input is on meta, the weights are on cpu: must be on cpu too"),
    "sparse inputs": (X.to_sparse(), None, "input has the layout sparse_coo: must be dense, as to_dense"),
    "a sparse state": (X, (H, C.to_sparse()), "state c has the layout sparse_coo: must be dense"),
    "no tensor": (X.numpy(), None, "input is a ndarray: must be a tensor or a PackedSequence"),
    "a state that is no tensor": (X, (H, C.numpy()), "state c is a ndarray: must be a tensor, or a list of tensors"),
    "a state that is None": (X, (H, None), "state c is a NoneType: must be a tensor, or a list of tensors"),
    "a state that is a list of numbers": (X, (H, [0.0]), "state c is a float: must be a tensor, or a list of tensors"),
    "a state that is a number": (X, (H, torch.tensor(0.0)), "state c of shape (): must be one tensor for each"),
    "packed, a double state": (
        pack_padded_sequence(X, torch.tensor([5, 2])), (H, C.double()), "state c is float64, the weights are float32",
    ),
    "packed doubles": (pack_padded_sequence(X.double(), torch.tensor([5, 2])), None, "input is float64"),
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", DISAGREEING)
def test_tensors_that_do_not_belong_together_are_named_on_every_path(case, path):
    inputs, state, line = DISAGREEING[case]
    with pytest.raises(UserError) as raised:
        rnn_of(path=path)(inputs, state)
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("variant", ["gru", "mlstm", "layer_norm_gru"])
def test_a_state_of_another_dtype_is_refused_whatever_runs(variant):
    rnn = rnn_of(variant)
    _, state = rnn(X)
    wrong = state.double() if isinstance(state, Tensor) else tuple(part.double() for part in state)
    with pytest.raises(UserError, match="is float64, the weights are float32"):
        rnn(X, wrong)


def test_a_single_precision_state_in_a_double_network_is_refused():
    with pytest.raises(UserError, match="state h is float32, the weights are float64: must be float64 too"):
        rnn_of(dtype=DOUBLE)(X.double(), (H, C.double()))


def test_one_weight_of_another_dtype_is_named():
    rnn = rnn_of()
    rnn.layers[0].f_bias = nn.Parameter(torch.zeros(4, dtype=DOUBLE))
    with pytest.raises(UserError, match="weight f_bias is float64, the weights are float32"):
        rnn(X)


@pytest.mark.parametrize("path", PATHS)
def test_a_weight_of_another_shape_is_named(path):
    rnn = rnn_of(path=path)
    rnn.layers[0].f_bias = nn.Parameter(torch.zeros(1))  # which would be repeated
    with pytest.raises(UserError, match=r"weight f_bias of shape \(1,\): must be \(4,\)"):
        rnn(X)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_runs_on_the_loop_where_everything_agrees(dtype):
    rnn = rnn_of().to(dtype)
    output, (h, c) = rnn(X.to(dtype), states_of(dtype))
    assert {output.dtype, h.dtype, c.dtype} == {dtype}
    expected, _ = rnn_of()(X, (H, C))
    assert (output.float() - expected).abs().max() < 0.02
    with pytest.raises(UserError, match="path=native cannot run: it knows float32 and float64"):
        rnn_of(path="native").to(dtype)(X.to(dtype))


@pytest.mark.filterwarnings("ignore:Complex modules are a new feature")
def test_weights_that_are_no_floating_point_numbers_are_refused():
    with pytest.raises(UserError, match="the weights are complex64: must be one of float16, bfloat16,"):
        rnn_of().to(torch.complex64)(X.to(torch.complex64))


def test_everything_on_meta_gives_shapes():
    rnn = RNN("lstm", 3, 4, 2, device="meta")
    output, (h, _) = rnn(torch.empty(5, 2, 3, device="meta"))
    assert output.is_meta and output.shape == (5, 2, 4) and h.shape == (2, 2, 4)
    with torch.device("meta"):
        assert RNN("gru", 3, 4)(torch.empty(5, 2, 3))[0].is_meta
    assert rnn_of().to("meta")(X.to("meta"))[0].shape == (5, 2, 4)


# ---- ways in which the same numbers can lie in memory


def as_read_only(values: Tensor) -> Tensor:
    array = values.numpy().copy()
    tensor = torch.from_numpy(array)
    array.flags.writeable = False
    return tensor


def overlapping(values: Tensor) -> Tensor:
    """Return values whose sequences share memory, if they are alike."""
    return values[:, :1].expand(values.shape)


def negated_later(values: Tensor) -> Tensor:
    return torch.complex(torch.zeros_like(values), -values).conj().imag


def in_inference_mode(values: Tensor) -> Tensor:
    with torch.inference_mode():
        return values.clone()


FORMS = {
    "strided": lambda values: values.mT.contiguous().mT,
    "every second": lambda values: values.repeat_interleave(2, -1)[..., ::2],
    "at an odd place": lambda values: torch.cat([values.new_zeros(1), values.flatten()])[1:].view(values.shape),
    "negated later": negated_later,
    "read only": as_read_only,
    "made in inference mode": in_inference_mode,
    "expanded": lambda values: overlapping(values) if bool((values == overlapping(values)).all()) else values.clone(),
    "a parameter": nn.Parameter,
    "a buffer": nn.Buffer,
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_a_tensor_in_memory_does_not_matter(form, path):
    rnn = rnn_of("lstm", path)
    alike = X[:, :1].repeat(1, 2, 1)
    with torch.no_grad():
        expected, final = rnn(alike, (H, C))
        output, other = rnn(FORMS[form](alike), (FORMS[form](H), FORMS[form](C)))
    for one, two in ((output, expected), *zip(other, final, strict=True)):
        assert_close(one, two)


def test_weights_may_be_views_and_pending_negations():
    rnn = rnn_of("gru", "native", DOUBLE)
    expected, _ = rnn(X.double())
    layer = rnn.layers[0]
    for name, weight in dict(layer.named_parameters()).items():
        delattr(layer, name)
        setattr(layer, name, negated_later(weight.detach()))
    assert_close(rnn(X.double())[0], expected.detach())


def test_numbers_that_have_been_given_back_are_told_of():
    for path in PATHS:
        x = X.clone()
        x.untyped_storage().resize_(16)
        with pytest.raises(UserError, match=r"input of shape \(5, 2, 3\) has a storage of 16 bytes|input is no dense"):
            rnn_of(path=path)(x)
    rnn = rnn_of()
    rnn.layers[0].get_parameter("f_bias").untyped_storage().resize_(0)
    with pytest.raises(UserError, match=r"weight f_bias of shape \(4,\) has a storage of 0 bytes"):
        rnn(X)


class Marked(Tensor):
    """A subclass that changes nothing but its name."""


def test_a_subclass_goes_through_pytorchs_own_operations():
    marked = X.as_subclass(Marked)
    output, _ = rnn_of()(marked)
    assert type(output) is Marked
    assert_close(output.as_subclass(Tensor), rnn_of()(X)[0])
    with pytest.raises(UserError, match="input is no dense tensor of PyTorch's own"):
        rnn_of(path="native")(marked)


def test_a_nested_tensor_is_refused():
    nested = torch.nested.nested_tensor([torch.zeros(5, 2, 3)], layout=torch.jagged)
    with pytest.raises(UserError, match=r"input is a nested tensor: must|input has the layout jagged"):
        rnn_of()(nested)


# ---- what direct callers of a layer may get wrong


def test_a_layer_names_states_that_are_missing_and_those_of_wrong_shape():
    layer = Layer(rnn_of().variant, 3, 4)
    with pytest.raises(UserError, match="states h: must be h, c"):
        layer(X, {"h": H[0]})
    with pytest.raises(UserError, match=r"state c of shape \(1, 4\): must be \(2, 4\)"):
        layer(X, {"h": H[0], "c": C[0, :1]})
    with pytest.raises(UserError, match=r"input of shape \(2, 3\): must be \(time, batch, 3\)"):
        layer(X[0])


@pytest.mark.parametrize("variant, known", [("lstm", "i, f"), ("mlstm", "i, f, o")])
def test_an_unknown_name_in_record_is_refused(variant, known):
    with pytest.raises(UserError, match=r"record=\['q'\]: must be a list of names among"):
        rnn_of(variant).run(X, record=["q"])
    with pytest.raises(UserError, match="record='f': must be a list of names among"):
        rnn_of(variant).run(X, record="f")


def test_masks_are_counted_and_measured():
    rnn = rnn_of(num_layers=2)
    with pytest.raises(UserError, match="2 masks: must be 1, one for each layer but the last"):
        rnn.run(X, masks=[torch.ones(5, 2, 4)] * 2)
    with pytest.raises(UserError, match=r"mask of torch.float32, shape \(2, 4\): must be torch.float32, \(5, 2, 4\)"):
        rnn.run(X, masks=[torch.ones(2, 4)])
    with pytest.raises(UserError, match=r"mask of torch.float64, shape \(5, 2, 4\): must be torch.float32"):
        rnn.run(X, masks=[torch.ones(5, 2, 4, dtype=DOUBLE)])


# ---- lengths

LENGTHS = {
    "a list": [5, 2],
    "a tuple": (5, 2),
    "a range": range(5, 1, -3),
    "numpy": np.array([5, 2]),
    "read only": np.broadcast_to(np.int8(5), (2,)) - np.array([0, 3], np.int8),
    "numpy numbers": [np.int64(5), np.uint8(2)],
    "numbers in tensors": [torch.tensor(5), torch.tensor(2)],
    **{
        str(dtype): torch.tensor([5, 2]).to(dtype)
        for dtype in (torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.uint64)
    },
}


@pytest.mark.parametrize("form", LENGTHS)
def test_lengths_may_be_whole_numbers_of_any_kind(form):
    rnn = rnn_of(bidirectional=True)
    expected, _ = rnn(X, lengths=torch.tensor([5, 2]))
    assert torch.equal(rnn(X, lengths=LENGTHS[form])[0], expected)
    output, _, _ = rnn.run(X, lengths=LENGTHS[form])
    assert torch.equal(output, expected)


WRONG_LENGTHS = {
    "floats": ([5.0, 2.0], r"lengths=\[5.0, 2.0\]: must be whole numbers, one for each sequence"),
    "truth": ([True, 2], r"lengths=\[True, 2\]: must be whole numbers"),
    "text": (["5", "2"], r"lengths=\['5', '2'\]: must be whole numbers"),
    "none": ([None, 2], r"lengths=\[None, 2\]: must be whole numbers"),
    "nan": ([float("nan"), 2], r"lengths=\[nan, 2\]: must be whole numbers"),
    "huge": ([2**70, 2], r"lengths=\[\d+, 2\]: must be whole numbers"),
    "one": (5, r"lengths of shape \(\): must be \(2,\), one for each sequence"),
    "three": ([5, 2, 1], r"lengths of shape \(3,\): must be \(2,\), one for each sequence"),
    "rows": ([[5, 2]], r"lengths=\[\[5, 2\]\]: must be whole numbers"),
    "negative": ([5, -1], "lengths from -1 to 5: must be from 0 to 5 steps"),
    "too long": (np.array([6, 1]), "lengths from 1 to 6: must be from 0 to 5 steps"),
    "array of floats": (np.array([5.0, 2.0]), "lengths of float64: must be whole numbers, of an int type"),
    "tensor of floats": (torch.tensor([5.0, 2.0]), "lengths of float32: must be whole numbers, of an int type"),
    "tensor of truth": (torch.tensor([True, False]), "lengths of bool: must be whole numbers, of an int type"),
    "array of truth": (np.array([True, False]), "lengths of bool: must be whole numbers, of an int type"),
    "sparse": (torch.tensor([5, 2]).to_sparse(), "lengths are a sparse or nested tensor: must be dense"),
    "on meta": (torch.tensor([5, 2]).to("meta"), "lengths are on meta, the input is on cpu: must have values"),
}


@pytest.mark.parametrize("form", WRONG_LENGTHS)
def test_other_lengths_are_refused_in_one_line(form):
    lengths, line = WRONG_LENGTHS[form]
    with pytest.raises(UserError, match=line) as raised:
        rnn_of()(X, lengths=lengths)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("path", PATHS)
def test_lengths_that_are_negated_later_are_the_negated_numbers(path):
    later = torch._neg_view(torch.tensor([-3, -5]))
    assert torch.equal(rnn_of(path=path)(X, lengths=later)[0], rnn_of(path=path)(X, lengths=[3, 5])[0])
    layer = rnn_of(path=path).layers[0]
    assert torch.equal(layer(X, None, later)[0], layer(X, None, torch.tensor([3, 5]))[0])
    with pytest.raises(UserError, match="lengths from 3 to 6: must be from 0 to 5 steps"):
        rnn_of(path=path)(X, lengths=torch._neg_view(torch.tensor([-3, -6])))


@pytest.mark.parametrize("path", PATHS)
def test_lengths_without_memory_are_not_read(path):
    with FakeTensorMode():
        fake = torch.tensor([3, 5])
    with pytest.raises(AssertionError, match="convert all Tensors to FakeTensors"):  # PyTorch's own words
        rnn_of(path=path)(X, lengths=fake)
    gone = torch.tensor([3, 5])
    gone.untyped_storage().resize_(0)
    with pytest.raises(UserError, match=r"lengths of shape \(2,\) has a storage of 0 bytes"):
        rnn_of(path=path)(X, lengths=gone)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_quantised_inputs_are_refused():
    with pytest.raises(UserError, match="input is quantised: must be plain numbers, as dequantize"):
        rnn_of()(torch.quantize_per_tensor(X, 0.1, 0, torch.qint8))


# ---- gradients that arrive


def gradients(path: str, arriving) -> list[Tensor]:
    """Return the gradients of inputs and weights, given what makes the gradient that arrives at the output."""
    rnn = rnn_of("gru", path, DOUBLE)
    x = X.double().requires_grad_()
    output, _ = rnn(x)
    output.backward(arriving(output.detach()))
    return [leaf.grad for leaf in (x, *rnn.parameters()) if leaf.grad is not None]


ARRIVING = {
    "expanded": lambda output: torch.ones((), dtype=DOUBLE).expand(output.shape),
    "turned": lambda output: output.transpose(0, 1).contiguous().transpose(0, 1),
    "every second": lambda output: output.repeat_interleave(2, -1)[..., ::2],
    "negated later": negated_later,
    "no memory behind its zeros": lambda output: torch._efficientzerotensor(output.shape, dtype=DOUBLE),
}


@pytest.mark.parametrize("form", ARRIVING)
def test_the_form_of_a_gradient_that_arrives_does_not_matter(form):
    for ours, law in zip(gradients("native", ARRIVING[form]), gradients("loop", ARRIVING[form]), strict=True):
        assert_close(ours, law)


# ---- what changes between the forward pass and the backward pass


@pytest.mark.parametrize("changed", ["input", "state", "weight"])
def test_what_is_changed_in_place_before_the_way_back_is_noticed(changed):
    rnn = rnn_of("gru", "native")
    x, state = X.clone().requires_grad_(), torch.ones(1, 2, 4).requires_grad_()
    output, _ = rnn(inputs := x * 1, initial := state * 1)
    with torch.no_grad():
        {"input": inputs, "state": initial, "weight": next(rnn.parameters())}[changed].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


def test_weights_whose_data_is_another_memory_are_read_there():
    """As PyTorch's own operations do: the backward pass sees the new numbers; and never memory that is gone."""
    rnn = rnn_of("gru", "native", DOUBLE)
    output, _ = rnn(X.double())
    for weight in rnn.parameters():
        weight.data = weight.data.clone()
    output.square().sum().backward()
    found = [weight.grad for weight in rnn.parameters()]
    for weight in rnn.parameters():
        weight.grad = None
    rnn(X.double())[0].square().sum().backward()
    for one, other in zip(found, rnn.parameters(), strict=True):
        assert_close(one, other.grad)


def test_weights_whose_data_has_another_shape_are_refused_on_the_way_back():
    rnn = rnn_of("gru", "native")
    output, _ = rnn(X)
    bias = rnn.layers[0].get_parameter("n_bias")
    bias.data = torch.zeros(1)
    with pytest.raises((UserError, RuntimeError), match="shape"):
        output.sum().backward()


def test_two_ways_back_have_the_same_bits_and_none_needs_all_results():
    rnn = rnn_of("lstm", "native")
    output, (h, c) = rnn(X, (H, C))
    weights = list(rnn.parameters())
    for result in (output, h, c):
        first = torch.autograd.grad(result.square().sum(), weights, retain_graph=True)
        second = torch.autograd.grad(result.square().sum(), weights, retain_graph=True)
        assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))
