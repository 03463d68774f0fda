"""Powers as a writer of kernels writes them: by products and a root, where these give them, in any language."""

__all__ = ["power_text"]

_MOST_FACTORS = 16


def power_text(base: str, exponent: float, root: str, one: str) -> str | None:
    """Return the text of a power that products or a root give; None for any other exponent.

    Args:
        base: the text of what is raised, a name.
        exponent: a constant.
        root: the name of the square root.
        one: the text of the number 1.
    """
    if abs(exponent) == 0.5:
        whole = f"{root}({base})"
        return whole if exponent > 0 else f"{one} / {whole}"
    if exponent == int(exponent) and 0 < abs(exponent) <= _MOST_FACTORS:
        product = " * ".join([base] * int(abs(exponent)))
        return product if exponent > 0 else f"{one} / ({product})"
    return None
