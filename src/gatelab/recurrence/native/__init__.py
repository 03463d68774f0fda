"""Programs as compiled C: emitted, built once, kept by content, called from PyTorch."""

from gatelab.recurrence.native.checks import refusal
from gatelab.recurrence.native.layout import ShapeError
from gatelab.recurrence.native.run import run_native

__all__ = ["ShapeError", "refusal", "run_native"]
