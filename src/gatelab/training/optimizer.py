"""One optimiser for a stack, with a learning rate, a weight decay and a clip norm for each of its runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gatelab.configuration.sections import OptimizerSection

__all__ = ["StackOptimizer"]


class StackOptimizer(torch.optim.Optimizer):
    """Any first-order optimiser of torch.optim over stacked weights.

    The inner optimiser works on *steps*: tensors that are zero before it runs, so that after it ran with learning rate 1
    and no weight decay they hold the bare update. The update is then scaled by each run's learning rate. Weight decay is
    each run's own too: added to the gradient where the optimiser does so (L2), or taken off the weights where it is
    decoupled (AdamW; Loshchilov & Hutter 2019).

    Args:
        weights: parameter name -> (runs, …).
        section: which optimiser, with its own arguments.
        learning_rates, weight_decays: one for each run.
        clip_norms: the longest gradient of each run, over all its weights; None for no clipping.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        section: OptimizerSection,
        learning_rates: Sequence[float],
        weight_decays: Sequence[float],
        clip_norms: Sequence[float | None],
    ) -> None:
        self.weights = list(weights.values())
        device = self.weights[0].device
        self.steps = [torch.zeros_like(weight) for weight in self.weights]
        kind = getattr(torch.optim, section.kind)
        super().__init__(self.weights, {})
        self.inner: torch.optim.Optimizer = kind(self.steps, lr=1.0, weight_decay=0.0, **section.arguments)
        self.decoupled = section.kind == "AdamW" or bool(section.arguments.get("decoupled_weight_decay"))
        self.learning_rates = torch.tensor(learning_rates, dtype=torch.float32, device=device)
        self.weight_decays = torch.tensor(weight_decays, dtype=torch.float32, device=device)
        self.decays = any(weight_decays)
        longest = [float("inf") if norm is None else norm for norm in clip_norms]
        self.clip_norms = torch.tensor(longest, dtype=torch.float32, device=device)
        self.active = torch.ones(len(learning_rates), dtype=torch.bool, device=device)
        self.factors = torch.ones_like(self.learning_rates)
        self.gradient_norms = torch.zeros_like(self.learning_rates)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Clip, update, and leave the weights of runs that are not active, or not finite, exactly as they are."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        gradients = [weight.grad if weight.grad is not None else torch.zeros_like(weight) for weight in self.weights]
        self.gradient_norms = _norms(gradients)
        # an update that is not finite would spoil the weights for good
        moving = self.active & torch.isfinite(self.gradient_norms)
        shrink = (self.clip_norms / (self.gradient_norms + 1e-6)).clamp(max=1.0)
        rates = self.learning_rates * self.factors
        for weight, step, gradient in zip(self.weights, self.steps, gradients, strict=True):
            clipped = gradient * _beside(shrink, weight)
            if self.decays and not self.decoupled:
                clipped += _beside(self.weight_decays, weight) * weight
            step.grad = clipped
        self.inner.step()
        for weight, step in zip(self.weights, self.steps, strict=True):
            rate = _beside(rates, weight)
            kept = weight * (1 - rate * _beside(self.weight_decays, weight)) if self.decays and self.decoupled else weight
            weight.copy_(torch.where(_beside(moving, weight), kept + rate * step, weight))
            step.zero_()
        return loss

    def run_state(self, run: int) -> dict[str, Any]:
        """Return the inner optimiser's state of one run: tensors and numbers, for its checkpoint."""
        state = self.inner.state_dict()["state"]
        runs = len(self.learning_rates)
        return {
            str(index): {
                name: value[run].clone() if isinstance(value, Tensor) and value.shape[:1] == (runs,) else value
                for name, value in entries.items()
            }
            for index, entries in state.items()
        }


def _norms(gradients: Sequence[Tensor]) -> Tensor:
    """Return the norm of each run's gradient, (runs,).

    Each slice is summed for itself: a reduction over the whole stack could round differently with its height.
    """
    runs = gradients[0].shape[0]
    slices = [gradient[run].contiguous() for run in range(runs) for gradient in gradients]
    norms = torch.stack(torch._foreach_norm(slices)).view(runs, len(gradients))
    return torch.stack([torch.linalg.vector_norm(row) for row in norms])


def _beside(per_run: Tensor, weight: Tensor) -> Tensor:
    """Give a number for each run the axes of a stacked weight."""
    return per_run.view(-1, *[1] * (weight.dim() - 1))
