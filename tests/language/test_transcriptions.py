"""Every variant against a second writing of it in NumPy, straight from the formulas of its paper."""

import importlib
import pkgutil

import numpy as np
import pytest
import torch

from gatelab.language import load_variant, variant_files
from gatelab.layers.foreign import layer_of
from tests.language import transcriptions

TOLERANCE = 1e-12
TIME, BATCH = 7, 3
MODULES = [
    importlib.import_module(f"{transcriptions.__name__}.{module.name}")
    for module in pkgutil.iter_modules(transcriptions.__path__)
]
BY_NAME = {name: transcription for module in MODULES for name, transcription in module.TRANSCRIPTIONS.items()}
# written as one step each, with the states given, in tests/conformance/references.py
ELSEWHERE = {"cifg", "elman", "gru", "gru_v3", "janet", "lstm", "mgu", "peephole", "ur_lstm"}


def test_every_variant_is_written_twice():
    assert set(variant_files()) == set(BY_NAME) | ELSEWHERE
    assert sum(len(module.TRANSCRIPTIONS) for module in MODULES) == len(BY_NAME)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_the_equations_compute_what_the_paper_says(name):
    variant = load_variant(name)
    torch.manual_seed(3)
    hidden = 8
    inputs = hidden if variant.needs_equal_sizes or any(p.form for p in variant.parameters) else 3
    layer = layer_of(variant, inputs, hidden, None, torch.float64, "loop", None)
    with torch.no_grad():
        for parameter in layer.parameters():
            # away from their starts, where what is missing could hide
            parameter.add_(0.3 * torch.randn_like(parameter))
    weights = {key: value.detach().numpy().copy() for key, value in layer.named_parameters()}
    x = torch.randn(TIME, BATCH, inputs, dtype=torch.float64)
    with torch.no_grad():
        outputs = layer(x)[0].numpy()
    expected = BY_NAME[name](weights, x.numpy().copy(), hidden)
    assert expected.shape == (TIME, BATCH, hidden)
    np.testing.assert_allclose(outputs, expected, rtol=TOLERANCE, atol=TOLERANCE)
    # a transcription that gives zeros, or the same at every step, would say nothing
    assert np.ptp(expected, axis=0).max() > 1e-3
