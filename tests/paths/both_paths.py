"""One run of a variant on any path: outputs, final states and every gradient, by name, from inputs made from a seed."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gatelab.compiler import parameter_shapes, program
from gatelab.language import Variant
from gatelab.language.sizes import columns_beside
from gatelab.layers.structured_weights import whole_weights
from gatelab.paths import able, choice, reference
from gatelab.paths.call import Call, Outputs

TOLERANCE = {torch.float64: (1e-9, 1e-11), torch.float32: (2e-4, 2e-5)}


def paths_of(variant: Variant) -> list[str]:
    """Return the paths that can run a variant on a CPU."""
    if variant.foreign is not None:
        return [reference().name]
    return [path.name for path in able(variant, "cpu")]


def run(path: str, *arguments: Any) -> Outputs:
    """Run the call that has these fields on a path."""
    return choice.run(path, Call(*arguments))


def results(
    path: str,
    variant: Variant,
    time: int = 4,
    batch: int = 3,
    inputs: int = 3,
    hidden: int = 5,
    dtype: torch.dtype = torch.float64,
    runs: int | None = None,
    lengths: Tensor | None = None,
    record: tuple[str, ...] = (),
    only_run: int | None = None,
    device: str = "cpu",
) -> dict[str, Tensor]:
    """Return everything a run gives. ``only_run`` takes one run of a stack and runs it alone, without the run axis."""
    generator = torch.Generator().manual_seed(5)
    lead = () if runs is None else (runs,)

    def leaf(*shape: int, scale: float = 1.0) -> Tensor:
        # drawn in double precision, so that both dtypes see the same numbers
        drawn = torch.randn((*lead, *shape), generator=generator, dtype=torch.float64).mul(scale).to(torch.float32)
        return (drawn if only_run is None else drawn[only_run]).to(device, dtype).requires_grad_()

    weights = {
        name: leaf(*shape, scale=hidden**-0.5) for name, shape in parameter_shapes(variant, inputs, hidden).items()
    }
    x = leaf(time, batch, inputs)
    beside = columns_beside(variant.beside, inputs)
    columns = torch.cat([x, leaf(time, batch, beside).detach().abs()], -1) if beside else x
    sizes = {"input": inputs, "hidden": hidden}
    states = {state: leaf(batch, sizes[variant.sizes[state]], scale=0.5) for state in variant.states}
    valid = lengths if lengths is None or only_run is None else lengths[only_run]
    output, finals, recorded = run(
        path, program(variant), whole_weights(variant, weights), columns, states, hidden, valid, record
    )
    loss = 0 * x.sum()
    for value in (output, *finals.values(), *recorded.values()):
        count = value[0].numel() if lead and only_run is None else value.numel()
        wave = torch.arange(count, dtype=dtype, device=device).cos()
        loss = loss + (value * wave.view(value.shape[1:] if lead and only_run is None else value.shape)).sum()
    leaves = {"x": x, **states, **weights}
    gradients = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
    return {
        "output": output.detach(),
        **{f"final {name}": value.detach() for name, value in finals.items()},
        **{f"recorded {name}": value.detach() for name, value in recorded.items()},
        **{f"gradient {name}": value for name, value in zip(leaves, gradients, strict=True)},
    }


def assert_same(
    actual: dict[str, Tensor], expected: dict[str, Tensor], dtype: torch.dtype, slack: Mapping[str, float] | None = None
) -> None:
    """Assert that two runs agree to rounding, name by name; ``slack`` is what each may be off beyond that."""
    assert actual.keys() == expected.keys()
    relative, absolute = TOLERANCE[dtype]
    for name, value in actual.items():
        torch.testing.assert_close(
            value.to(torch.float64),
            expected[name].to(torch.float64),
            rtol=relative,
            atol=absolute + (slack or {}).get(name, 0.0),
            equal_nan=True,
            msg=lambda message, name=name: f"{name}: {message}",
        )


def assert_identical(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Assert that two runs agree bit for bit."""
    assert actual.keys() == expected.keys()
    for name, value in actual.items():
        assert torch.equal(value, expected[name]), name
