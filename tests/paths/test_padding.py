"""Values after the end of a sequence change no bit of outputs, states, gates and gradients, on any path."""

import pytest
import torch
from torch import Tensor

from gatelab.compiler import parameter_shapes
from gatelab.language import Variant, load_variant, variant_files
from gatelab.layers.foreign import layer_of
from gatelab.paths.native import memory_pool
from tests.conformance.sizes import fitting
from tests.paths.both_paths import paths_of

NAN, INF = float("nan"), float("inf")
GARBAGE = (NAN, INF, -INF, 3e38, 0.0)
LENGTHS = torch.tensor([3, 0, 5, 1, 4])

# singular at 0, at 1, in x, in the old state, or where a state has come to rest; lengths of three kinds of slot
SINGULAR = {
    "1/x": {"h": "tanh(linear(1/x, h))"},
    "log x": {"h": "tanh(linear(x, h) + linear(log(abs(x))))"},
    "sqrt x": {"h": "tanh(linear(sqrt(abs(x)), h))"},
    "1/(x - 1)": {"h": "tanh(linear(1/(x - 1), h))"},
    "log of a state": {"s": "0.5 + sigmoid(linear(x, h))", "h": "log(abs(s) + abs(h))"},
    "a state at rest": {"h": "tanh(linear(x) + sqrt(s))", "s": "s - step(s)"},
    "a scan of roots": {"h": "sigmoid(linear(x))*h + linear(sqrt(abs(x)))"},
    "a scan that grows": {"h": "1e6*sigmoid(linear(x))*h + linear(x)"},
    "two products in a row": {"g": "tanh(linear(log(abs(x)), h))", "h": "linear(g*h, 1/x)"},
    "recorded quotients": {"g": "1/x", "h": "tanh(linear(g, h))"},
}
CHOSEN = ("lstm", "gru", "gru_v3", "peephole", "min_gru", "rg_lru", "layer_norm_gru", "mlstm", "ur_lstm", "qrnn_fo")


def of_equations(name: str) -> Variant:
    equations = SINGULAR[name]
    states = [state for state in "hs" if state in equations]
    return Variant.from_mapping({"name": "tried", "state": states, "equations": equations})


def everything(
    variant: Variant, path: str, garbage: float, runs: int | None, recompute: int | None
) -> dict[str, Tensor]:
    """Return outputs, states, gates and gradients of a layer; garbage stands in its padding and arrives there."""
    inputs, hidden = fitting(variant, 3, 4)
    generator = torch.Generator().manual_seed(7)
    lead = () if runs is None else (runs,)
    layer = layer_of(variant, inputs, hidden, path=path, recompute=recompute)
    for name, shape in parameter_shapes(variant, inputs, hidden).items():
        drawn = torch.randn((*lead, *shape), generator=generator).mul(0.4)
        setattr(layer, name, torch.nn.Parameter(drawn))
    lengths = LENGTHS if runs is None else torch.stack([LENGTHS.roll(run) for run in range(runs)])
    valid = (torch.arange(5)[:, None] < lengths[..., None, :])[..., None]
    x = torch.randn((*lead, 5, 5, inputs), generator=generator).abs() + 1.5
    x = torch.where(valid, x, garbage).requires_grad_()
    record = tuple(variant.equations)
    output, finals, recorded = layer(x, None, lengths, record)
    leaves = {"x": x, **dict(layer.named_parameters())}
    seen = {"output": output, **{f"recorded {name}": value for name, value in recorded.items()}}
    loss = sum((value * torch.arange(value.numel()).view_as(value).cos()).sum() for value in finals.values())
    arriving = []
    for value in seen.values():
        wave = torch.arange(value.numel()).view_as(value).cos()
        arriving.append(torch.where(valid.expand_as(value), wave, garbage))
    ends = [(value, wave) for value, wave in zip(seen.values(), arriving, strict=True) if value.requires_grad]
    ends += [(loss, torch.ones(()))] if isinstance(loss, Tensor) and loss.requires_grad else []
    torch.autograd.backward([value for value, _ in ends], [wave for _, wave in ends])
    gradients = {f"gradient {n}": leaf.grad for n, leaf in leaves.items() if leaf.grad is not None}
    return {
        **{n: v.detach() for n, v in seen.items()},
        **{f"final {n}": v.detach() for n, v in finals.items()},
        **gradients,
    }


@pytest.fixture(autouse=True)
def poison(monkeypatch):
    """Fill every buffer with NaN (all bits set) before use."""
    take = memory_pool.Pool._take

    def poisoned(self, size):
        block = take(self, size)
        block[:] = 255
        return block

    monkeypatch.setattr(memory_pool.Pool, "_take", poisoned)
    monkeypatch.setattr(memory_pool, "_SMALL", -1)


def assert_padding_means_nothing(variant: Variant, runs: int | None, recompute: int | None = None) -> None:
    for path in paths_of(variant):
        law = everything(variant, path, 0.7, runs, recompute)
        for name, value in law.items():
            assert not bool(value.isnan().any()), f"{path}: {name}"
        lengths = LENGTHS if runs is None else torch.stack([LENGTHS.roll(run) for run in range(runs)])
        ended = (torch.arange(5)[:, None] >= lengths[..., None, :])[..., None]
        for name in law:
            if name in ("output", "gradient x") or name.startswith("recorded"):
                assert not bool((law[name] * ended).any()), f"{path}: {name}"
        for garbage in GARBAGE:
            found = everything(variant, path, garbage, runs, recompute)
            assert found.keys() == law.keys()
            for name, value in found.items():
                assert torch.equal(value, law[name]), f"{path}, {garbage}: {name}"


@pytest.mark.parametrize("runs", [None, 2])
@pytest.mark.parametrize("name", SINGULAR)
def test_variants_that_have_poles(name, runs):
    assert_padding_means_nothing(of_equations(name), runs)


@pytest.mark.parametrize("name", CHOSEN)
def test_shipped_variants(name):
    assert_padding_means_nothing(load_variant(name), 2)


@pytest.mark.parametrize("name", ["lstm", "min_gru", "mlstm", "layer_norm_gru"])
def test_segments_that_are_computed_again(name):
    assert_padding_means_nothing(load_variant(name), None, recompute=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(variant_files()) - set(CHOSEN)))
def test_the_whole_catalogue(name):
    assert_padding_means_nothing(load_variant(name), 2)
    assert_padding_means_nothing(load_variant(name), None, recompute=2)
