"""The pages of the catalogue in docs/: every variant with its equations typeset and its wiring drawn."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gatelab.language import Variant
from gatelab.language.wiring import wiring
from gatelab.tasks import FAMILIES

__all__ = ["VARIANT_FAMILIES", "pages"]

VARIANT_FAMILIES = {
    "lstm": "Gated cells with a memory cell",
    "gru": "Gated cells with a single state",
    "minimal": "Few gates, or few weights",
    "ordinary": "Without gates",
    "dynamical": "From differential equations and dynamical systems",
    "linear": "Linear in the state, given the input",
    "matrix": "With a matrix as memory: foreign variants, not equations",
}
"""Folders of conf/variant/ -> what is in them, in the order in which they are shown."""

_INTRODUCTION = """\
# The catalogue

Written by `python scripts/catalogue.py pages=docs`; do not edit. {count} variants, each a file of
conf/variant/, {tasks} tasks, each a file of conf/task/, and {openings} openings, each a file of conf/opening/.
[What is not here](not_carried.md), and why.

Counted for a layer with {input_size} inputs and {hidden_size} units; a dash where a variant cannot have these sizes.
*Products* are the sequential matrix products of one step; *paths* are the implementations besides the loop in
PyTorch: `native` compiled, `scan` in parallel over time.
"""

_LEGEND = """\
Written by `python scripts/catalogue.py pages=docs`; do not edit.

x_t is the input, W a learned matrix, p the diagonal of one, b a bias, v a learned vector, s a learned scalar, ⊙ the
element-wise product. In the drawings a thick arrow is a matrix, a dotted one a diagonal, a thin one acts element by
element; rounded nodes are the inputs of a step, the output has a double frame.
"""


def pages(
    listing: Mapping[str, Any],
    variants: Mapping[str, Variant],
    table: Callable[[str, Sequence[Mapping[str, Any]]], str],
) -> dict[Path, str]:
    """Return path below docs/ -> text of every page.

    Args:
        listing: what ``scripts/catalogue.py format=json`` prints.
        variants: name -> variant.
        table: (kind, rows of that part of the listing) -> Markdown; the kinds are variants, tasks and openings.
    """
    families = {family: [row for row in listing["variants"] if row["family"] == family] for family in VARIANT_FAMILIES}
    sizes = {key: listing[key] for key in ("input_size", "hidden_size")}
    counts = {"count": len(variants), "tasks": len(listing["tasks"]), "openings": len(listing["openings"])}
    index = [_INTRODUCTION.format(**counts, **sizes), "## Variants\n"]
    for family, rows in families.items():
        links = ", ".join(f"[{row['name']}](catalogue/{family}.md#{row['name']})" for row in rows)
        index += [f"### {VARIANT_FAMILIES[family]}\n", f"Equations and drawings: {links}\n", table("variants", rows)]
    index.append("## Tasks\n")
    for family, what in FAMILIES.items():
        rows = [row for row in listing["tasks"] if row["family"] == family]
        index += [f"### {family.capitalize()}\n", f"{what}\n", table("tasks", rows)]
    index += ["## Openings\n", table("openings", listing["openings"])]
    found = {Path("catalogue.md"): "\n".join(index).rstrip() + "\n"}
    for family, rows in families.items():
        sections = [_section(row, variants[row["name"]]) for row in rows]
        found[Path("catalogue") / f"{family}.md"] = f"# {VARIANT_FAMILIES[family]}\n\n{_LEGEND}\n" + "\n".join(sections)
    return found


def _section(row: Mapping[str, Any], variant: Variant) -> str:
    cost = (
        f"{row['parameters']} parameters, {row['multiply_adds']} multiply-adds a step"
        if row["parameters"] is not None
        else "counts depend on sizes that the default layer does not have"
    )
    roles = "; ".join(f"{role}: {equation}" for role, equation in variant.roles.items())
    facts: Sequence[str] = [
        f"states {', '.join(variant.states) or 'none'}",
        cost,
        f"paths: {row['paths']}",
        *([f"structured weights: {forms}"] if (forms := _forms(variant)) else []),
        *([f"roles: {roles}"] if roles else []),
    ]
    # the text of a file is data: markup in it is escaped
    texts = [_plain(text) for text in (variant.source, variant.notes) if text]
    drawn = f"\n```mermaid\n{wiring(variant)}\n```\n" if variant.trees else ""
    return (
        f"## {row['name']}\n\n" + "\n\n".join(texts) + f"\n\n{'; '.join(facts)}.\n\n$$\n{variant.latex()}\n$$\n{drawn}"
    )  # fmt: skip


def _forms(variant: Variant) -> str:
    """Return the details that equations do not show: ``i: blocks=2``."""
    found: dict[str, None] = {}
    for parameter in variant.parameters:
        form = parameter.form
        if form is not None:
            said = {"blocks": f"blocks={form.count}", "rank": f"rank={form.count}", "tied": f"tied to {form.other}"}
            told = {"shared": form.count, "per_block": form.columns}
            said["cells"] = ", ".join(f"{word}={cells}" for word, cells in told.items() if cells > 1)
            found[f"{parameter.equation}: {said.get(form.kind, form.kind)}"] = None
    return ", ".join(found)


def _plain(text: str) -> str:
    for letter in "\\*_`[<":
        text = text.replace(letter, f"\\{letter}")
    return text
