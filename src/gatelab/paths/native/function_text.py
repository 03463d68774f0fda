"""The element-wise functions of the table as C, on vectors."""

from gatelab.language.functions import FUNCTIONS, INNER, Function

__all__ = ["functions"]


def functions() -> str:
    """Write every function that has C: ``f_<name>`` takes and returns vectors."""
    rows = [*FUNCTIONS.values(), *INNER.values()]
    return "/* from language/functions.py */\n" + "".join(f"{_written(row)}\n" for row in rows if row.c)


def _written(row: Function) -> str:
    if row.c.isidentifier():
        return f"BY_LANE(f_{row.name}, C({row.c}))"
    arguments = ", ".join(f"V {argument}" for argument in row.arguments)
    return f"INLINE V f_{row.name}({arguments}) {{ return {row.c}; }}"
