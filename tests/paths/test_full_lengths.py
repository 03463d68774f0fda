"""Lengths that fill the time axis give the bits that no lengths give, on every path: outputs, states and gradients."""

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from gatelab import RNN
from gatelab.compiler import parameter_shapes
from gatelab.language import load_variant, variant_files
from gatelab.layers.foreign import layer_of
from tests.conformance.sizes import fitting
from tests.paths.both_paths import paths_of

CHOSEN = ("lstm", "gru", "gru_v3", "min_gru", "rg_lru", "layer_norm_gru", "mlstm", "sru", "peephole")


def gradients(name: str, path: str, lengths: torch.Tensor | None) -> list[torch.Tensor]:
    variant = load_variant(name)
    inputs, hidden = fitting(variant, 3, 5)
    generator = torch.Generator().manual_seed(3)
    layer = layer_of(variant, inputs, hidden, path=path)
    for parameter, shape in parameter_shapes(variant, inputs, hidden).items():
        setattr(layer, parameter, torch.nn.Parameter(torch.randn((2, *shape), generator=generator).mul(0.5)))
    x = torch.randn((2, 6, 3, inputs), generator=generator).requires_grad_()
    output, finals, _ = layer(x, None, lengths)
    seen = [output, *finals.values()]
    sum((value * torch.arange(value.numel()).view_as(value).cos()).sum() for value in seen).backward()
    return [*(value.detach() for value in seen), x.grad, *(p.grad for p in layer.parameters() if p.grad is not None)]


def differing(name: str) -> list[str]:
    """Return the paths on which lengths that say nothing change a bit."""
    full = torch.full((2, 3), 6)
    return [
        path
        for path in paths_of(load_variant(name))
        if [value.numpy().tobytes() for value in gradients(name, path, None)]
        != [value.numpy().tobytes() for value in gradients(name, path, full)]
    ]


@pytest.mark.parametrize("name", CHOSEN)
def test_shipped_variants(name):
    assert differing(name) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(variant_files()) - set(CHOSEN)))
def test_the_whole_catalogue(name):
    assert differing(name) == []


def traced(rnn: RNN, x: torch.Tensor, lengths: torch.Tensor) -> dict:
    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = rnn

        def forward(self, x, lengths):
            return self.rnn(x, lengths=lengths)[0]

    run = Whole()
    return {
        "make_fx": lambda: make_fx(run)(x, lengths),
        "jit": lambda: torch.jit.trace(run, (x, lengths), check_trace=False),
        "export": lambda: torch.export.export(run, (x, lengths)).module(),
        "vmap": lambda: lambda x, lengths: torch.vmap(run)(x[None], lengths[None])[0],
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("variant", ["gru", "min_gru", "mlstm"])
@pytest.mark.parametrize("way", ["make_fx", "jit", "export", "vmap"])
def test_what_is_recorded_with_full_lengths_holds_for_other_lengths(way, variant):
    for path in ["loop", *paths_of(load_variant(variant))[2:]]:
        rnn = RNN(variant, 3, 4, path=path)
        x = torch.randn(6, 2, 3)
        with torch.no_grad():
            recorded = traced(rnn, x, torch.tensor([6, 6]))[way]()
            found = recorded(x, torch.tensor([2, 5]))
            torch.testing.assert_close(found, rnn(x, lengths=torch.tensor([2, 5]))[0])
            assert not found[2:, 0].any()
