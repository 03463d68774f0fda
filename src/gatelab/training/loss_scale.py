"""A factor on each run's loss, so that gradients which float16 would round to 0 do not vanish.

Each run has its own: in a stack it takes the steps that it takes alone. The numbers are those of torch.amp.GradScaler.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["LossScale"]

_FIRST, _STEPS = 2.0**16, 2000


class LossScale:
    """The factors of a stack.

    A factor is halved after a step whose gradient is too large for float16, which is then not taken, and doubled after
    2000 steps that were. Where a gradient is not finite even at the factor 1, the run has diverged.

    Args:
        runs: of the stack.
        device: of its weights.

    Attributes:
        factors: (runs,) powers of two, so that they change no digit.
        taken: (runs,) steps since the factor last changed.
    """

    def __init__(self, runs: int, device: torch.device) -> None:
        self.factors = torch.full((runs,), _FIRST, device=device)
        self.taken = torch.zeros(runs, dtype=torch.int32, device=device)

    def left_out(self, norms: Tensor) -> Tensor:
        """Return which runs leave out a step, (runs,), and set the factors of the next one.

        Args:
            norms: (runs,) lengths of the gradients.
        """
        out = ~torch.isfinite(norms) & (self.factors > 1)
        self.taken = torch.where(out, 0, self.taken + 1)
        grown = self.taken >= _STEPS
        self.factors = torch.where(out, self.factors / 2, torch.where(grown, self.factors * 2, self.factors))
        self.taken = torch.where(grown, 0, self.taken)
        return out

    def of_run(self, run: int) -> tuple[float, int]:
        """Return factor and steps of a run, for its checkpoint."""
        return float(self.factors[run]), int(self.taken[run])

    def load(self, each: Sequence[tuple[float, int]]) -> None:
        """Set what :meth:`of_run` returned of each run."""
        factors, taken = zip(*each, strict=True)
        self.factors = torch.tensor(factors, device=self.factors.device)
        self.taken = torch.tensor(taken, dtype=torch.int32, device=self.taken.device)
