"""Drawings and marks in the colours of their page, which are variables: so they follow its dark mode."""

import re
from importlib.resources import files

from gatelab.report.drawing.styles import PALETTE

__all__ = ["base_style", "themed"]

_NAMES = ("ink", "blue", "red", "green", "pink", "orange", "sky")
_VARIABLES = {
    **{colour.lower(): name for colour, name in zip(PALETTE, _NAMES, strict=True)},
    "#222222": "ink",
    "#8a8a8a": "soft",
    "#e4e4e4": "line",
    "#ececec": "tint",
    "#f4f4f4": "tint",
    "#ffffff": "paper",
}
"""Colour of a drawing, in small letters -> variable of base.css."""
_COLOUR = re.compile("|".join(_VARIABLES), re.IGNORECASE)


def themed(drawing: str) -> str:
    """Return SVG, or a colour, with variables for all colours that drawings have."""
    return _COLOUR.sub(lambda match: f"var(--{_VARIABLES[match[0].lower()]})", drawing)


def base_style() -> str:
    """Return the rules that all pages share: colours, light and dark, and letters."""
    return files("gatelab.report.drawing").joinpath("base.css").read_text(encoding="utf-8")
