"""A written model beside the module that it was written from: run by ONNX Runtime, compared number by number."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.errors import UserError, one_line
from gatelab.layers.network import Network
from gatelab.layers.rnn import RNN

__all__ = ["TOLERANCE", "check_model"]

TOLERANCE = 1e-5
"""Greatest difference that is allowed: absolute, of values greater than 1 relative to the greatest of their tensor."""

_SIZES = ((4, 1), (7, 3))
"""Steps and sequences of each run."""


@torch.no_grad()
def check_model(module: RNN | Network, model: bytes, where: object) -> None:
    """Compare a model with its module at two lengths and two batch sizes, from zero states and from those after them.

    Raises:
        UserError: ONNX Runtime refuses the model, or a number differs; the message begins with ``where``.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what it has to say is in the error
    with _refused(where):
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    for steps, batch in _SIZES:
        _compare(module, session, steps, batch, where)


def _compare(module: RNN | Network, session: Any, steps: int, batch: int, where: object) -> None:
    rnn = module.rnn if isinstance(module, Network) else module
    inputs = [declared.name for declared in session.get_inputs()]
    x = _drawn(module, steps, batch)
    # the first sequence is the longest, since a call cuts nothing off
    lengths = torch.tensor([steps - 2 * place for place in range(batch)]) if "lengths" in inputs else None
    fed = {"input": x.numpy()} if lengths is None else {"input": x.numpy(), "lengths": lengths.numpy()}
    dtype = next(rnn.parameters()).dtype
    states = [
        {name: torch.zeros(batch, size, dtype=dtype) for name, size in layer.state_sizes().items()}
        for layer in rnn.layers
    ]
    outputs = [one.name for one in session.get_outputs()]
    for first in (True, False) if len(outputs) > 1 else (True,):
        if len(outputs) > 1:
            fed |= {f"initial_{name}": value for name, value in _by_name(rnn, states).items()}
        with _refused(where):
            found = dict(zip(outputs, session.run(None, fed), strict=True))
        output, states = _expected(module, x, states, lengths)
        if first or isinstance(module, RNN):
            expected = module(x, lengths=lengths) if isinstance(module, Network) else output
            _near(found["output"], expected.numpy(), "output", where, steps)
        for name, value in _by_name(rnn, states).items() if len(outputs) > 1 else ():
            _near(found[f"final_{name}"], value, f"final_{name}", where, steps)


def _expected(
    module: RNN | Network, x: Tensor, states: list[dict[str, Tensor]], lengths: Tensor | None
) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Return the outputs of the recurrent layers in the form of a call, and the states after them."""
    if isinstance(module, Network):
        output, finals, _ = module.rnn.run(module.embedded(x, lengths), states, lengths)
        return output, finals
    output, finals, _ = module.run(x.transpose(0, 1) if module.batch_first else x, states, lengths)
    return output.transpose(0, 1) if module.batch_first else output, finals


def _by_name(rnn: RNN, states: list[dict[str, Tensor]]) -> dict[str, NDArray[Any]]:
    """Return the states as the model names them."""
    named: dict[str, NDArray[Any]] = {}
    for name in rnn.variant.states:
        values = [state[name].numpy() for state in states]
        if len({value.shape for value in values}) == 1:
            named[name] = np.stack(values)
        else:
            named |= {f"{name}.{index}": value for index, value in enumerate(values)}
    return named


def _near(found: NDArray[Any], expected: NDArray[Any], name: str, where: object, steps: int) -> None:
    """Refuse another shape, and another number; what is no number must be none in both."""
    scale = max(1.0, float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0)))
    if found.shape == expected.shape and np.allclose(found, expected, 0.0, TOLERANCE * scale, equal_nan=True):
        return
    if found.shape != expected.shape:
        difference = f"shape {found.shape} instead of {expected.shape}"
    else:
        difference = f"a difference of {np.nanmax(np.abs(found - expected)):.1e}"
    raise UserError(
        f"{where}: not written: {name} of ONNX Runtime after {steps} steps has {difference}; allowed is {TOLERANCE:.0e}"
    )


@contextmanager
def _refused(where: object) -> Iterator[None]:
    """Turn what ONNX Runtime raises into a UserError."""
    try:
        yield
    except Exception as error:
        raise UserError(f"{where}: not written: ONNX Runtime refuses it: {one_line(error, 200)}") from error


def _drawn(module: RNN | Network, steps: int, batch: int) -> Tensor:
    random = torch.Generator().manual_seed(steps)
    dtype = next(module.parameters()).dtype
    if not isinstance(module, Network):
        shape = (batch, steps) if module.batch_first else (steps, batch)
        return torch.randn(*shape, module.input_size, generator=random, dtype=dtype)
    features = module.rnn.input_size if module.embedding is None else module.embedding.shape[0]
    if module.tokens:
        return torch.randint(features, (steps, batch), generator=random)
    return torch.randn(steps, batch, features, generator=random, dtype=dtype)
