"""Programs as compiled C: emitted, built once, kept by content, called from PyTorch."""

from gatelab.paths.native.checks import NATIVE_DTYPES, refusal
from gatelab.paths.native.layout import ShapeError
from gatelab.paths.native.native_path import run_checked, run_native

__all__ = ["NATIVE_DTYPES", "ShapeError", "refusal", "run_checked", "run_native"]
