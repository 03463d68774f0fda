"""Calls that find weights where they lay: the numbers of the ordinary call, or the ordinary call."""

import copy
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gatelab import RNN
from gatelab.errors import UserError
from gatelab.layers import repeating
from gatelab.paths.native.repeated import RepeatedCall

VARIANTS = ("lstm", "peephole", "gru", "min_gru", "slstm", "layer_norm_lstm")


@pytest.fixture
def repeats(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect what each call made in this way returned."""
    found: list[Any] = []
    run = RepeatedCall.run

    def seen(self: RepeatedCall, *arguments: Any) -> Any:
        found.append(run(self, *arguments))
        return found[-1]

    monkeypatch.setattr(RepeatedCall, "run", seen)
    return found


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def values(found: Any) -> list[Tensor]:
    """Return output and states as a flat list."""
    output, state = found
    return [output, *(state if isinstance(state, tuple) else (state,))]


def ordinary(rnn: RNN, *arguments: Any, **options: Any) -> list[Tensor]:
    """Return what a copy computes that has never been called."""
    return values(copy.deepcopy(rnn)(*arguments, **options))


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert torch.equal(one, other)


@pytest.mark.parametrize("variant", VARIANTS)
def test_bits_of_the_ordinary_call(variant: str, repeats: list[Any]) -> None:
    rnn = RNN(variant, 5, 7)
    for steps, batch in ((4, 3), (4, 3), (1, 1), (40, 2)):
        x = torch.randn(steps, batch, 5)
        found = rnn(x)
        assert_same(values(found), ordinary(rnn, x))
        assert_same(values(rnn(x, found[1])), ordinary(rnn, x, found[1]))
        lengths = [steps, *[max(steps - 1, 0)] * (batch - 1)]
        assert_same(values(rnn(x, lengths=lengths)), ordinary(rnn, x, lengths=lengths))
    assert sum(one is not None for one in repeats) == 11


def test_inputs_in_other_forms(repeats: list[Any]) -> None:
    rnn = RNN("lstm", 5, 7, batch_first=True)
    x = torch.randn(3, 4, 5)
    rnn(x)
    assert_same(values(rnn(x)), ordinary(rnn, x))
    assert_same(values(rnn(x[0])), ordinary(rnn, x[0]))
    assert_same(values(rnn(x[:, ::2])), ordinary(rnn, x[:, ::2]))
    assert len(repeats) == 3
    assert None not in repeats


def test_layers_and_directions(repeats: list[Any]) -> None:
    rnn = RNN("gru", 5, 7, num_layers=2, bidirectional=True)
    x = torch.randn(4, 3, 5)
    rnn(x)
    assert_same(values(rnn(x)), ordinary(rnn, x))
    assert len(repeats) == 4


def test_double_precision_and_threads(repeats: list[Any]) -> None:
    rnn = RNN("lstm", 5, 7, dtype=torch.float64)
    x = torch.randn(4, 3, 5, dtype=torch.float64)
    first = values(rnn(x))
    assert_same(values(rnn(x)), first)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    second = values(rnn(x))
    torch.set_num_threads(threads)
    assert_same(second, first)
    assert len(repeats) == 2


def test_results_do_not_share_memory(repeats: list[Any]) -> None:
    rnn = RNN("lstm", 5, 8)
    x = torch.randn(4, 1, 5)
    rnn(x)
    output, (h, c) = rnn(x)
    kept = [output.clone(), h.clone(), c.clone()]
    rnn(torch.randn(4, 1, 5))
    assert_same([output, h, c], kept)
    h.zero_()
    assert torch.equal(output, kept[0])
    assert len(repeats) == 2


CHANGES: dict[str, Callable[[nn.Parameter], object]] = {
    "in place": lambda weight: weight.mul_(2),
    "other memory": lambda weight: setattr(weight, "data", torch.randn(7, 7)),
    "transposed": lambda weight: setattr(weight, "data", weight.data.T),
    "negative view": lambda weight: setattr(weight, "data", torch._neg_view(weight.data)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_change(change: str, repeats: list[Any]) -> None:
    rnn = RNN("lstm", 5, 7)
    x = torch.randn(4, 3, 5)
    before = values(rnn(x))
    weight = next(weight for weight in rnn.layers[0].parameters() if weight.shape == (7, 7))
    CHANGES[change](weight)
    found = values(rnn(x))
    loop = RNN("lstm", 5, 7, path="loop")
    loop.load_state_dict({name: value.clone() for name, value in rnn.state_dict().items()})
    assert not torch.equal(found[0], before[0])
    torch.testing.assert_close(found[0], values(loop(x))[0], rtol=0, atol=1e-6)
    assert len(repeats) == (change == "in place")


def test_another_parameter_and_a_parametrised_one(repeats: list[Any]) -> None:
    class Doubled(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return 2 * weight

    rnn = RNN("lstm", 5, 7)
    x = torch.randn(4, 3, 5)
    rnn(x)
    layer = rnn.layers[0]
    name = next(name for name, weight in layer.named_parameters() if weight.shape == (7, 7))
    setattr(layer, name, nn.Parameter(torch.randn(7, 7)))
    assert_same(values(rnn(x)), ordinary(rnn, x))
    parametrize.register_parametrization(layer, name, Doubled())
    assert_same(values(rnn(x)), ordinary(rnn, x))
    assert not repeats


def test_other_circumstances(repeats: list[Any]) -> None:
    rnn = RNN("lstm", 5, 7)
    x = torch.randn(4, 3, 5)
    rnn(x)
    assert set(rnn.gates(x)) == {"i", "f", "o"}
    torch.func.vmap(rnn)(torch.randn(2, 4, 3, 5))
    rnn.layers[0].path = "loop"
    torch.testing.assert_close(rnn(x)[0], ordinary(rnn, x)[0], rtol=0, atol=0)
    assert not repeats


def test_hooks_are_called(repeats: list[Any]) -> None:
    rnn = RNN("lstm", 5, 7)
    x, seen = torch.randn(4, 3, 5), []
    rnn(x)
    rnn.layers[0].register_forward_hook(lambda *_: seen.append(1))
    rnn(x)
    assert seen == [1]
    assert len(repeats) == 1


def test_copies_and_files_know_nothing_of_it() -> None:
    rnn = RNN("lstm", 5, 7)
    x = torch.randn(4, 3, 5)
    expected = values(rnn(x))
    held = io.BytesIO()
    torch.save(rnn, held)
    held.seek(0)
    assert_same(values(torch.load(held, weights_only=False)(x)), expected)
    assert_same(values(copy.deepcopy(rnn)(x)), expected)
    count = len(repeating._known)
    del rnn
    assert len(repeating._known) == count - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(4, 3, 6),), "input of shape"),
        ((torch.zeros(4, 3, 5, dtype=torch.float64),), "input is float64, the weights are float32"),
        ((torch.zeros(4, 3, 5), (torch.zeros(1, 3, 6), torch.zeros(1, 3, 7))), "state h of shapes"),
        ((torch.zeros(4, 3, 5), (torch.zeros(1, 3, 7).double(), torch.zeros(1, 3, 7))), "state h is float64"),
    ],
)
def test_what_is_wrong_is_said_as_before(arguments: Any, message: str) -> None:
    rnn = RNN("lstm", 5, 7)
    rnn(torch.randn(4, 3, 5))
    with pytest.raises(UserError, match=message):
        rnn(*arguments)


def test_nothing_to_run() -> None:
    rnn = RNN("lstm", 5, 7)
    rnn(torch.randn(4, 3, 5))
    output, (h, _) = rnn(torch.zeros(0, 3, 5))
    assert output.shape == (0, 3, 7)
    assert torch.equal(h, torch.zeros(1, 3, 7))


def gradients_of(rnn: RNN, x: Tensor, *arguments: Any, **options: Any) -> list[Tensor]:
    """Return what a call gives, and the gradients of inputs and weights."""
    x = x.clone().requires_grad_()
    found = values(rnn(x, *arguments, **options))
    total = torch.stack([(one * torch.linspace(-1, 1, one.numel()).view(one.shape)).sum() for one in found]).sum()
    return [*found, *torch.autograd.grad(total, [x, *rnn.parameters()])]


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_have_the_bits_of_those_of_the_ordinary_call(variant: str, repeats: list[Any]) -> None:
    rnn = RNN(variant, 5, 7)
    with torch.enable_grad():
        gradients_of(rnn, torch.randn(2, 2, 5))
        for steps, batch in ((4, 3), (1, 1), (40, 2)):
            x = torch.randn(steps, batch, 5)
            with torch.no_grad():
                _, state = rnn(x)
            for arguments, options in (((), {}), ((state,), {}), ((), {"lengths": [steps] + [0] * (batch - 1)})):
                expected = gradients_of(copy.deepcopy(rnn), x, *arguments, **options)
                assert_same(gradients_of(rnn, x, *arguments, **options), expected)
    assert len(repeats) == 12
    assert None not in repeats


@torch.enable_grad()
def test_steps_of_an_optimiser_are_those_of_ordinary_calls(repeats: list[Any]) -> None:
    rnn = RNN("gru", 5, 7)
    own = {name: weight.detach().clone() for name, weight in rnn.named_parameters()}
    x = torch.randn(4, 3, 5)
    optimizer = torch.optim.SGD(rnn.parameters(), 0.1)
    for _ in range(3):
        fresh = RNN("gru", 5, 7)
        fresh.load_state_dict(own)
        fresh(x)[0].square().sum().backward()
        optimizer.zero_grad()
        rnn(x)[0].square().sum().backward()
        optimizer.step()
        for name, weight in fresh.named_parameters():
            own[name].add_(weight.grad, alpha=-0.1)
    assert_same([*rnn.parameters()], [*own.values()])
    assert len(repeats) == 2


@torch.enable_grad()
def test_a_weight_that_was_changed_before_its_gradient_is_noticed() -> None:
    rnn = RNN("lstm", 5, 7)
    x = torch.randn(4, 3, 5)
    rnn(x)
    output, _ = rnn(x)
    with torch.no_grad():
        next(rnn.parameters()).add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


@torch.enable_grad()
def test_what_trains_in_part_or_recomputes(repeats: list[Any]) -> None:
    rnn = RNN("lstm", 5, 7).requires_grad_(False)
    x = torch.randn(4, 3, 5)
    rnn(x)
    assert not rnn(x)[0].requires_grad
    first = next(rnn.parameters()).requires_grad_()
    (found,) = torch.autograd.grad(rnn(x)[0].sum(), [first])
    expected = copy.deepcopy(rnn)
    assert_same([found], [*torch.autograd.grad(expected(x)[0].sum(), [next(expected.parameters())])])
    assert len(repeats) == 2
    again = RNN("lstm", 5, 7, recompute=2)
    assert again(x)[0].requires_grad
    again(x)[0].sum().backward()
    assert len(repeats) == 2
