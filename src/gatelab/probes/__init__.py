"""What gates do: numbers read off a network while it runs, and diagnostics of it (docs/probes.md).

A name is imported when it is first used: the records of a probe are read without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatelab.compiler.gate_algebra import step_jacobian
    from gatelab.probes.credit import credit

__all__ = ["credit", "step_jacobian"]

_HOMES = {"credit": "probes.credit", "step_jacobian": "compiler.gate_algebra"}
"""Public name -> the module that has it."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        # importing a module sets its name here, which may be that of its function: the function wins
        value = globals()[name] = getattr(importlib.import_module(f"gatelab.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module 'gatelab.probes' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
