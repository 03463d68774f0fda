"""A variant without its biases, as torch.nn.LSTM has none with ``bias=False``."""

from gatelab.language.parsing import canonical_text
from gatelab.language.splicing import spelled
from gatelab.language.tree import Expression, Learned, Linear, walk
from gatelab.language.variant import Variant
from gatelab.language.word_table import MAPS

__all__ = ["without_biases"]


def without_biases(variant: Variant) -> Variant:
    """Return the variant with ``project`` in place of ``linear``, and 0 in place of ``bias()``.

    Learned vectors and numbers, ``vector(v)`` and ``scalar(v)``, are no biases and stay.

    Raises:
        UserError: the variant is foreign.
    """
    variant.check_equations("take biases out of (bias=False)")
    canonical = variant.respelled()
    texts = {name: _without(text, canonical.trees[name]) for name, text in canonical.equations.items()}
    return Variant.from_mapping({**variant.mapping(), "equations": texts}, f"variant '{variant.name}' without biases")


def _without(text: str, tree: Expression) -> str:
    # from the end, so that the places before stay what they are; a map of the form identity has its bias as a part
    linear, project = MAPS
    for part in sorted(walk(tree), key=lambda part: part.span.start, reverse=True):
        if (isinstance(part, Linear) and part.bias is not None) or (isinstance(part, Learned) and part.kind == "bias"):
            end = part.span.start + len(linear)
            new = project if spelled(text, part).startswith(linear) else "0"
            text = text[: part.span.start] + new + text[end if new == project else part.span.stop :]
    return canonical_text(text)
