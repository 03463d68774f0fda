"""The keys under which probes are stored."""

import math
import subprocess
import sys

import pytest

from gatelab.probes.records import Gate, ProbeKey, gates_of, parsed, under_keys

FORGET = {
    "gates/f/mean": 0.75,
    "gates/f/shut": 0.125,
    "gates/f/open": 0.5,
    "gates/f/decay_10": 0.02,
    "gates/f/decay_50": 0.1,
    "gates/f/decay_90": 0.5,
}
INPUT = {"gates/1.0.i/mean": 0.25, "gates/1.0.i/shut": 0.5, "gates/1.0.i/open": 0.0}


def test_a_gate_that_does_not_retain_has_no_rates():
    assert Gate(0.75, 0.125, 0.5, 0.02, 0.1, 0.5).keyed("f") == FORGET
    assert Gate(0.25, 0.5, 0.0).keyed("1.0.i") == INPUT
    assert list(Gate(math.nan, 0.0, 0.0).keyed("i")) == ["gates/i/mean", "gates/i/shut", "gates/i/open"]


def test_what_is_written_is_read():
    row = {
        "step": 5,
        "split": "validation",
        "loss": 0.5,
        **FORGET,
        **INPUT,
        **under_keys("jacobian", "h", {"norm": 2.0}),
    }
    found = gates_of(row)
    assert list(found) == ["f", "1.0.i"]
    assert {**found["f"].keyed("f"), **found["1.0.i"].keyed("1.0.i")} == {**FORGET, **INPUT}


def test_numbers_that_a_line_lacks_are_unknown():
    (gate,) = gates_of({"gates/f/mean": 0.5}).values()
    assert gate.mean == 0.5
    assert math.isnan(gate.shut)


@pytest.mark.parametrize("key", ["loss", "gates/f", "gates//mean", "gates/f/mean/more", ""])
def test_other_names_are_no_keys(key):
    assert parsed(key) is None


def test_a_key_has_three_parts():
    assert parsed("gates/0.1.f/decay_50") == ProbeKey("gates", "0.1.f", "decay_50")


def test_evidence_is_read_without_torch():
    command = "import sys, gatelab.evidence.collected, gatelab.probes.records; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
