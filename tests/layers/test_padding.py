"""The content of an RNN's padding changes no bit: layers, directions, dropout, gates and final states."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gatelab import RNN
from gatelab.compiler import program
from gatelab.compiler.scannable import scan_order
from gatelab.language import load_variant

NAN, INF = float("nan"), float("inf")
GARBAGE = (NAN, INF, -INF, 3e38)
LENGTHS = torch.tensor([3, 0, 5, 1, 4])
VARIANTS = ("lstm", "gru_v3", "min_gru", "layer_norm_gru", "mlstm", "peephole")


def padded(lengths: Tensor) -> Tensor:
    return (torch.arange(5)[:, None] >= lengths)[..., None]


def paths_of(name: str) -> list[str]:
    variant = load_variant(name)
    if variant.foreign is not None:
        return ["loop"]
    found = ["loop", "native"]
    return found if scan_order(program(variant)) is None else [*found, "scan"]


def rnn_of(name: str, path: str, **options) -> RNN:
    torch.manual_seed(3)
    return RNN(name, 4, 4, 3, dropout=0.4, path=path, **options)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


def states_of(rnn: RNN) -> list[dict[str, Tensor]]:
    return [
        {name: drawn(5, size).mul(0.3).abs().requires_grad_() for name, size in layer.state_sizes().items()}
        for layer in rnn.layers
    ]


def wave(value: Tensor) -> Tensor:
    return torch.arange(value.numel()).view_as(value).cos()


def assert_no_bit_moves(everything: Callable[[float], dict[str, Tensor]]) -> dict[str, Tensor]:
    law = everything(0.7)
    assert not any(bool(value.isnan().any()) for value in law.values())
    for garbage in GARBAGE:
        found = everything(garbage)
        assert found.keys() == law.keys()
        for name, value in found.items():
            assert value.detach().numpy().tobytes() == law[name].detach().numpy().tobytes(), f"{garbage}: {name}"
    return law


def run_of(name: str, path: str, *, bidirectional: bool, masked: bool) -> Callable[[float], dict[str, Tensor]]:
    """Return what gives all that a run gives, its gradients too, with garbage in x, masks and arriving gradients."""

    def everything(garbage: float) -> dict[str, Tensor]:
        rnn = rnn_of(name, path, bidirectional=bidirectional)
        x = drawn(5, 5, 4).masked_fill(padded(LENGTHS), garbage).requires_grad_()
        states, masks = states_of(rnn), None
        if masked:
            kept = (drawn(2, 5, 5, rnn.output_size) > -0.5).float() * 1.5
            masks = list(kept.masked_fill(padded(LENGTHS), garbage))
        torch.manual_seed(11)  # of the dropout that is drawn inside
        record = [gate for gate in ("i", "f") if gate in rnn.variant.equations or rnn.variant.foreign]
        output, finals, records = rnn.run(x, states, LENGTHS, masks, record)
        seen = {"output": output}
        seen |= {f"gate {place} {key}": value for place, one in enumerate(records) for key, value in one.items()}
        arriving = [wave(value).masked_fill(padded(LENGTHS), garbage) for value in seen.values()]
        ends = {f"final {place} {key}": value for place, one in enumerate(finals) for key, value in one.items()}
        torch.autograd.backward([*seen.values(), *ends.values()], [*arriving, *map(wave, ends.values())])
        leaves = {"x": x, **dict(rnn.named_parameters())}
        leaves |= {f"state {place} {key}": value for place, one in enumerate(states) for key, value in one.items()}
        return seen | ends | {f"gradient {key}": leaf.grad for key, leaf in leaves.items() if leaf.grad is not None}

    return everything


@pytest.mark.parametrize("masked", [False, True], ids=["drawn", "masks"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("name", VARIANTS)
def test_layers_directions_dropout_gates_and_states(name, bidirectional, masked):
    for path in paths_of(name):
        law = assert_no_bit_moves(run_of(name, path, bidirectional=bidirectional, masked=masked))
        ended = padded(LENGTHS).expand(5, 5, 1).squeeze(-1)
        for key, value in law.items():
            if key in ("output", "gradient x") or key.startswith("gate"):
                assert not bool(value[ended].any()), f"{path}: {key}"
            elif key.startswith("final"):
                _, place, state = key.split()
                # a sequence without a step keeps the state it was given
                assert torch.equal(
                    value[1], states_of(rnn_of(name, path, bidirectional=bidirectional))[int(place)][state][1]
                )


@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("name", VARIANTS)
def test_a_packed_sequence_has_the_bits_of_padding_full_of_garbage(name, in_order):
    lengths = torch.tensor([5, 4, 3, 1, 1]) if in_order else torch.tensor([3, 1, 5, 1, 4])
    for path in paths_of(name):

        def everything(garbage: float | None, path=path) -> dict[str, Tensor]:
            rnn = rnn_of(name, path, bidirectional=True)
            x = drawn(5, 5, 4).masked_fill(padded(lengths), 0.7 if garbage is None else garbage).requires_grad_()
            torch.manual_seed(11)
            if garbage is None:
                packed, state = rnn(pack_padded_sequence(x, lengths, enforce_sorted=in_order))
                output, _ = pad_packed_sequence(packed)
            else:
                output, state = rnn(x, lengths=lengths)
            finals = state if isinstance(state, tuple) else (state,)
            torch.autograd.backward([output, *finals], [wave(output), *map(wave, finals)])
            leaves = {"x": x, **dict(rnn.named_parameters())}
            gradients = {f"gradient {key}": leaf.grad for key, leaf in leaves.items() if leaf.grad is not None}
            return {"output": output, **{f"final {i}": value for i, value in enumerate(finals)}, **gradients}

        law = assert_no_bit_moves(everything)
        for key, value in everything(None).items():
            assert torch.equal(value, law[key]), f"{path}: {key}"
