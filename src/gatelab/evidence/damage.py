"""What is said of finished runs whose files are not what was written: how many, which, and how to have them again."""

from collections.abc import Collection

from gatelab.locations import command_line
from gatelab.store import Damaged

__all__ = ["damage_lines", "damaged_sentence", "retrain_command"]

_SHOWN = 5


def damaged_sentence(count: int) -> str:
    """Return that so many runs are left out."""
    runs = "1 finished run is" if count == 1 else f"{count} finished runs are"
    return f"{runs} damaged and left out of every number (of any task)."


def retrain_command(runs_dir: str) -> str:
    """Return the command that trains the damaged runs of a store again."""
    return command_line("store", f"runs={runs_dir}", "retrain=damaged")


def damage_lines(runs_dir: str, damaged: Collection[Damaged]) -> list[str]:
    """Return what a terminal shows of damaged runs; nothing without one."""
    if not damaged:
        return []
    shown = sorted(damaged, key=lambda one: one.identity)[:_SHOWN]
    more = [f"and {len(damaged) - _SHOWN} more"] if len(damaged) > _SHOWN else []
    return [
        damaged_sentence(len(damaged)),
        *map(str, shown),
        *more,
        f"trained again by: {retrain_command(runs_dir)}",
    ]
