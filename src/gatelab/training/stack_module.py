"""The runs of one stack while they are trained; a single run is a stack of one."""

import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gatelab.configuration import RunConfiguration
from gatelab.layers.network import Network
from gatelab.store import ClaimLost
from gatelab.training.carrying import ReadPiece, States, advanced, carried_on, zero_states
from gatelab.training.coming_factors import ComingFactors
from gatelab.training.compiled_head import ReadRows, compiled_loss, head_losses
from gatelab.training.learning import Progress
from gatelab.training.loss_scale import LossScale
from gatelab.training.mixed_precision import half_of, halved, halved_batch
from gatelab.training.optimizer import StackOptimizer
from gatelab.training.pieces import pieces_of
from gatelab.training.process_group import Rank
from gatelab.training.stack import expectations
from gatelab.training.stack_batches import EvaluationBatches, StackBatch
from gatelab.training.unread_health import UnreadHealth
from gatelab.training.weight_noise import with_noise
from gatelab.training.weighted import averages, mean_losses, totals

__all__ = ["Progress", "StackModule"]


class StackModule(nn.Module):
    """Many runs of one network, trained at once, each as if it were trained alone.

    The network's weights carry a leading run axis; computations of different runs never mix.
    Each run keeps its own clip norm, learning rate and schedule. A run that diverges or whose patience has run out is
    frozen, and the others continue. Lightning is not needed: ``lightning_loop.py`` wraps a stack where Lightning takes
    its steps.

    Args:
        configurations: the runs, which agree in everything but the stackable keys.
        template: their network.
        weights: stacked initial weights, parameter name -> (runs, …).
        rank: which of the processes of a run this is, where it has several.

    Attributes:
        progress: of each run.
        taken: steps that the stack has taken.
        fallen: runs found to have diverged in a step and not yet recorded.
        training_losses: (runs,) for each step since the last validation.
        measured: (loss, score) of each run in the last validation, or on test.
        validated_at: the steps taken before the last validation; None before the first.
        judged: the runs that were still learning when the last validation began.
        drops: of each learning rate before the last step, on plateaus of the validation score.
        loop: what takes its steps: "direct", or "Lightning: " and the reason; empty before the first.
        together: how many runs predict a batch at once where no gradients are wanted; None for all.
    """

    def __init__(
        self,
        configurations: Sequence[RunConfiguration],
        template: Network,
        weights: dict[str, Tensor],
        rank: Rank | None = None,
    ) -> None:
        super().__init__()
        self.configurations = list(configurations)
        self.task = configurations[0].task
        self.names = list(weights)
        self.stacked = nn.ParameterList([nn.Parameter(weights[name]) for name in self.names])
        # outside the module tree: only its structure is used, never its weights
        self._template = (template,)
        template.rnn.expected = expectations(self.configurations, template)
        self.progress = [Progress() for _ in configurations]
        self.taken = 0
        self.fallen: list[int] = []
        self.training_losses: list[Tensor] = []
        self.measured: list[tuple[float, float]] = []
        self.validated_at: int | None = None
        self.judged: list[int] = []
        self.drops = [0] * len(self.configurations)
        self.loop = ""
        self.together: Callable[[StackBatch], int] | None = None
        self.pieces = pieces_of(configurations[0])
        self.rank = rank or Rank()
        self.carried: States = []  # with which the next piece begins; empty for zeros
        self._half = half_of(configurations[0].training.precision)
        self._sums: list[Tensor] = []
        self._unread = UnreadHealth()
        self._factors = ComingFactors(self.configurations)

    @property
    def template(self) -> Network:
        """The network whose structure the runs share."""
        return self._template[0]

    def weights(self) -> dict[str, Tensor]:
        """Return the stacked weights, parameter name -> (runs, …)."""
        return dict(zip(self.names, self.stacked, strict=True))

    def run_weights(self, run: int) -> dict[str, Tensor]:
        """Return a copy of one run's weights."""
        return {name: weight[run].detach().clone() for name, weight in self.weights().items()}

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.stacked[0].device

    @cached_property
    def stack_optimizer(self) -> StackOptimizer:
        """The one optimiser of the stack; the same one in every fit, because it keeps its state between them."""
        return StackOptimizer(
            self.weights(),
            self.configurations[0].optimizer,
            [configuration.optimizer.rate for configuration in self.configurations],
            [configuration.optimizer.weight_decay for configuration in self.configurations],
            [configuration.training.clip_norm for configuration in self.configurations],
            [configuration.optimizer.arguments for configuration in self.configurations],
            scale=LossScale(len(self.configurations), self.device) if self._half == torch.float16 else None,
        )

    @property
    def active(self) -> bool:
        """Whether any run still learns."""
        return any(progress.active for progress in self.progress)

    @property
    def divides(self) -> bool:
        """Whether half of the runs or more no longer learn: the others are faster as a smaller stack.

        Only after a validation, and before the last step: a due validation must not be skipped.
        """
        if not self.validated_at == self.taken < self.configurations[0].training.max_steps:
            return False
        learning = sum(progress.active for progress in self.progress)
        return 0 < 2 * learning <= len(self.progress)

    @property
    def due(self) -> bool:
        """Whether a validation is due after the steps taken."""
        return self.active and self.taken > 0 and self._falls and self.validated_at != self.taken

    @property
    def _falls(self) -> bool:
        training = self.configurations[0].training
        return self.taken % training.validate_every == 0 or self.taken == training.max_steps

    def forward(self, batch: StackBatch) -> Tensor:
        """Predict: (runs, batch, output) or (runs, time, batch, output).

        A batch without run axis is used for every run.
        """
        weights, runs = self.weights(), len(self.configurations)
        together = self.together(batch) if self.together and not torch.is_grad_enabled() else runs
        if together >= runs:
            return self._predicted(weights, batch)
        groups = zip(*(weight.split(together) for weight in weights.values()), strict=True)
        return torch.cat([self._predicted(dict(zip(weights, group, strict=True)), batch) for group in groups])

    @cached_property
    def compiled_loss(self) -> int | None:
        """Which compiled readout and loss training uses; None where torch computes them."""
        return None if self._half else compiled_loss(self.task, self.template, self.device)

    def _losses(self, weights: dict[str, Tensor], batch: StackBatch) -> Tensor:
        """Return the mean loss of each run, (runs,), at some weights."""
        about = batch.targets, batch.loss_weights, batch.divisors
        if self.compiled_loss is None:
            return mean_losses(self.task, self._predicted(weights, batch), *about)
        below = {f"network.{name}": weight for name, weight in weights.items()}
        rows = functional_call(ReadRows(self.template), below, (batch.inputs, batch.lengths, batch.masks, batch.drawn))
        return head_losses(self.compiled_loss, rows, weights, *about)

    def _predicted(self, weights: dict[str, Tensor], batch: StackBatch) -> Tensor:
        weights, batch = halved(weights, self._half), halved_batch(batch, self._half)
        inputs, lengths = batch.inputs, batch.lengths
        if inputs.dim() == (2 if self.template.tokens else 3):
            runs = len(weights[self.names[0]])
            inputs = inputs.expand(runs, *inputs.shape)
            lengths = None if lengths is None else lengths.expand(runs, *lengths.shape)
        output: Tensor = functional_call(self.template, weights, (inputs, lengths, batch.masks, batch.drawn))
        return output.float()

    def take_step(
        self,
        batch: StackBatch,
        backward: Callable[[Tensor], None] = Tensor.backward,
        move: Callable[[], Any] | None = None,
    ) -> None:
        """Take one step in every active run.

        Args:
            batch: of the step.
            backward: differentiates the sum of all losses.
            move: lets the optimiser step; None for the optimiser's own step.
        """
        self.set_factors()
        weights = with_noise(self.weights(), self.configurations, self.taken)
        means = self._losses(weights, batch) if self.pieces is None else self._of_piece(weights, batch)
        for weight in self.stacked:
            weight.grad = None
        backward(self.rank.loss(self.stack_optimizer.scaled(means), self.stacked))
        (move or self.stack_optimizer.step)()
        self.taken_with(self.rank.total(means.detach()))

    def _of_piece(self, weights: dict[str, Tensor], batch: StackBatch) -> Tensor:
        """Return the mean losses of a piece that goes on from the one before; keep the states for the next one."""
        assert self.pieces is not None
        weights, batch = halved(weights, self._half), halved_batch(batch, self._half)
        piece, given = self.pieces.of(self.taken), ReadPiece(batch.inputs, batch.lengths, batch.masks, batch.drawn)
        runs, sequences = batch.lengths.shape
        fresh = piece.fresh or not self.carried
        if fresh:
            states = zero_states(self.template, runs, sequences, self.stacked[0].detach())
        else:
            states = [{name: self.rank.part(one, 1) for name, one in layer.items()} for layer in self.carried]
        states = halved(states, self._half)
        outputs, finals = carried_on(self.template, weights, given, states)
        if piece.kept < piece.stop - piece.start:
            finals = advanced(self.template, weights, given, states, piece.kept)
        # of the whole batch, as a checkpoint needs them
        self.carried = [
            {name: self.rank.together(one.detach().float(), 1) for name, one in layer.items()} for layer in finals
        ]
        return mean_losses(self.task, outputs.float(), batch.targets, batch.loss_weights, batch.divisors)

    def set_factors(self) -> None:
        """Give the optimiser the schedule's factors of the next step."""
        self.drops = [progress.drops for progress in self.progress]
        # not of the index of a batch, which starts at 0 also in a resumed run
        self.stack_optimizer.factors = self._factors.at(self.taken, self.drops, self.device)

    def coming_factors(self, count: int) -> Tensor:
        """Return the schedule's factors of the next steps, (steps, runs)."""
        self.drops = [progress.drops for progress in self.progress]
        return self._factors.of(range(self.taken, self.taken + count), self.drops)

    def taken_with(self, means: Tensor) -> None:
        """Count steps whose mean losses were these, (runs,) or (steps, runs), and freeze the runs that have diverged.

        Only in the last of them may one have.
        """
        each = means.unbind() if means.dim() > 1 else [means]
        self.training_losses += each
        self.taken += len(each)
        # the update is checked too: one that is not finite would spoil the weights before the next loss shows it
        healthy = torch.isfinite(each[-1]) & self.stack_optimizer.healthy
        if self._unread.note(self.taken, healthy, self.stack_optimizer) or self._falls:
            self.look()

    def look(self) -> None:
        """Read the health of the steps since the last look, and freeze the runs that have diverged."""
        steps, healthy, norms = self._unread.read()
        for run, progress in enumerate(self.progress):
            if progress.active and steps:
                ill = next((place for place, step in enumerate(healthy) if not step[run]), None)
                progress.steps = steps[-1 if ill is None else ill]
                if ill is not None:
                    progress.diverged_at = progress.steps
                    self.fallen.append(run)
                    self._freeze(run, norms[ill])

    def _freeze(self, run: int, norms: Tensor | None = None) -> None:
        self.progress[run].optimizer_state = self.stack_optimizer.run_state(run)
        norms = self.stack_optimizer.gradient_norms if norms is None else norms
        self.progress[run].gradient_norm = float(norms[run])
        self.tell_active()

    def tell_active(self) -> None:
        """Set which runs the optimiser updates."""
        active = [progress.active for progress in self.progress]
        self.stack_optimizer.active = torch.tensor(active, device=self.stack_optimizer.active.device)

    def lose(self, run: int, lost: ClaimLost) -> None:
        """Freeze a run that another process has taken over, and print a line on stderr."""
        print(f"warning: {lost}; this process stops training it", file=sys.stderr)
        self.progress[run].lost = True
        self._freeze(run)

    def begin_evaluation(self) -> None:
        """Reset the sums of validation or test."""
        self._sums = []
        self.drops = [progress.drops for progress in self.progress]

    def evaluate(self, batch: StackBatch) -> None:
        """Add up loss and score of every run over one shared batch."""
        if self.rank.takes(len(self._sums)):
            sums = torch.stack([totals(self.task, predicted, batch) for predicted in self(batch)])
        else:
            # another process has them; where one of two addends is 0 the sum is exact
            sums = torch.zeros(len(self.configurations), 4, dtype=torch.float64, device=self.device)
        self._sums.append(sums)

    def end_validation(self) -> None:
        """Compute each run's loss and score, and keep the best weights so far."""
        self.measured = self._measured()
        self.validated_at = self.taken
        self.judged = [run for run, progress in enumerate(self.progress) if progress.active]
        learnt = self._learnt()
        for run in self.judged:
            self._judge(run, *self.measured[run], learnt=learnt[run])

    def _learnt(self) -> list[bool]:
        """Return of each run whether its training set allows it to stop: whether all of it is good enough, if asked."""
        asked = [
            run
            for run in self.judged
            if self.configurations[run].training.stop_on == "both" and self._reached(run, self.measured[run][1])
        ]
        learnt = [configuration.training.stop_on == "validation" for configuration in self.configurations]
        training = self.task.training_set() if asked else None
        if training is None:
            return learnt
        sums = [
            torch.stack([totals(self.task, predicted, batch) for predicted in self(batch)])
            for batch in (part.moved(self.device) for part in EvaluationBatches(training))
        ]
        scores = [score for _, score in averages(sums)]
        return [learnt[run] or (run in asked and self._reached(run, score)) for run, score in enumerate(scores)]

    def _reached(self, run: int, score: float) -> bool:
        target, sign = self.configurations[run].training.stop_at, 1 if self.task.higher_is_better else -1
        return target is not None and sign * score >= sign * target

    def _judge(self, run: int, loss: float, score: float, *, learnt: bool) -> None:
        """Follow a run's validation score.

        A run that must have learnt its training set too stops with its current weights, whose validation score may be
        no better than that of an earlier step.
        """
        progress, training = self.progress[run], self.configurations[run].training
        sign = 1 if self.task.higher_is_better else -1
        stops = learnt and self._reached(run, score)
        if not (isfinite(loss) and isfinite(score)):
            progress.diverged_at = self.taken
        elif progress.best_step is None or sign * score > sign * progress.best[1] or stops:
            progress.best_step, progress.best, progress.stale = self.taken, (loss, score), 0
            progress.best_weights = self.run_weights(run)
            progress.stopped = stops
        else:
            progress.stale += 1
            schedule = self.configurations[run].schedule
            progress.drops += schedule.name == "plateau" and progress.stale % schedule.patience == 0
            progress.stopped = training.patience is not None and progress.stale >= training.patience
        if not progress.active:
            self._freeze(run)

    def end_test(self) -> None:
        """Compute each run's loss and score on test."""
        self.measured = self._measured()

    def _measured(self) -> list[tuple[float, float]]:
        return averages(self.rank.total(torch.stack(self._sums)).unbind())

    @torch.no_grad()
    def load_best(self) -> None:
        """Give every run its best weights."""
        for run, progress in enumerate(self.progress):
            for name, best in progress.best_weights.items():
                self.weights()[name][run] = best
