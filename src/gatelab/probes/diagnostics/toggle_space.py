"""D6, toggle space: which directions of what a gate reads switch which units, and which of it are visited."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.compiler.affine import AffineTerm, affine_terms
from gatelab.probes.equation_values import evaluated
from gatelab.probes.trace import Model, Trace, check_finite, trace

__all__ = ["ToggleSpace", "effective_rank", "toggle_space"]

Array = NDArray[np.floating[Any]]
SAMPLES = 2000  # points of the image


@dataclass(frozen=True)
class ToggleSpace:
    """The affine map a = W v + b in a gate g = σ(a), and where data take it. v has no unit of its own.

    Attributes:
        gate: which.
        sources: what each piece of v is, with its features: (("x", 3), ("h", 8)).
        singular_values: (r,) of W, the largest first.
        left: (units, r) left singular vectors: units that are switched together.
        right: (features, r) right singular vectors: what throws the switch.
        blind: (features, n) an orthonormal basis of the directions of v that W does not see.
        rank: of W, numerically.
        effective_rank: exp of the entropy of the squared singular values as shares of their sum: how many directions
            carry what W passes on.
        shares: source -> its part in the variance of a over units, steps and sequences (with the bias, which varies
            over units): Cov(part, a)/Var(a). They sum to 1; one that works against the others has one below 0.
        visited_dimension: participation ratio (Σ λ)²/Σ λ² of the principal components of a over data.
        image: (samples, 2) gate values along their two leading principal components.
        image_steps: (samples, 2) step and sequence of each.
        to_corner: mean over units and data of min(g, 1 - g), from 0 at the corners of the cube to 0.5 in its middle.
    """

    gate: str
    sources: tuple[tuple[str, int], ...]
    singular_values: Array
    left: Array
    right: Array
    blind: Array
    rank: int
    effective_rank: float
    shares: Mapping[str, float]
    visited_dimension: float
    image: Array
    image_steps: NDArray[np.int64]
    to_corner: float

    def groups(self, count: int = 3) -> dict[str, list[int]]:
        """Return switch groups: each unit with the one of the leading directions that moves it most.

        >>> from gatelab.probes import toggle_space
        >>> found = toggle_space(gatelab.RNN("lstm", 3, 8), torch.randn(20, 4, 3))
        >>> sorted(unit for units in found.groups(2).values() for unit in units)
        [0, 1, 2, 3, 4, 5, 6, 7]
        """
        leading = np.abs(self.left * self.singular_values)[:, :count].argmax(-1)
        return {f"switch {number + 1}": np.flatnonzero(leading == number).tolist() for number in np.unique(leading)}


def toggle_space(model: Model, batch: Any, gate: str | None = None, layer: int = 0, direction: int = 0) -> ToggleSpace:
    """Return the affine map in a gate, its singular directions, and what of it data visit.

        >>> from gatelab.probes import toggle_space
        >>> found = toggle_space(gatelab.RNN("lstm", 3, 8), torch.randn(20, 4, 3))
        >>> found.gate, found.sources, found.rank, found.blind.shape
        ('f', (('x', 3), ('h', 8)), 8, (11, 3))

    Costs a forward pass and a singular value decomposition.

    Args:
        model, batch: as for all diagnostics.
        gate: which; None for the one that retains, or writes, or else the first that has a matrix.
        layer, direction: counted from 0.

    Raises:
        UserError: a gate that is no function of an affine map, such as 1 - f; a model, batch or layer that does not
            fit.
    """
    found = trace(model, batch, "find toggle space in", layer, direction)
    name, terms = affine_terms(found.variant, gate, "toggle space")
    with torch.no_grad():
        values = found.value(name)[found.valid].double().cpu().numpy()
        units = values.shape[-1]
        matrices = _matrices(found, terms, units)
        each = _parts(found, terms, units).items()
        check_finite("pre-activations", *(part[found.valid] for _, part in each))
    parts = {source: part[found.valid].double().cpu().numpy() for source, part in each}
    whole = np.concatenate([matrix.double().cpu().numpy() for matrix in matrices.values()], -1)
    left, singular, right = np.linalg.svd(whole, full_matrices=True)
    rank = int((singular > singular[0] * max(whole.shape) * np.finfo(np.float32).eps).sum()) if singular[0] else 0
    sampled = np.linspace(0, len(values) - 1, min(SAMPLES, len(values))).astype(np.int64)
    pre_activation = np.asarray(sum(parts.values()))
    return ToggleSpace(
        gate=name,
        sources=tuple((source, matrix.shape[-1]) for source, matrix in matrices.items()),
        singular_values=singular,
        left=left[:, : len(singular)],
        right=right[: len(singular)].T,
        blind=right[rank:].T,
        rank=rank,
        effective_rank=effective_rank(singular**2),
        shares=_shares(parts, pre_activation),
        visited_dimension=_participation(pre_activation),
        image=_leading_two(values)[sampled],
        image_steps=found.valid.nonzero().cpu().numpy()[sampled],
        to_corner=float(np.minimum(values, 1 - values).mean()),
    )


def effective_rank(squared: Array) -> float:
    """Return exp of the entropy of squared singular values as shares of their sum; 0 of a matrix of zeros."""
    share = squared[squared > 0] / squared.sum()
    return float(np.exp(-(share * np.log(share)).sum())) if len(share) else 0.0


def _matrices(found: Trace, terms: tuple[AffineTerm, ...], units: int) -> dict[str, Tensor]:
    """Return source -> its whole matrix, (units, features); maps of one source are added."""
    matrices: dict[str, Tensor] = {}
    for term in terms:
        if term.weight is not None:
            weight = found.weights[term.weight]
            matrix = term.scale * (torch.diag(weight.expand(units)) if term.diagonal else weight)
            matrices[term.source] = matrices[term.source] + matrix if term.source in matrices else matrix
    return matrices


def _parts(found: Trace, terms: tuple[AffineTerm, ...], units: int) -> dict[str, Tensor]:
    """Return source -> what it adds to the pre-activation, (time, batch, units)."""
    shape = (*found.inputs.shape[:2], units)
    parts: dict[str, Tensor] = {}
    for term in terms:
        read = evaluated(term.read, found.surroundings)
        if term.weight is not None:
            weight = found.weights[term.weight]
            read = read * weight if term.diagonal else read.expand(*shape[:2], weight.shape[-1]) @ weight.T
        part = (term.scale * read).expand(shape)
        parts[term.source] = parts[term.source] + part if term.source in parts else part
    return parts


def _shares(parts: Mapping[str, Array], whole: Array) -> dict[str, float]:
    moved = whole - whole.mean()
    variance = float((moved**2).mean())
    return {
        source: float(((part - part.mean()) * moved).mean()) / variance if variance else float("nan")
        for source, part in parts.items()
    }


def _participation(values: Array) -> float:
    spread = np.linalg.svd(values - values.mean(0), compute_uv=False) ** 2
    return float(spread.sum() ** 2 / (spread**2).sum()) if spread.any() else 0.0


def _leading_two(values: Array) -> Array:
    """Return (samples, 2) along the two leading principal components; zero where there are fewer."""
    centred = values - values.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    image = np.zeros((len(values), 2))
    image[:, : min(2, len(axes))] = centred @ axes[:2].T
    return image
