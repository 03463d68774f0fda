"""How a variant looks, everywhere on the page: a colour, a marker and a dash that tell it apart without colour too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["PALETTE", "Look", "looks"]

# The palette of Okabe & Ito 2008 ("Color Universal Design"), without its yellow, which is too pale on white.
PALETTE = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
_DASHES = ("-", "--", "-.", ":")


@dataclass(frozen=True, slots=True)
class Look:
    """The look of one variant. As 7 colours and 8 markers have no common divisor, 56 variants differ in one of them."""

    number: int
    colour: str
    marker: str
    dash: str

    @property
    def hook(self) -> str:
        """What the script of the page finds everything of the variant by: a class in HTML, and an id in a drawing."""
        return f"v{self.number}"


def looks(labels: Sequence[str]) -> Mapping[str, Look]:
    """Return label -> look; the first, the baseline if there is one, is black."""
    return {
        label: Look(
            number,
            PALETTE[number % len(PALETTE)],
            _MARKERS[number % len(_MARKERS)],
            _DASHES[number // len(PALETTE) % len(_DASHES)],
        )
        for number, label in enumerate(labels)
    }
