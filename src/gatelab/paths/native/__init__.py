"""Programs as compiled C: emitted, built once, kept by content, called from PyTorch."""

from typing import TYPE_CHECKING

from gatelab.compiler import Program
from gatelab.paths.path import Path, Repeat

if TYPE_CHECKING:
    from gatelab.paths.call import Call, Outputs

__all__ = ["Native"]


class Native(Path):
    """Compiled C, on the CPU, in single and double precision.

    Gradients reach inputs, initial states and weights. There is no gradient of a gradient: the loop has it. Results do
    not depend on the number of threads, nor on what else is in the batch or the stack.
    """

    name = "native"
    kept = 0.5  # measured

    def limits(self, program: Program, device: str | None = None) -> str | None:
        return self.foreign_limits(device)

    def foreign_limits(self, device: str | None = None) -> str | None:
        return None if device in (None, "cpu") else f"it runs on the CPU, not on {device}"

    def missing(self) -> str | None:
        from gatelab.paths.native.build import no_compiler

        return no_compiler()

    def pays(self, call: "Call") -> bool:
        return call.inputs.device.type == "cpu"  # elsewhere it is not asked: it would only say that it runs on the CPU

    def refusal(self, call: "Call") -> str | None:
        from gatelab.paths.native.checks import fault

        return self.limits(call.program) or fault(call) or self.missing()

    def run(self, call: "Call") -> "Outputs":
        from gatelab.paths.native.native_path import run_native

        return run_native(call)

    def repeated(self, call: "Call") -> Repeat | None:
        from gatelab.paths.native.repeated import repeated

        return repeated(call)
