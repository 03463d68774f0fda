"""Sizes that a variant can have, near those asked for."""

import math

from gatelab.language import Variant


def fitting(variant: Variant, inputs: int, hidden: int) -> tuple[int, int]:
    """Return input and hidden size, rounded up to what the forms of the weights divide; equal where they must be."""
    forms = [parameter.form for parameter in variant.parameters if parameter.form is not None]
    step = math.lcm(1, *(form.count for form in forms if form.kind in ("blocks", "cells")))
    least = max([1, *(form.count for form in forms if form.kind == "rank")])
    hidden = math.ceil(max(hidden, least) / step) * step
    if variant.needs_equal_sizes:
        return hidden, hidden
    return math.ceil(max(inputs, least) / step) * step, hidden
