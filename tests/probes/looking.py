"""Models in double precision and what they are shown, for the tests of diagnostics."""

import torch
from torch import Tensor

import gatelab
from gatelab.language import Variant, load_variant
from tests.conformance.sizes import fitting

TIME, BATCH, INPUT, HIDDEN = 6, 2, 3, 4


def model(variant: str | Variant, **options) -> gatelab.RNN:
    """Return an RNN of sizes that fit, with weights so large that every path carries something."""
    known = load_variant(variant) if isinstance(variant, str) else variant
    rnn = gatelab.RNN(known, *fitting(known, INPUT, HIDDEN), dtype=torch.float64, **options)
    with torch.no_grad():
        for name, parameter in rnn.named_parameters():
            if "weight" in name:
                parameter.mul_(2)
    return rnn


def data(rnn: gatelab.RNN, time: int = TIME, batch: int = BATCH) -> Tensor:
    """Return inputs that fit a model."""
    return torch.randn(time, batch, rnn.input_size, dtype=torch.float64)
