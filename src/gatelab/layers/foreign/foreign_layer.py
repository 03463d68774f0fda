"""A foreign variant: the loop over time, padding and runs around one step written in PyTorch."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gatelab.errors import UserError
from gatelab.language.foreign import FOREIGN, ForeignVariant
from gatelab.layers.layer import RecurrentLayer, Runner
from gatelab.paths import path_named, reference
from gatelab.paths.call import Keep, Outputs
from gatelab.paths.choice import Choice
from gatelab.paths.lengths import unless_full
from gatelab.paths.padding import ending, filled, started, steps_valid
from gatelab.paths.recomputing import run_again
from gatelab.paths.tensors import check_kinds

__all__ = ["ForeignLayer"]


class ForeignLayer(RecurrentLayer):
    """A layer whose step is written in PyTorch, for one run.

    The runs of a stack are computed one after the other: slower than a stack of equations, with the bits of each run
        alone.
    """

    @abstractmethod
    def step(
        self, weights: Mapping[str, Tensor], x: Tensor, states: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Run one step of one run.

        Args:
            weights: parameter name -> tensor, without a run axis; not those of ``self``, which may have one.
            x: (batch, input).
            states: state -> (batch, size), whatever its shape within the step.

        Returns:
            output (batch, hidden), the new states, and every gate that can be recorded, (batch, size).
        """

    def state_sizes(self) -> dict[str, int]:
        return self._facts().state_sizes(self.hidden_size)

    def runner(self, learned: Mapping[str, Tensor]) -> Runner:
        self._check_path()

        def run(
            inputs: Tensor,
            states: Mapping[str, Tensor],
            lengths: Tensor | None,
            record: Sequence[str],
            keep: Keep = "tape",
        ) -> Outputs:
            check_kinds(inputs, states, learned)
            if inputs.dim() == 3:
                return self._one_run(learned, inputs, states, lengths, record, keep)
            count = len(inputs)
            each = zip(
                _of_runs(learned, count),
                inputs.unbind(),
                _of_runs(states, count),
                (None,) * count if lengths is None else lengths.expand(count, inputs.shape[-2]).unbind(),
                strict=True,
            )
            runs = [self._one_run(*arguments, record, keep) for arguments in each]
            outputs, finals, recorded = zip(*runs, strict=True)
            return torch.stack(outputs), _stacked(finals), _stacked(recorded)

        return run

    def choice(self, inputs: Tensor) -> Choice:
        self._check_path()
        return Choice(reference().name, "the variant is foreign")

    def _facts(self) -> ForeignVariant:
        assert self.variant.foreign is not None
        return FOREIGN[self.variant.foreign]

    def _check_path(self) -> None:
        if path_named(self.path) not in (None, reference()):
            raise UserError(
                f"path={self.path} cannot run: variant '{self.variant.name}' is foreign; must be auto or "
                f"{reference().name}"
            )

    def _one_run(
        self,
        weights: Mapping[str, Tensor],
        inputs: Tensor,
        states: Mapping[str, Tensor],
        lengths: Tensor | None,
        record: Sequence[str],
        keep: Keep,
    ) -> Outputs:
        arguments = (weights, inputs, states, lengths, record)
        if keep == "tape":
            return self._steps(*arguments)
        return run_again(
            lambda weights, inputs, states: self._steps(weights, inputs, states, lengths, record),
            weights, inputs, states,
        )  # fmt: skip

    def _steps(
        self,
        weights: Mapping[str, Tensor],
        inputs: Tensor,
        states: Mapping[str, Tensor],
        lengths: Tensor | None,
        record: Sequence[str],
    ) -> Outputs:
        lengths = unless_full(lengths, len(inputs))
        valid = None if lengths is None else steps_valid(lengths, len(inputs))
        # as in the loop: a sequence that has ended keeps its states, outputs zeros and repeats its last step
        finals = dict(states)
        old = {name: started(value, lengths) for name, value in finals.items()}
        outputs: list[Tensor] = []
        recorded: dict[str, list[Tensor]] = {name: [] for name in record}
        for number, x in enumerate((inputs if lengths is None else filled(inputs, lengths)).unbind()):
            now = None if valid is None else valid[number]
            output, fresh, gates = self.step(weights, x, old)
            outputs.append(ending(output, now, 0.0))
            for name, values in recorded.items():
                values.append(ending(gates[name], now, 0.0))
            finals = fresh if now is None else {name: ending(fresh[name], now, finals[name]) for name in fresh}
            if number + 1 < len(inputs):
                after = None if valid is None else valid[number + 1]
                old = {name: ending(value, after, old[name].detach()) for name, value in fresh.items()}
        if not outputs:
            empty = inputs.new_zeros(*inputs.shape[:-1], self.hidden_size)
            return empty, finals, dict.fromkeys(record, empty)
        return torch.stack(outputs), finals, {name: torch.stack(values) for name, values in recorded.items()}


def _of_runs(values: Mapping[str, Tensor], count: int) -> list[dict[str, Tensor]]:
    """Split all values along the run axis, once for all runs."""
    cut = {name: value.unbind() for name, value in values.items()}
    return [{name: runs[index] for name, runs in cut.items()} for index in range(count)]


def _stacked(runs: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([values[name] for values in runs]) for name in runs[0]}
