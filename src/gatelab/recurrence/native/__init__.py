"""Programs as compiled C: emitted, built once, kept by content, called from PyTorch."""

from gatelab.recurrence.native.run import refusal, run_native

__all__ = ["refusal", "run_native"]
