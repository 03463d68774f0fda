"""Openings: the initial biases of the gates, by roles: an opening does not depend on the variant."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from gatelab.errors import UserError, suggest
from gatelab.language import Variant
from gatelab.language.tree import Read, walk
from gatelab.language.word_table import ROLES
from gatelab.locations import conf_directory
from gatelab.outside import Named, entry_point_names, outside_class
from gatelab.reading import read_yaml
from gatelab.validation import check

if TYPE_CHECKING:
    from gatelab.layers.rnn import RNN

__all__ = [
    "OPENINGS",
    "Chrono",
    "Default",
    "Given",
    "One",
    "Opening",
    "Uniform",
    "Zero",
    "as_opening",
    "load_opening",
    "opened_biases",
    "opening_class",
    "opening_from_mapping",
    "own_mapping",
]

_WITHOUT_A_TASK = 100  # steps, the largest time of chrono


class Opening(Named, ABC):
    """Initial values of biases; the fields are the keys of a file of conf/opening/."""

    source: str = ""

    def check(self, variant: Variant) -> None:
        """Raise a UserError if the variant has no gate for this opening."""

    def fitted(self, steps: Callable[[], int]) -> Self:
        """Return the opening for training sequences of so many steps: this one, if they do not matter."""
        return self

    @abstractmethod
    def apply(self, rnn: "RNN", random: np.random.Generator) -> None:
        """Set the biases of every layer of an RNN, in place."""


class Default(Opening):
    """Biases keep their random values, uniform in ±1/√hidden as in torch.nn.LSTM."""

    name: Literal["default"]

    def apply(self, rnn: "RNN", random: np.random.Generator) -> None:
        """Change nothing."""


class Zero(Opening):
    """Every bias is 0: gates start half open."""

    name: Literal["zero"]

    def apply(self, rnn: "RNN", random: np.random.Generator) -> None:
        """Set every bias to 0."""
        _clear(rnn)


class _GateOpening(Opening):
    """Every bias is 0, except those that control how much of the state is retained."""

    @abstractmethod
    def retain(self, hidden_size: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Return the bias of the retaining gate, (hidden,), or of the length of a foreign variant's gate."""

    @property
    def closes_write(self) -> bool:
        """Whether a separate writing gate gets the negated bias."""
        return False

    def check(self, variant: Variant) -> None:
        """Raise a UserError if no equation with a bias has the role retain, write or opening."""
        if not any(opened_biases(variant)):
            raise UserError(
                f"opening={self.name}: variant '{variant.name}' has no gate with a bias whose role is retain, write or "
                "opening; allowed: default, zero"
            )

    def apply(self, rnn: "RNN", random: np.random.Generator) -> None:
        """Set the gates' biases and clear the others."""
        self.check(rnn.variant)
        retaining, writing = opened_biases(rnn.variant)
        _clear(rnn)
        for layer in rnn.layers:
            bias = self.retain(layer.get_parameter((*retaining, *writing)[0]).numel(), random)
            for name in retaining:
                layer.set_parameter(name, bias)
            for name in writing:
                if self.closes_write or not retaining:
                    layer.set_parameter(name, -bias)


class One(_GateOpening):
    """The retaining gate's bias is 1 (or another number), so that it starts open."""

    name: Literal["one"]
    value: float = Field(default=1.0, allow_inf_nan=False)

    def retain(self, hidden_size: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Return the constant."""
        return np.full(hidden_size, self.value)


class Chrono(_GateOpening):
    """Bias log U(1, max_time − 1): units start with memories of up to max_time steps; the writing gate gets -bias."""

    name: Literal["chrono"]
    max_time: int | None = Field(default=None, ge=3)
    """Steps; null takes the steps of a training sequence of the task, and 100 where there is no task."""

    def fitted(self, steps: Callable[[], int]) -> Self:
        """Return the opening whose largest time is the length of the task, unless one is given."""
        return self if self.max_time is not None else self.model_copy(update={"max_time": max(3, steps())})

    @property
    def closes_write(self) -> bool:
        """The paper sets the input gate's bias to minus the forget gate's."""
        return True

    def retain(self, hidden_size: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Draw the bias (Tallec & Ollivier 2018, equation 16)."""
        return np.log(random.uniform(1, (self.max_time or _WITHOUT_A_TASK) - 1, hidden_size))


class Uniform(_GateOpening):
    """The retaining gate starts uniform in (1/hidden, 1 − 1/hidden): every time scale has some units."""

    name: Literal["uniform"]

    def retain(self, hidden_size: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Draw the bias, the logit of a uniform number (Gu et al. 2020, section 3.1); a single unit starts at 1/2."""
        edge = min(1 / hidden_size, 0.5)
        share = random.uniform(edge, 1 - edge, hidden_size)
        return np.log(share) - np.log1p(-share)


class Given(Opening):
    """Biases listed for each role, assigned to the units in turn; all others keep their random values.

    Some papers give blocks of cells staggered biases, so that they are used one after the other.
    """

    name: Literal["given"]
    retain: tuple[float, ...] | None = Field(default=None, min_length=1)
    write: tuple[float, ...] | None = Field(default=None, min_length=1)
    expose: tuple[float, ...] | None = Field(default=None, min_length=1)

    @field_validator("retain", "write", "expose", mode="before")
    @classmethod
    def _numbers(cls, value: object) -> object:
        """Accept a list (from YAML), or a single number for all units."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return (float(value),)
        return tuple(value) if isinstance(value, list) else value

    @classmethod
    def roles(cls) -> tuple[str, ...]:
        """Return the roles that can have numbers."""
        return tuple(role for role in ROLES if role in cls.model_fields)

    def check(self, variant: Variant) -> None:
        """Raise a UserError for a number of a role that no gate with a bias has.

        A variant without any role has no gates: its biases stay random, and it can be swept beside others.
        """
        for role in self._listed if variant.roles else ():
            if not _own(variant, variant.roles.get(role)):
                raise UserError(
                    f"opening.{role}: variant '{variant.name}' has no {role} gate with a bias; must be null"
                )

    @property
    def _listed(self) -> dict[str, tuple[float, ...]]:
        roles = {role: getattr(self, role) for role in self.roles()}
        return {role: values for role, values in roles.items() if values is not None}

    def apply(self, rnn: "RNN", random: np.random.Generator) -> None:
        """Set the biases of the listed roles."""
        self.check(rnn.variant)
        for layer in rnn.layers:
            for role, values in self._listed.items():
                for name in _own(rnn.variant, rnn.variant.roles.get(role)):
                    layer.set_parameter(name, np.resize(np.array(values), layer.get_parameter(name).numel()))


OPENINGS: dict[str, type[Opening]] = {
    "chrono": Chrono,
    "default": Default,
    "given": Given,
    "one": One,
    "uniform": Uniform,
    "zero": Zero,
}


def load_opening(name: str) -> Opening:
    """Return the opening of a file of conf/opening/.

    Raises:
        UserError: there is none of this name; the message suggests the nearest.
    """
    file = conf_directory() / "opening" / f"{name}.yaml"
    return opening_from_mapping(read_yaml(file) if name in OPENINGS else {"name": name})


def as_opening(opening: "str | Mapping[str, object] | Opening | None") -> Opening | None:
    """Return the opening given by its name, its keys or an object; None for none."""
    if isinstance(opening, str):
        return load_opening(opening)
    return opening if opening is None or isinstance(opening, Opening) else opening_from_mapping(opening)


def own_mapping(opening: Opening | None) -> dict[str, object] | None:
    """Return the keys of one of our openings; None for none, and for one that a reader would have to import."""
    return opening.model_dump(mode="json") if opening is not None and opening.name in OPENINGS else None


def opening_from_mapping(mapping: Mapping[str, object]) -> Opening:
    """Return the opening that the keys of a file of conf/opening/ describe.

    Raises:
        UserError: an unknown name or key, or a wrong value.
    """
    if not isinstance(mapping, Mapping):
        raise UserError(f"opening={mapping}: must be a mapping")
    if "name" not in mapping:
        raise UserError(f"key 'opening.name' is missing; allowed: {', '.join(OPENINGS)}")
    kind = opening_class(mapping["name"], "opening.name")
    # null for a number that this opening lacks is ignored: in a sweep over openings another one has it
    known = kind.model_fields
    return check(kind, {k: v for k, v in mapping.items() if v is not None or k in known}, "opening")


def opening_class(name: object, key: str) -> type[Opening]:
    """Return the class of an opening: one of ``OPENINGS``, or one from outside gatelab if the user has allowed it.

    Raises:
        UserError: there is none of the name, or as :func:`gatelab.outside.outside_class`; ``key`` says where it stands.
    """
    found = OPENINGS.get(name) if isinstance(name, str) else None
    found = found or (outside_class(name, "opening", Opening, key) if isinstance(name, str) else None)
    if found is None:
        known = [*OPENINGS, *entry_point_names("opening")]
        raise UserError(f"unknown opening '{name}'{suggest(str(name), known)}; allowed: {', '.join(known)}")
    return found


def opened_biases(variant: Variant) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the biases of the retaining and of the writing gate, by parameter name.

    The equation with the role ``opening``, if there is one, is used for the retaining gate. A retaining gate without a
    bias uses that of the equations it reads, unless the writing gate has one: in 1 − f it is f's.
    """
    if "opening" in variant.roles:
        return _own(variant, variant.roles["opening"]), ()
    retaining = _own(variant, variant.roles.get("retain"))
    writing = _own(variant, variant.roles.get("write"))
    if not retaining and not writing and "retain" in variant.roles:
        retaining = _read(variant, variant.roles["retain"])
    return retaining, writing


def _own(variant: Variant, equation: str | None) -> tuple[str, ...]:
    kinds = ("bias", "vector") if equation is not None and equation == variant.roles.get("opening") else ("bias",)
    return tuple(p.name for p in variant.parameters if p.equation == equation and p.kind in kinds)


def _read(variant: Variant, equation: str) -> tuple[str, ...]:
    """Return the biases of the first equations below this one, this step, that have any."""
    nodes = [node for node in walk(variant.trees[equation]) if isinstance(node, Read) and node.when == "now"]
    sources = [node.name for node in nodes if node.name not in variant.states]
    found = [_own(variant, source) or _read(variant, source) for source in dict.fromkeys(sources)]
    return tuple(name for names in found for name in names)


def _clear(rnn: "RNN") -> None:
    for layer in rnn.layers:
        for parameter in rnn.variant.parameters:
            if parameter.kind == "bias":
                layer.set_parameter(parameter.name, np.zeros(layer.get_parameter(parameter.name).shape))
