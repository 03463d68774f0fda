"""Every diagnostic runs on every variant of the catalogue, or says in one line why it is not defined."""

import dataclasses

import numpy as np
import pytest

import gatelab
from gatelab import UserError, probes
from gatelab.language import load_variant, variant_files
from gatelab.tasks import TASKS, Batch
from tests.probes.looking import BATCH, TIME, data, model

DIAGNOSTICS = ("gate_traces", "saturation", "time_scales", "effective_memory", "retention_matrix", "toggle_space",
               "dynamics")  # fmt: skip
REASONS = (": not defined for ", "is foreign and has no equations to ")


def arrays(result):
    """Yield every array of a result."""
    for field in dataclasses.fields(result):
        value = getattr(result, field.name)
        for one in value.values() if isinstance(value, dict) else [value]:
            if isinstance(one, np.ndarray):
                yield field.name, one


def said(name, call):
    """Return the line of a refusal, after it has been looked at."""
    with pytest.raises(UserError) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line
    assert f"variant '{name}'" in line
    assert any(reason in line for reason in REASONS), line


@pytest.mark.parametrize("name", sorted(variant_files()))
def test_every_diagnostic_runs_or_refuses_in_one_line(name):
    rnn = model(name, path="loop")
    x = data(rnn)
    done = []
    for diagnostic in DIAGNOSTICS:
        try:
            result = getattr(probes, diagnostic)(rnn, x)
        except UserError:
            said(name, lambda one=diagnostic: getattr(probes, one)(rnn, x))
            continue
        done.append(diagnostic)
        for field, array in arrays(result):
            if field not in ("nominal", "tau", "horizon", "bias_only", "exponents"):
                assert np.isfinite(array).all(), (diagnostic, field)
        if diagnostic == "retention_matrix":
            assert result.error < 1e-6
    roles = load_variant(name).roles
    if load_variant(name).foreign is None:
        assert {"effective_memory", "dynamics"} <= set(done)
        assert ("time_scales" in done) == bool({"retain", "write"} & set(roles))


@pytest.mark.parametrize("name", sorted(variant_files()))
def test_gates_are_interfered_with_or_there_are_none(name):
    variant = load_variant(name)
    inputs = model(name, path="loop").input_size
    network = gatelab.Network(variant, inputs, 1, model(name).hidden_size, path="loop").double()
    random = np.random.default_rng(0)
    shown = random.normal(size=(TIME, BATCH, inputs)).astype(np.float32)
    ones = np.ones(BATCH, np.float32)
    batch = Batch(shown, np.full(BATCH, TIME), np.ones((BATCH, 1), np.float32), ones, ones)
    if variant.foreign is not None or not gatelab.language.gates(variant):
        said(name, lambda: probes.interventions(network, batch, TASKS["adding"]()))
        return
    found = probes.interventions(network, batch, TASKS["adding"]())
    assert np.isfinite(found.change[:1]).all()
    assert (found.interval[..., 0] <= found.interval[..., 1]).all() or not np.isfinite(found.change).all()
