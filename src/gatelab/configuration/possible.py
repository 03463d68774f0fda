"""Settings that are each allowed, and together cannot work: refused before a run has an identity."""

from typing import TYPE_CHECKING

from gatelab.equations import program
from gatelab.equations.scanning import scan_order
from gatelab.errors import UserError

if TYPE_CHECKING:
    from gatelab.configuration.run import RunConfiguration

__all__ = ["check_possible"]


def check_possible(run: "RunConfiguration") -> None:
    """Refuse what can never do what it says, whatever the machine and the data.

    Raises:
        UserError: one line that names the setting, its value and what is allowed.
    """
    _check_path(run)


def _check_path(run: "RunConfiguration") -> None:
    path, variant = run.path, run.variant
    if path in ("auto", "loop"):
        return
    if path == "native" and run.device == "cuda":
        raise UserError("path=native: runs on the CPU, not on device=cuda; must be auto, loop or scan")
    if variant.module is not None:
        raise UserError(f"path={path}: variant '{variant.name}' is a module; must be auto or loop")
    compiled = program(variant)
    if path == "native" and compiled.row_functions:
        names = ", ".join(compiled.row_functions)
        raise UserError(
            f"path=native: variant '{variant.name}' has row functions ({names}), which it does not know; must be auto "
            "or loop"
        )
    if path == "scan" and scan_order(compiled) is None:
        raise UserError(
            f"path=scan: variant '{variant.name}' cannot run on it: a state is not linear in itself given the input"
        )
