"""What gates do: numbers read off a network while it runs over data."""

from gatelab.probes.gates import GateHistogram, gate_histograms

__all__ = ["GateHistogram", "gate_histograms"]
