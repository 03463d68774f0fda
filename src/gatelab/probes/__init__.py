"""What gates do: numbers read off a network while it runs, and diagnostics of it (docs/probes.md).

A name is imported when it is first used: the records of a probe are read without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatelab.compiler.gate_algebra import step_jacobian
    from gatelab.probes.diagnostics.credit import credit
    from gatelab.probes.diagnostics.dynamics import dynamics
    from gatelab.probes.diagnostics.effective_memory import effective_memory
    from gatelab.probes.diagnostics.gate_traces import gate_traces
    from gatelab.probes.diagnostics.interventions import interventions
    from gatelab.probes.diagnostics.retention_matrix import retention_matrix
    from gatelab.probes.diagnostics.saturation import saturation
    from gatelab.probes.diagnostics.time_scales import time_scales
    from gatelab.probes.diagnostics.toggle_space import toggle_space
    from gatelab.probes.diagnostics.twins import untrained_twin
    from gatelab.probes.gate_callback import GateCallback

__all__ = [
    "GateCallback",
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
    "GateCallback": "probes.gate_callback",
    "credit": "probes.diagnostics.credit",
    "dynamics": "probes.diagnostics.dynamics",
    "effective_memory": "probes.diagnostics.effective_memory",
    "gate_traces": "probes.diagnostics.gate_traces",
    "interventions": "probes.diagnostics.interventions",
    "retention_matrix": "probes.diagnostics.retention_matrix",
    "saturation": "probes.diagnostics.saturation",
    "step_jacobian": "compiler.gate_algebra",
    "time_scales": "probes.diagnostics.time_scales",
    "toggle_space": "probes.diagnostics.toggle_space",
    "untrained_twin": "probes.diagnostics.twins",
}
"""Public name -> the module that has it."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(importlib.import_module(f"gatelab.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module 'gatelab.probes' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
