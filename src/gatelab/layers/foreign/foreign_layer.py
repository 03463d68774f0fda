"""A foreign variant: paths, runs, padding and the loop over time around one step written in PyTorch."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gatelab.errors import UserError
from gatelab.language.foreign import FOREIGN, ForeignVariant
from gatelab.layers.layer import RecurrentLayer, Runner
from gatelab.layers.traced_call import seen_by_jit
from gatelab.paths import PATHS, able, path_named, reference
from gatelab.paths.call import Keep, Outputs
from gatelab.paths.choice import Choice, say_once
from gatelab.paths.lengths import unless_full
from gatelab.paths.native.checks import foreign_fault
from gatelab.paths.padding import ending, filled, started, steps_valid
from gatelab.paths.recomputing import run_again
from gatelab.paths.tensors import check_kinds

__all__ = ["ForeignLayer"]


class ForeignLayer(RecurrentLayer):
    """A layer whose step is written in PyTorch, for one run, and, for the native path, in C for all steps.

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

    @abstractmethod
    def no_compiled_steps(self, dtype: torch.dtype) -> str | None:
        """Return why there is no compiled code for a dtype on this machine, or None."""

    @abstractmethod
    def compiled_steps(
        self,
        weights: Mapping[str, Tensor],
        inputs: Tensor,
        states: Mapping[str, Tensor],
        lengths: Tensor | None,
        record: Sequence[str],
    ) -> Outputs:
        """Run all steps of one run in compiled code, as the loop runs :meth:`step`.

        Args:
            weights: as in :meth:`step`.
            inputs: (time, batch, input), at least one step of one sequence.
            states: state -> (batch, size).
            lengths: (batch,) valid steps, or None.
            record: gates whose values are returned too.
        """

    def state_sizes(self) -> dict[str, int]:
        return self._facts().state_sizes(self.hidden_size)

    def runner(self, learned: Mapping[str, Tensor]) -> Runner:
        def run(
            inputs: Tensor,
            states: Mapping[str, Tensor],
            lengths: Tensor | None,
            record: Sequence[str],
            keep: Keep = "tape",
        ) -> Outputs:
            check_kinds(inputs, states, learned)
            chosen = self._chosen(inputs, states, learned)
            native = chosen.path != reference().name
            if self.path == "auto" and not native and not torch.compiler.is_compiling():
                say_once(chosen)
            if inputs.dim() == 3:
                return self._one_run(learned, inputs, states, lengths, record, keep, native=native)
            count = len(inputs)
            each = zip(
                _of_runs(learned, count),
                inputs.unbind(),
                _of_runs(states, count),
                (None,) * count if lengths is None else lengths.expand(count, inputs.shape[-2]).unbind(),
                strict=True,
            )
            runs = [self._one_run(*arguments, record, keep, native=native) for arguments in each]
            outputs, finals, recorded = zip(*runs, strict=True)
            return torch.stack(outputs), _stacked(finals), _stacked(recorded)

        return run

    def choice(self, inputs: Tensor) -> Choice:
        batch = (*inputs.shape[:-3], inputs.shape[-2])
        states = {state: inputs.new_zeros(*batch, size) for state, size in self.state_sizes().items()}
        return self._chosen(inputs, states, self.learned())

    def _facts(self) -> ForeignVariant:
        assert self.variant.foreign is not None
        return FOREIGN[self.variant.foreign]

    def _chosen(self, inputs: Tensor, states: Mapping[str, Tensor], learned: Mapping[str, Tensor]) -> Choice:
        """Return the path that runs, and why. Raises UserError if one was asked for that cannot."""
        asked, native, last = path_named(self.path), PATHS[0], reference()
        if asked is last:
            return Choice(last.name, "asked for")
        if asked is not None and asked.foreign_limits() is not None:
            allowed = ", ".join(["auto", *(path.name for path in able(self.variant) if path is not last)])
            why = f"variant '{self.variant.name}' is foreign"
            raise UserError(f"path={self.path} cannot run: {why}; must be {allowed} or {last.name}")
        reason = self._refusal(inputs, states, learned)
        if reason is None:
            return Choice(native.name, "the fastest that can run" if asked is None else "asked for")
        if asked is not None:
            raise UserError(f"path={self.path} cannot run: {reason}")
        return Choice(last.name, f"{native.name} cannot run: {reason}")

    def _refusal(self, inputs: Tensor, states: Mapping[str, Tensor], learned: Mapping[str, Tensor]) -> str | None:
        """Return why compiled code does not run on these tensors, or None."""
        if torch.compiler.is_compiling() or seen_by_jit():
            return f"variant '{self.variant.name}' is foreign, of which a tracer sees the loop"
        if not inputs.numel():
            return "there is nothing to run"
        return foreign_fault(inputs, states, learned) or self.no_compiled_steps(inputs.dtype)

    def _one_run(
        self,
        weights: Mapping[str, Tensor],
        inputs: Tensor,
        states: Mapping[str, Tensor],
        lengths: Tensor | None,
        record: Sequence[str],
        keep: Keep,
        *,
        native: bool,
    ) -> Outputs:
        steps = self.compiled_steps if native else self._steps
        if keep == "tape":
            return steps(weights, inputs, states, lengths, record)
        return run_again(
            lambda weights, inputs, states: steps(weights, inputs, states, lengths, record), weights, inputs, states
        )

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
