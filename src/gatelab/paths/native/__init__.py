"""Programs as compiled C: emitted, built once, kept by content, called from PyTorch."""

from gatelab.recurrence.native.checks import NATIVE_DTYPES, refusal
from gatelab.recurrence.native.layout import ShapeError
from gatelab.recurrence.native.run import run_checked, run_native

__all__ = ["NATIVE_DTYPES", "ShapeError", "refusal", "run_checked", "run_native"]
