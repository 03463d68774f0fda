"""Equations as HTML: names in italics, what stands below them lowered, and the sides of each in columns."""

import re

from markupsafe import Markup, escape

__all__ = ["typeset"]

# a name with what stands below it: f_t, h_{t-1}, i_log_t; not log_sigmoid(
_NAME = re.compile(r"([^\W\d_]\w*?)_(\{[^}]*\}|[^\W_]+)(?![\w(])")


def typeset(equations: str) -> list[tuple[Markup, Markup]]:
    """Return the left and the right side of each line of equations, as ``Variant.plain`` writes them."""
    sides = (line.partition(" = ") for line in equations.splitlines())
    return [(_lowered(left.strip()), _lowered(right)) for left, _, right in sides]


def _lowered(text: str) -> Markup:
    def name(match: re.Match[str]) -> str:
        return f"<i>{match[1]}</i><sub>{match[2].strip('{}')}</sub>"

    return Markup(_NAME.sub(name, str(escape(text)).replace("-", "−")))
