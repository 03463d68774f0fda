"""Programs as generated Triton kernels: one for a whole sequence forwards, one backwards; for CUDA devices.

No GPU has run them yet: they were run by Triton's interpreter, against the loop, and some of them
were compiled for devices that are not here. So they run only where they are asked for. See docs/gpu.md.
"""

from typing import TYPE_CHECKING

from gatelab.compiler import Program
from gatelab.paths.path import Path
from gatelab.paths.triton.interpreting import interpreted

if TYPE_CHECKING:
    from gatelab.paths.call import Call, Outputs

__all__ = ["Triton"]


class Triton(Path):
    """Generated kernels on CUDA devices: float32, and bfloat16 and float16 with states and sums in float32.

    Gradients reach inputs, initial states and weights. There is no gradient of a gradient: the loop has it. With
    TRITON_INTERPRET=1, ``path=triton`` runs on a CPU too, slowly.
    """

    name = "triton"
    unproven = "no GPU has run its kernels yet"

    def limits(self, program: Program, device: str | None = None) -> str | None:
        if program.variant.beside:
            return f"its kernels take x alone, and the equations read {' and '.join(program.variant.beside)} beside it"
        if device in (None, "cuda") or (device == "cpu" and interpreted()):
            return None
        return f"it runs on CUDA devices, not on {'the CPU' if device == 'cpu' else device}"

    def missing(self) -> str | None:
        from gatelab.paths.triton.able_device import missing

        return missing()

    def pays(self, call: "Call") -> bool:
        return call.inputs.device.type == "cuda"

    def refusal(self, call: "Call") -> str | None:
        from gatelab.paths.triton.able_device import fault

        return self.limits(call.program, call.inputs.device.type) or self.missing() or fault(call)

    def manner(self, call: "Call") -> str:
        from gatelab.paths.triton.tiling import scans, too_large

        if scans(call):
            return "all steps are scanned at once"
        reason = too_large(call)
        return f"weights are read at every step: {reason}" if reason else "weights are held on the chip"

    def run(self, call: "Call") -> "Outputs":
        from gatelab.paths.triton.triton_path import run_triton

        return run_triton(call)
