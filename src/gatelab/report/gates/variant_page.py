"""One self-contained page of what equations alone say of a variant, with its wiring drawn."""

from collections.abc import Mapping

from markupsafe import Markup

from gatelab.language import Variant
from gatelab.language.wiring import wired
from gatelab.report.drawing.themed import base_style
from gatelab.report.drawing.wiring_drawing import STYLE, wiring_svg
from gatelab.report.gates.template import rendered, resource
from gatelab.report.gates.typeset import typeset

__all__ = ["variant_page"]


def variant_page(variant: Variant, title: str, sections: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        variant: the variant.
        title: what it is called: its name and its edits.
        sections: title -> text, below equations and wiring.
    """
    named = title if title == variant.name else f"{variant.name}: {title}"
    return rendered(
        "variant_page.html",
        title=title,
        lines=[line for line in (variant.source, variant.notes) if line],
        equations=typeset(variant.plain()),
        drawing=Markup(wiring_svg(wired(variant), f"What each equation of {named} reads")) if variant.trees else "",
        sections=sections,
        style=Markup(base_style() + resource("gates_page.css") + STYLE),
    )
