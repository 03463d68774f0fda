"""What a gate's file holds: the variant, sizes and options, where it comes from, and the tensors that these need."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, field_validator, model_serializer
from torch import Tensor

from gatelab.compiler import parameter_shapes
from gatelab.language import Variant
from gatelab.layers.openings import OPENINGS

__all__ = ["Content", "NetworkFacts", "RNNFacts"]

_LARGEST = 2**20  # features or units: a file asks for no more
_MOST_LAYERS = 2**10


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class RNNFacts(_Facts):
    """Sizes and options of a :class:`gatelab.RNN`, without the variant: its arguments."""

    input_size: int = Field(ge=1, le=_LARGEST)
    hidden_size: int = Field(ge=1, le=_LARGEST)
    num_layers: int = Field(ge=1, le=_MOST_LAYERS)
    bias: bool
    batch_first: bool
    dropout: float = Field(ge=0, lt=1)
    bidirectional: bool
    recompute: int | None = Field(ge=1, le=2**31 - 1)
    opening: dict[str, Any] | None
    """The keys of an opening; None for none, and for one of another package, which reading would have to import."""

    @field_validator("opening")
    @classmethod
    def _is_ours(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and value.get("name") not in OPENINGS:
            raise ValueError(f"must be one of {', '.join(OPENINGS)}")
        return value


class NetworkFacts(_Facts):
    """What a :class:`gatelab.Network` has around its RNN."""

    input_size: int = Field(ge=1, le=_LARGEST)
    output_size: int = Field(ge=1, le=_LARGEST)
    readout: Literal["last", "every"]
    embedding: int | None = Field(ge=1, le=_LARGEST)
    tokens: bool
    direct: bool = False
    bias: bool = True

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is usual: a file of a network without either is read by older versions too."""
        facts: dict[str, Any] = handler(self)
        usual = {"direct": False, "bias": True}
        return {name: value for name, value in facts.items() if name not in usual or value is not usual[name]}


@dataclass(frozen=True)
class Content:
    """The content of a file.

    Attributes:
        variant: the equations.
        rnn: sizes and options.
        network: what stands around the RNN; None for an RNN alone.
        origin: plain values that say where the weights come from: task, score, seed, steps, versions.
        tensors: name -> tensor, the names of ``state_dict()``; without tensors where only the header was read.
    """

    variant: Variant
    rnn: RNNFacts
    network: NetworkFacts | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many tensors the file must have, without listing them."""
        first, above = (len(self._layer_shapes(size)) for size in self.sources())
        layers = self.rnn.num_layers - 1
        facts = self.network
        around = 0 if facts is None else 1 + facts.bias + facts.direct + (facts.embedding is not None)
        return self._directions * (first + layers * above) + around

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield name and shape of every tensor that the file must have."""
        sources = self.sources()
        prefix = "rnn." if self.network is not None else ""
        if self.network is not None and self.network.embedding is not None:
            yield "embedding", (self.network.input_size, self.network.embedding)
        of_layer = [self._layer_shapes(size) for size in sources]
        for index in range(self.rnn.num_layers * self._directions):
            for name, shape in of_layer[index >= self._directions].items():
                yield f"{prefix}layers.{index}.{name}", shape
        if self.network is not None:
            yield "readout.weight", (self.network.output_size, self.rnn.hidden_size * self._directions)
            if self.network.bias:
                yield "readout.bias", (self.network.output_size,)
            if self.network.direct:
                yield "direct.weight", (self.network.output_size, self.network.embedding or self.network.input_size)

    @property
    def parameters(self) -> int:
        """How many numbers the tensors have."""
        return sum(math.prod(shape) for _, shape in self.shapes())

    def of_rnn(self) -> dict[str, Tensor]:
        """Return the tensors of the RNN by the names of its own ``state_dict()``."""
        if self.network is None:
            return dict(self.tensors)
        mine = {name: tensor for name, tensor in self.tensors.items() if name.startswith("rnn.")}
        return {name.removeprefix("rnn."): tensor for name, tensor in mine.items()}

    def sources(self) -> tuple[int, int]:
        """Return the features that the first layer and those above it read."""
        return self.rnn.input_size, self.rnn.hidden_size * self._directions

    @property
    def _directions(self) -> int:
        return 2 if self.rnn.bidirectional else 1

    def _layer_shapes(self, source: int) -> dict[str, tuple[int, ...]]:
        return parameter_shapes(self.variant, source, self.rnn.hidden_size)
