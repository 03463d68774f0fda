"""Whether the runs of a stack are healthy, where reading it would wait for a device."""

from torch import Tensor, stack

from gatelab.training.optimizer import StackOptimizer

__all__ = ["UnreadHealth"]

_EVERY = 50
"""Steps after which a device is asked: a stack of which nothing is left goes on for so many at most. A number of steps
and no time, so that the processes of a run ask after the same one."""


class UnreadHealth:
    """The health of the steps of a stack at which nobody has looked.

    On a processor every step is looked at. A device is asked now and then, because an answer waits for all that it has
    to do; meanwhile runs that are ill do not move, which the device sees to by itself.
    """

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._healthy: list[Tensor] = []
        self._norms: list[Tensor] = []

    def note(self, step: int, healthy: Tensor, optimizer: StackOptimizer) -> bool:
        """Keep the health of a step, and say whether it is time to look.

        Args:
            step: counted from 1.
            healthy: (runs,) whether loss, gradient and update were finite.
            optimizer: which has taken the step.
        """
        now = reads_at_once(healthy)
        if not now:
            optimizer.active = optimizer.active & healthy
        self._steps.append(step)
        self._healthy.append(healthy)
        self._norms.append(optimizer.gradient_norms if now else optimizer.gradient_norms.clone())
        return now or len(self._steps) >= _EVERY

    def read(self) -> tuple[list[int], list[list[bool]], list[Tensor]]:
        """Return steps, whether each run was healthy in each, and the lengths of their gradients; forget them."""
        steps, norms = self._steps, self._norms
        healthy: list[list[bool]] = stack(self._healthy).tolist() if steps else []
        self._steps, self._healthy, self._norms = [], [], []
        return steps, healthy, norms


def reads_at_once(tensor: Tensor) -> bool:
    """Say whether a number of a tensor can be read without waiting for a device."""
    return tensor.device.type == "cpu"
