"""A small font for drawings: the letters of matplotlib's own that labels are likely to have.

A PDF holds the part of a font that it uses, and cutting that out of all of DejaVu Sans takes longer than drawing does.
Other letters fall back to the whole font, so that nothing is lost but time.
"""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from fontTools import subset  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from matplotlib import font_manager

__all__ = ["families"]

_WHOLE = "DejaVu Sans"
_SMALL = "gatelab drawing"  # its licence asks for another name where the font is changed
_LETTERS = (
    *range(0x20, 0x100),  # Latin
    *range(0x391, 0x3CA),  # Greek
    *range(0x2010, 0x2027),  # dashes, quotes, ellipsis
    *(ord(letter) for letter in "←↑→↓−∞≤≥±×·⊙√∑∏≈"),
)
_TABLES = ("GSUB", "GPOS", "GDEF", "MATH", "kern", "FFTM", "gasp")  # ligatures and the like


@cache
def families() -> tuple[str, ...]:
    """Return the names of the fonts to draw with: a letter is taken from the first that has it. Made once a process."""
    try:
        folder = tempfile.mkdtemp(prefix="gatelab-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        for weight in ("normal", "bold"):
            whole = font_manager.findfont(font_manager.FontProperties(family=_WHOLE, weight=weight))
            file = Path(folder) / f"{weight}.ttf"
            _cut(Path(whole), file)
            font_manager.fontManager.addfont(file)
    except OSError:  # no room for temporary files: slower, not worse
        return (_WHOLE,)
    return _SMALL, _WHOLE


def _cut(whole: Path, file: Path) -> None:
    options = subset.Options()
    options.layout_features = []
    options.hinting = False
    options.drop_tables += _TABLES
    options.recalc_timestamp = False  # or no two drawings would be the same
    options.name_IDs = ["*"]
    with TTFont(whole, lazy=True, recalcTimestamp=False) as font:
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=_LETTERS)
        subsetter.subset(font)
        for record in font["name"].names:
            if record.nameID in (1, 4, 6, 16):  # family, full and PostScript name
                record.string = _SMALL.replace(" ", "") if record.nameID == 6 else _SMALL
        font.save(file)
