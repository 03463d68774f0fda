"""The paths in plain PyTorch: any device, any dtype."""

from typing import TYPE_CHECKING

from gatelab.compiler import Program
from gatelab.compiler.scannable import scan_order
from gatelab.paths.path import Path

if TYPE_CHECKING:
    from gatelab.paths.call import Call, Outputs

__all__ = ["Loop", "Scan"]


class Scan(Path):
    """All steps at once, for states that are linear in themselves."""

    name = "scan"

    def limits(self, program: Program, device: str | None = None) -> str | None:
        return "a state is not linear in itself given the input" if scan_order(program) is None else None

    def pays(self, call: "Call") -> bool:
        # with many processors the steps of a scan run side by side; with few it is more work than the loop
        return call.inputs.device.type != "cpu"

    def refusal(self, call: "Call") -> str | None:
        return self.limits(call.program)

    def run(self, call: "Call") -> "Outputs":
        from gatelab.paths.call import recomputed
        from gatelab.paths.scan import run_scan

        return recomputed(run_scan, call)


class Loop(Path):
    """Step after step: the reference, with which all other paths must agree."""

    name = "loop"

    def foreign_limits(self, device: str | None = None) -> str | None:
        return None

    def refusal(self, call: "Call") -> str | None:
        return None

    def run(self, call: "Call") -> "Outputs":
        from gatelab.paths.call import recomputed
        from gatelab.paths.loop import run_loop

        return recomputed(run_loop, call)
