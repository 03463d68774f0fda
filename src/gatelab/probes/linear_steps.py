"""The steps of a layer linearised where they were taken: adjoints go back through a step, tangents ahead, by path."""

from collections import defaultdict
from collections.abc import Hashable, Mapping
from typing import TypeVar

import torch
from torch import Tensor
from torch.func import vjp

from gatelab.compiler.linearised import KEPT, Edge, Matrix, PathName, RowSlope, edges, followed, gate_names
from gatelab.probes.equation_values import element_wise, evaluated
from gatelab.probes.trace import Trace

__all__ = ["LinearSteps"]

Vectors = dict[str, Tensor]
"""State, or x -> (…, batch, size)."""

_Place = int | slice
_Key = TypeVar("_Key", bound=Hashable)
_WHOLE = PathName("kept")


class LinearSteps:
    """∂s_t/∂s_{t-1} and ∂s_t/∂x_t at every step of a trace, never written out as matrices.

    Every diagonal is computed once for all steps. A step is an index; ``slice(None)`` takes all steps at once, each by
    itself.

    Args:
        trace: the steps.
        gradients: whether ``stop`` and its like count, so that adjoints are those of the backward pass in training;
            else derivatives are those of the values.
    """

    def __init__(self, trace: Trace, *, gradients: bool = False) -> None:
        self.trace = trace
        variant = trace.variant if gradients else trace.variant.values_only()
        self.gated = gate_names(variant)
        given = trace.surroundings
        self._edges: dict[str, list[tuple[Edge, list[_Factor]]]] = {}
        for equation, known in edges(variant).items():
            self._edges[equation] = []
            for edge in known:
                factors: list[_Factor] = []
                for factor in edge.factors:
                    match factor:
                        case Matrix(weight=weight):
                            factors.append(_Map(trace.weights[weight]))
                        case RowSlope(function=function, argument=argument):
                            factors.append(_Row(function, evaluated(argument, given)))
                        case _:
                            factors.append(_Scale(evaluated(factor, given)))
                self._edges[equation].append((edge, factors))

    def back(self, step: _Place, adjoints: Mapping[str, Tensor]) -> Vectors:
        """Hand adjoints of equations back through a step.

        Args:
            step: which.
            adjoints: equation -> (…, batch, size).

        Returns:
            ``x`` and state of the step before -> its adjoint; what nothing reaches is left out.
        """
        return self._back(step, adjoints, by_path=False).get(_WHOLE, {})

    def back_by_path(self, step: _Place, adjoints: Mapping[str, Tensor]) -> dict[PathName, Vectors]:
        """Hand adjoints back as :meth:`back` does, each path of :mod:`gatelab.compiler.linearised` by itself."""
        return self._back(step, adjoints, by_path=True)

    def _back(self, step: _Place, adjoints: Mapping[str, Tensor], *, by_path: bool) -> dict[PathName, Vectors]:
        arrived: dict[str, dict[PathName, Tensor]] = defaultdict(dict)
        for equation, adjoint in adjoints.items():
            arrived[equation][KEPT] = adjoint
        found: dict[PathName, Vectors] = {}
        for equation in reversed(self._edges):
            for path, adjoint in arrived.pop(equation, {}).items():
                for edge, factors in self._edges[equation]:
                    part = adjoint
                    for factor in factors:
                        part = factor.back(part, step)
                    onto = followed(path, edge, self.gated) if by_path else _WHOLE
                    if edge.source.when == "now":
                        _add(arrived[edge.source.name], onto, part)
                    else:
                        _add(found.setdefault(onto, {}), edge.source.name, part)
        return found

    def ahead(self, step: _Place, tangents: Mapping[str, Tensor]) -> Vectors:
        """Return state -> the change of its new value, (…, batch, size), for changes of the states before the step."""
        changes: dict[str, Tensor] = {}
        for equation, known in self._edges.items():
            for edge, factors in known:
                change = (changes if edge.source.when == "now" else tangents).get(edge.source.name)
                if change is not None:
                    for factor in reversed(factors):
                        change = factor.ahead(change, step)
                    _add(changes, equation, change)
        return {name: changes[name] for name in self.trace.variant.states if name in changes}

    def kept(self, state: str) -> dict[str, Tensor]:
        """Return state of the step before -> what of it is kept in a state: its diagonal, (time, batch, size)."""
        ones = torch.ones_like(self.trace.previous[state])
        kept = self.back_by_path(slice(None), {state: ones}).get(KEPT, {})
        return {source: part.expand(ones.shape) for source, part in kept.items() if source != "x"}


def _add(sums: dict[_Key, Tensor], name: _Key, part: Tensor) -> None:
    sums[name] = sums[name] + part if name in sums else part


class _Scale:
    """A diagonal matrix: (time, batch, size), or what all steps have alike."""

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def back(self, adjoint: Tensor, step: _Place) -> Tensor:
        return adjoint * _at(self.values, step)

    ahead = back


class _Map:
    """A learned matrix."""

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight

    def back(self, adjoint: Tensor, step: _Place) -> Tensor:
        return adjoint @ self.weight

    def ahead(self, tangent: Tensor, step: _Place) -> Tensor:
        return tangent @ self.weight.T


class _Row:
    """The derivative of a row function at its arguments."""

    def __init__(self, function: str, arguments: Tensor) -> None:
        self.function, self.arguments = element_wise(function), arguments

    def back(self, adjoint: Tensor, step: _Place) -> Tensor:
        pulled: Tensor = vjp(self.function, _at(self.arguments, step).expand(adjoint.shape))[1](adjoint)[0]
        return pulled

    def ahead(self, tangent: Tensor, step: _Place) -> Tensor:
        # what goes back is linear in the adjoint, and its transpose goes ahead
        back = vjp(self.function, _at(self.arguments, step).expand(tangent.shape))[1]
        pushed: Tensor = vjp(lambda adjoint: back(adjoint)[0], torch.zeros_like(tangent))[1](tangent)[0]
        return pushed


_Factor = _Scale | _Map | _Row


def _at(values: Tensor, step: _Place) -> Tensor:
    return values[step] if values.dim() == 3 else values
