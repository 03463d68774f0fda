"""Programs as compiled C: emitted, built once, kept by content, called from PyTorch."""

from gatelab.recurrence.native.checks import refusal
from gatelab.recurrence.native.layout import Misfit
from gatelab.recurrence.native.run import run_native

__all__ = ["Misfit", "refusal", "run_native"]
