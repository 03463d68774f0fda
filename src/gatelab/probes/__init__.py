"""What gates do: numbers read off a network while it runs, and diagnostics of it (docs/probes.md).

A name is imported when it is first used: the records of a probe are read without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatelab.compiler.gate_algebra import step_jacobian
    from gatelab.probes.credit import credit
    from gatelab.probes.dynamics import dynamics
    from gatelab.probes.effective_memory import effective_memory
    from gatelab.probes.gate_traces import gate_traces
    from gatelab.probes.interventions import interventions
    from gatelab.probes.retention_matrix import retention_matrix
    from gatelab.probes.saturation import saturation
    from gatelab.probes.time_scales import time_scales
    from gatelab.probes.toggle_space import toggle_space
    from gatelab.probes.twins import untrained_twin

__all__ = [
    "credit",
    "dynamics",
    "effective_memory",
    "gate_traces",
    "interventions",
    "retention_matrix",
    "saturation",
    "step_jacobian",
    "time_scales",
    "toggle_space",
    "untrained_twin",
]

_HOMES = {
    "credit": "probes.credit",
    "dynamics": "probes.dynamics",
    "effective_memory": "probes.effective_memory",
    "gate_traces": "probes.gate_traces",
    "interventions": "probes.interventions",
    "retention_matrix": "probes.retention_matrix",
    "saturation": "probes.saturation",
    "step_jacobian": "compiler.gate_algebra",
    "time_scales": "probes.time_scales",
    "toggle_space": "probes.toggle_space",
    "untrained_twin": "probes.twins",
}
"""Public name -> the module that has it."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        # importing a module sets its name here, which may be that of its function: the function wins
        value = globals()[name] = getattr(importlib.import_module(f"gatelab.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module 'gatelab.probes' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
