"""One optimiser for a stack, with a learning rate, a weight decay and a clip norm for each of its runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gatelab.configuration.optimizer_arguments import optimizer_class, without_compiler
from gatelab.keys import OptimizerSection
from gatelab.training.fused_optimizer import FusedOptimizer, fused_optimizer
from gatelab.training.loss_scale import LossScale

__all__ = ["StackOptimizer"]

_ROW = 64  # a row's length is a multiple of this, and so of the vector length of every processor


class StackOptimizer(torch.optim.Optimizer):
    """Any first-order optimiser of torch.optim over stacked weights.

    Every such optimiser is element-wise, so all weights of a run are in one row, and a step is one call for the whole
    stack. torch may round the last numbers of a tensor, which fill no complete vector of the processor, differently;
    rows are padded with zeros, so the rounding does not depend on the stack.

    The inner optimiser is applied to zeros, with learning rate 1 and without weight decay. Afterwards they hold the
    update itself, which is then scaled by each run's learning rate. Weight decay is also applied per run: added to the
    gradient (L2), or subtracted from the weights if it is decoupled (AdamW; Loshchilov & Hutter 2019). If runs differ
    in the optimiser's own arguments (betas, momentum), each row is a parameter group of the inner optimiser.

    Args:
        weights: parameter name -> (runs, …).
        section: which optimiser.
        arguments: its own arguments, one mapping for each run; None for those of the section, for all runs.
        learning_rates, weight_decays: one for each run.
        clip_norms: the longest gradient of each run, over all its weights; None for no clipping.
        scale: factors on the losses, which their gradients have too; None without.

    Attributes:
        active: (runs,) which runs learn; the others keep their weights.
        factors: (runs,) the schedule's factors on the learning rates.
        gradient_norms: (runs,) of the last step, before clipping.
        healthy: (runs,) whether gradient and update of the last step were finite; if not, it was not taken.
    """

    add_param_group = without_compiler(torch.optim.Optimizer.add_param_group)

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        section: OptimizerSection,
        learning_rates: Sequence[float],
        weight_decays: Sequence[float],
        clip_norms: Sequence[float | None],
        arguments: Sequence[Mapping[str, Any]] | None = None,
        scale: LossScale | None = None,
    ) -> None:
        self.names, self.weights = list(weights), list(weights.values())
        super().__init__(self.weights, {})
        device, runs = self.weights[0].device, len(learning_rates)
        sizes = [weight[0].numel() for weight in self.weights]
        self.width = sum(sizes)
        self._ends = [sum(sizes[: position + 1]) for position in range(len(sizes))]
        self.gradients = torch.zeros(runs, -(-self.width // _ROW) * _ROW, device=device)
        self.steps = torch.zeros_like(self.gradients)
        kind = optimizer_class(section.kind)
        each = [dict(section.arguments)] * runs if arguments is None else [dict(one) for one in arguments]
        # one row for each run, or all rows at once if all runs have the same arguments
        self._rowwise = any(one != each[0] for one in each)
        self._moved = list(self.steps.split(1)) if self._rowwise else [self.steps]
        for steps, gradients in zip(self._moved, self.gradients.split(len(self._moved[0])), strict=True):
            steps.grad = gradients
        groups = [{"params": [steps], **one} for steps, one in zip(self._moved, each, strict=self._rowwise)]
        self.inner: torch.optim.Optimizer = kind(groups, lr=1.0, weight_decay=0.0)
        self.decoupled = section.kind == "AdamW" or bool(section.arguments.get("decoupled_weight_decay"))
        self.learning_rates = torch.tensor(learning_rates, dtype=torch.float32, device=device)
        self.weight_decays = torch.tensor(weight_decays, dtype=torch.float32, device=device)
        self.decays = any(weight_decays)
        longest = [float("inf") if norm is None else norm for norm in clip_norms]
        self.clip_norms = torch.tensor(longest, dtype=torch.float32, device=device)
        self.active = torch.ones(runs, dtype=torch.bool, device=device)
        self.healthy = torch.ones_like(self.active)
        self.factors = torch.ones_like(self.learning_rates)
        self.gradient_norms = torch.zeros_like(self.learning_rates)
        self._gradient_parts, self._step_parts = self._parts(self.gradients), self._parts(self.steps)
        self._fused = None
        self.scale = scale
        known = [] if scale else fused_optimizer(section.kind, each, self.weights)
        if known:
            decays = self.weight_decays if self.decays else None
            about = self.gradients, known, self.clip_norms, decays
            self._fused = FusedOptimizer(section.kind, self.weights, *about, decoupled=self.decoupled)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Clip, update, and leave the weights of runs that are not active, or not healthy, exactly as they are."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        if self._fused:
            fused = self.begin([None if weight.grad is None else weight.grad.contiguous() for weight in self.weights])
            rates, corrections, updates = self.coming(self.factors[None])
            fused.step(rates[0], corrections[0], updates[0])
            self.end(1)
            return loss
        gradients = [weight.grad if weight.grad is not None else torch.zeros_like(weight) for weight in self.weights]
        torch._foreach_copy_(self._gradient_parts, gradients)
        if self.scale:
            self.gradients /= self.scale.factors[:, None]
        self.gradient_norms = torch.linalg.vector_norm(self.gradients, dim=1)
        self.gradients *= (self.clip_norms / (self.gradient_norms + 1e-6)).clamp(max=1.0)[:, None]
        if self.scale:
            self._step_scaled(self.scale.left_out(self.gradient_norms))
            return loss
        self._step()
        self._move()
        return loss

    def scaled(self, losses: Tensor) -> Tensor:
        """Return the losses whose gradients a step takes: (runs,)."""
        return losses if self.scale is None else losses * self.scale.factors

    def _step_scaled(self, left_out: Tensor) -> None:
        """Step, but in the runs that leave the step out, whose moments stay too."""
        self.gradients.masked_fill_(left_out[:, None], 0.0)
        before = [
            {name: value.clone() for name, value in self.inner.state[moved].items() if isinstance(value, Tensor)}
            for moved in self._moved
        ]
        self._step()
        for kept, moved, out in zip(before, self._moved, left_out.split(len(self._moved[0])), strict=True):
            for name, value in self.inner.state[moved].items():
                if isinstance(value, Tensor) and value.shape == moved.shape:
                    value.copy_(torch.where(out[:, None], kept.get(name, torch.zeros_like(value)), value))
        self.steps.masked_fill_(left_out[:, None], 0.0)
        self._move()
        self.healthy |= left_out

    def _step(self) -> None:
        """Make the update of every row of the gradients that are there."""
        # a separate product with its own rounding: in some places of a row torch would fuse it with the addition
        shrunken = self._rows(self.weights) * self.weight_decays[:, None] if self.decays else None
        if shrunken is not None and not self.decoupled:
            self.gradients += shrunken
        self.steps.zero_()
        self.inner.step()
        if shrunken is not None and self.decoupled:
            self.steps -= shrunken
        self.steps *= (self.learning_rates * self.factors)[:, None]

    def begin(self, gradients: Sequence[Tensor | None]) -> FusedOptimizer:
        """Return the compiled steps, for gradients that are contiguous and shaped like the weights."""
        assert self._fused is not None
        for run, moved in enumerate(self._moved):
            self._fused.begin(self.inner.state[moved], moved, run)
        self._fused.place(gradients, [self.inner.state[moved] for moved in self._moved], self.active)
        return self._fused

    def coming(self, factors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what compiled steps need next, (steps, runs) each: rates and two corrections of the moments.

        Args:
            factors: of the schedule at each step, (steps, runs).
        """
        assert self._fused is not None
        taken = int(self.inner.state[self._moved[0]].get("step", 0))
        corrections, updates = self._fused.corrections(range(taken + 1, taken + 1 + len(factors)))
        return (self.learning_rates * factors).contiguous(), corrections, updates

    def end(self, count: int) -> None:
        """Note that so many compiled steps were taken."""
        assert self._fused is not None
        for moved in self._moved:
            if "step" in self.inner.state[moved]:
                self.inner.state[moved]["step"] += count
        self.gradient_norms, self.healthy = self._fused.norms, self._fused.healthy

    def _move(self) -> None:
        """Add the updates to the weights of the runs that are active and healthy."""
        # an update that is not finite would spoil the weights; a sum shows it much faster than a norm
        total = self.steps[:, : self.width].sum(dim=1)
        self.healthy = torch.isfinite(self.gradient_norms) & torch.isfinite(total)
        moving = self.active & self.healthy
        # asking a device would wait for it
        if not moving.is_cpu or not bool(moving.all()):
            self.steps.masked_fill_(~moving[:, None], 0.0)
        torch._foreach_add_(self.weights, self._step_parts)

    @property
    def compiled(self) -> bool:
        """Whether steps are taken in compiled code."""
        return bool(self._fused)

    def run_state(self, run: int) -> dict[str, Any]:
        """Return the inner optimiser's state of one run, for its checkpoint: name -> number, or parameter -> tensor."""
        moved, row = (self._moved[run], 0) if self._rowwise else (self.steps, run)
        state = self.inner.state.get(moved, {})
        return {
            name: {weight: part[row].clone() for weight, part in zip(self.names, self._parts(value), strict=True)}
            if isinstance(value, Tensor) and value.shape == moved.shape
            else value.clone()
            if isinstance(value, Tensor)
            else value
            for name, value in state.items()
        }

    def load_run_states(self, states: Sequence[Mapping[str, Any]], run: int) -> None:
        """Load the states of all runs, as :meth:`run_state` returns them.

        Args:
            states: one for each run; those of runs that no longer learn may be anything.
            run: one that still learns, for the numbers shared by the stack, such as the count of steps.
        """
        if not self._rowwise:
            self._load(self.steps, states, states[run])
            return
        for moved, state in zip(self._moved, states, strict=True):
            self._load(moved, [state], state)

    def _load(self, moved: Tensor, states: Sequence[Mapping[str, Any]], leader: Mapping[str, Any]) -> None:
        """Put the states of some runs into the inner optimiser's rows."""
        kept = dict(self.inner.state.get(moved, {}))
        for name, value in leader.items():
            if isinstance(value, Mapping):
                rows = kept[name].clone() if isinstance(kept.get(name), Tensor) else torch.zeros_like(moved)
                parts = self._parts(rows)
                for position, state in enumerate(states):
                    if isinstance(state.get(name), Mapping):
                        for weight, part in zip(self.names, parts, strict=True):
                            part[position] = state[name][weight]
                kept[name] = rows
            else:
                kept[name] = value.clone() if isinstance(value, Tensor) else value
        if kept:
            self.inner.state[moved] = kept

    def _parts(self, rows: Tensor) -> list[Tensor]:
        """Return views of the rows in the shapes of the weights."""
        begins = [0, *self._ends[:-1]]
        return [
            rows[:, begin:end].view(len(rows), *weight.shape[1:])
            for weight, begin, end in zip(self.weights, begins, self._ends, strict=True)
        ]

    def _rows(self, tensors: list[Tensor]) -> Tensor:
        rows = torch.zeros_like(self.gradients)
        torch._foreach_copy_(self._parts(rows), tensors)
        return rows
