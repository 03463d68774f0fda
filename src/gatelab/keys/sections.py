"""The sections of a configuration without a room of their own: model, optimizer, schedule, training, stack, logger."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gatelab.keys.key import Key

__all__ = [
    "ARGUMENTS",
    "Argument",
    "LoggerSection",
    "ModelSection",
    "OptimizerSection",
    "ScheduleSection",
    "StackSection",
    "TrainingSection",
    "WandbSection",
    "told_model",
]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        """Accept 1e4 as an integer; ``strict`` refuses true for 1."""
        return int(value) if isinstance(value, float) and value.is_integer() else value


class ModelSection(_Section):
    """The network around the variant."""

    hidden_size: Annotated[int, Key("units of each layer", told=True)] = Field(default=64, ge=1, le=2**16)
    num_layers: Annotated[int, Key("layers, one on top of the other", told=True)] = Field(default=1, ge=1, le=2**10)
    dropout: Annotated[float, Key("share of a layer's outputs that the next one reads as zero", stack=True)] = Field(
        default=0.0, ge=0, lt=1
    )
    zoneout_hidden: Annotated[
        float,
        Key("probability with which a unit of the hidden state keeps its value at a step", stack=True, neutral=0.0),
    ] = Field(default=0.0, ge=0, lt=1)
    zoneout_cell: Annotated[
        float, Key("the same for all other states of a unit, such as its cell", stack=True, neutral=0.0)
    ] = Field(default=0.0, ge=0, lt=1)
    """Drawn anew at every step of training; in evaluation a state is the mean of old and new (docs/training.md)."""
    recurrent_dropout: Annotated[
        float, Key("share of what a step adds to a state that is dropped; what is kept stays", stack=True, neutral=0.0)
    ] = Field(default=0.0, ge=0, lt=1)
    variational_dropout: Annotated[
        float,
        Key("share of the hidden state that matrices read as zero, the same at all steps of a sequence", stack=True,
            neutral=0.0),
    ] = Field(default=0.0, ge=0, lt=1)  # fmt: skip
    bidirectional: Annotated[bool, Key("whether a second network reads each sequence backwards")] = False
    embedding: Annotated[
        int | Literal["hidden"] | None,
        Key("features of a learned linear map below the first layer; hidden: as many as hidden_size"),
    ] = None
    """Tokens always have one, of hidden_size features where null."""
    direct: Annotated[
        bool, Key("whether weights also lead straight from what the first layer reads to the outputs", neutral=False)
    ] = False
    bias: Annotated[bool, Key("whether the readout has a bias", neutral=True)] = True
    match: Annotated[
        Literal["parameters", "multiply_adds"] | None,
        Key("parameters or multiply_adds: choose hidden_size to have as many as match_to", science=False),
    ] = None
    match_to: Annotated[str, Key("the variant to match", science=False)] = "lstm"
    match_size: Annotated[int | None, Key("its units; null for hidden_size", science=False)] = Field(
        default=None, ge=1, le=2**16
    )
    initial: Annotated[
        Literal["default", "uniform", "normal"],
        Key(
            "initial weights: as in torch, uniform in ±initial_scale, or normal with this deviation",
            stack=True,
        ),
    ] = "default"
    """For weights, biases and the readout; the default is uniform in ±1/√(features read). Values given by an equation
    or an opening overwrite these."""
    initial_scale: Annotated[float | None, Key("null if initial is default", stack=True)] = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _has_a_scale(self) -> "ModelSection":
        if self.initial == "default" and self.initial_scale is not None:
            raise ValueError(f"initial_scale={self.initial_scale:g}: initial=default has none; must be null")
        if self.initial != "default" and self.initial_scale is None:
            raise ValueError(f"initial={self.initial}: needs initial_scale, a number above 0")
        return self

    @field_validator("embedding", mode="before")
    @classmethod
    def _has_features(cls, value: Any) -> Any:
        features = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 2**16
        if value is not None and value != "hidden" and not features:
            raise ValueError(f"must be an integer from 1 to {2**16}, 'hidden' or null")
        return value


def told_model(model: Mapping[str, Any], science: Mapping[str, Any]) -> dict[str, Any]:
    """Return the science of a model section in the form for tables.

    If widths were matched, each variant has its own, and the shared setting is the matched quantity.
    """
    told = dict(science)
    if model.get("match"):
        if told["embedding"] == told.pop("hidden_size"):
            told["embedding"] = "hidden"
        told["match"] = f"{model['match']} of {model['match_to']} with {model['match_size']}"
    return told


class TrainingSection(_Section):
    """How a run is trained."""

    max_steps: Annotated[int, Key("steps of the optimizer at most", kind="stopping")] = Field(
        default=1000, ge=1, le=2**40
    )
    batch_size: Annotated[int, Key("sequences in a step", kind="data", told=True)] = Field(default=32, ge=1, le=2**20)
    clip_norm: Annotated[float | None, Key("largest norm of the gradient; null for no clipping", stack=True)] = Field(
        default=1.0, gt=0
    )
    validate_every: Annotated[int, Key("steps between validations", kind="stopping")] = Field(default=100, ge=1)
    patience: Annotated[
        int | None,
        Key("validations without a better score after which a run stops; null for never", stack=True, kind="stopping"),
    ] = Field(default=None, ge=1)
    stop_at: Annotated[
        float | None,
        Key("a run stops at the first validation with this score or better; null for never", stack=True,
            kind="stopping"),
    ] = None  # fmt: skip
    stop_on: Annotated[
        Literal["validation", "both"],
        Key("the scores that must reach stop_at: of validation, or both, of all training sequences too", stack=True,
            kind="stopping", neutral="validation"),
    ] = "validation"  # fmt: skip
    reduce: Annotated[
        Literal["mean", "sum"],
        Key("the loss of a batch: mean over its predictions, or sum over those of a sequence", stack=True,
            neutral="mean"),
    ] = "mean"  # fmt: skip
    """With sum each prediction counts as much as in any other sequence; over the sequences of a batch it is a mean."""
    truncate: Annotated[
        int | None,
        Key("steps of time in a step of the optimizer: the next go on from their state; null for whole sequences",
            neutral=None),
    ] = Field(default=None, ge=1)  # fmt: skip
    """Texts are then read as ``batch_size`` streams, from their beginning to their end (docs/training.md)."""
    update: Annotated[
        Literal["sequence", "step"],
        Key(
            "when weights change: after each sequence, or piece of one, or after every step of time", neutral="sequence"
        ),
    ] = "sequence"
    input_noise: Annotated[float, Key("standard deviation of normal noise on the inputs of training", stack=True)] = (
        Field(default=0.0, ge=0)
    )
    """Drawn anew at every step."""
    weight_noise: Annotated[
        float, Key("standard deviation of normal noise on every weight, drawn anew at every step", stack=True)
    ] = Field(default=0.0, ge=0)
    """Gradients are those at the noisy weights; the step is taken from the clean ones."""
    precision: Annotated[
        Literal["32", "bf16-mixed", "16-mixed"],
        Key("what the network is computed in: 32, bf16-mixed or 16-mixed, from weights in 32", neutral="32"),
    ] = "32"
    """As Lightning calls them; weights, optimiser and losses stay in single precision (docs/training.md)."""
    devices: Annotated[
        int,
        Key("processes that train one run together, each with its share of every batch and, with CUDA, its own GPU",
            science=False, neutral=1),
    ] = Field(default=1, ge=1, le=2**10)  # fmt: skip
    """All agree to rounding (docs/training.md)."""
    probes: Annotated[
        bool,
        Key("also record ranks of gates and the gradient against distance, at validations", stack=True, science=False,
            neutral=False),
    ] = False  # fmt: skip
    """They read the weights and change nothing: a run is the same with and without."""

    @field_validator("precision", mode="before")
    @classmethod
    def _named(cls, precision: Any) -> Any:
        # a file and a command line say 32 without quotes
        return "32" if precision == 32 and not isinstance(precision, bool) else precision


class ScheduleSection(_Section):
    """The learning rate over the steps."""

    name: Annotated[
        Literal["constant", "linear", "cosine", "plateau"], Key("the curve: constant, linear, cosine or plateau")
    ]
    warmup_steps: Annotated[int, Key("steps over which the learning rate first rises from 0")] = Field(default=0, ge=0)
    final: Annotated[float, Key("factor on the learning rate at the last step")] = Field(default=1.0, ge=0)
    patience: Annotated[
        int, Key("plateau: validations without a better score after which the learning rate drops, again and again",
                 neutral=10)
    ] = Field(default=10, ge=1)  # fmt: skip
    drop: Annotated[float, Key("plateau: factor on the learning rate at each drop", neutral=0.1)] = Field(
        default=0.1, gt=0, lt=1
    )

    def factor(self, step: int, max_steps: int, drops: int = 0) -> float:
        """Return the factor on the learning rate at a step, counted from 0, after so many drops of a plateau."""
        if drops:
            return self.drop**drops * self.factor(step, max_steps)
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, max_steps - 1 - self.warmup_steps)
        match self.name:
            case "constant" | "plateau":
                return 1.0
            case "linear":
                return 1 + (self.final - 1) * done
            case "cosine":
                return self.final + (1 - self.final) * (1 + math.cos(math.pi * done)) / 2


# The update of these depends only on gradients and weight decay, so that one call can step every run of a stack,
# each with its own learning rate and weight decay. (LBFGS needs a closure; ASGD and Adafactor look at the
# weights.)
_OPTIMIZERS = (
    "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "SGD",
)  # fmt: skip


_TARGETS = frozenset(f"torch.optim.{name}" for name in _OPTIMIZERS)


@dataclass(frozen=True)
class Argument:
    """The properties of an argument of an optimiser's class, which is a key of its section.

    Attributes:
        share: it is the share of the past in an average. torch refuses some values that make no average, but
            accepts 1 (nothing new ever counts) and more (the past grows).
        above_zero: at 0, a gradient of 0 would make a weight NaN.
    """

    key: Key
    share: bool = False
    above_zero: bool = False


ARGUMENTS: Mapping[str, Argument] = {
    "betas": Argument(Key("shares of the past in the averages of gradient and square", stack=True)),
    "momentum": Argument(Key("share of the past in the step", stack=True), share=True),
    "dampening": Argument(Key("share of the gradient that does not enter the momentum"), share=True),
    "alpha": Argument(Key("share of the past in the average of squares", stack=True), share=True),
    "rho": Argument(Key("share of the past in the averages of Adadelta", stack=True), share=True),
    "eps": Argument(Key("added to the denominator of the step", stack=True), above_zero=True),
}
"""The arguments with properties; all others of torch's class are allowed too."""


class OptimizerSection(_Section):
    """A first-order optimiser of torch.optim; keys beside these are its own arguments."""

    model_config = ConfigDict(extra="allow")

    target: Annotated[str, Key("a class of torch.optim", told=True)] = Field(alias="_target_")
    lr: Annotated[float, Key("learning rate", stack=True, told=True)] = Field(ge=0)
    weight_decay: Annotated[float, Key("weight decay", stack=True)] = Field(default=0.0, ge=0)
    normalize_momentum: Annotated[
        bool, Key("whether steps are multiplied by 1 - momentum; only for SGD", stack=True)
    ] = False
    """Then lr is the step for a constant gradient, for every momentum."""

    @field_validator("target")
    @classmethod
    def _allowed(cls, target: str) -> str:
        if target not in _TARGETS:
            raise ValueError(f"must be torch.optim. and one of {', '.join(_OPTIMIZERS)}")
        return target

    @property
    def kind(self) -> str:
        """Name of the class in torch.optim."""
        return self.target.removeprefix("torch.optim.")

    @property
    def rate(self) -> float:
        """The factor on the update: lr, normalised if ``normalize_momentum`` is set."""
        return self.lr * (1 - float(self.arguments.get("momentum", 0.0))) if self.normalize_momentum else self.lr

    @model_validator(mode="after")
    def _normalizes_its_own(self) -> "OptimizerSection":
        if self.normalize_momentum and self.kind != "SGD":
            raise ValueError(f"normalize_momentum=true: is for torch.optim.SGD, not for torch.optim.{self.kind}")
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the class beside learning rate and weight decay."""
        return dict(self.model_extra or {})


class StackSection(_Section):
    """How many runs train together."""

    size: Annotated[Literal["auto"] | int, Key("most runs that train together")] = "auto"

    @field_validator("size", mode="before")
    @classmethod
    def _positive(cls, size: Any) -> Any:
        if size != "auto" and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise ValueError("must be auto or an integer of at least 1")
        return size


class WandbSection(_Section):
    """The place of a run in Weights & Biases, and what is kept beside its numbers."""

    project: Annotated[str, Key("WANDB_PROJECT, if it is set")] = "gatelab"
    entity: Annotated[str | None, Key("WANDB_ENTITY, if it is set")] = None
    mode: Annotated[
        Literal["offline", "online", "disabled"], Key("offline, online or disabled; WANDB_MODE, if it is set")
    ] = "offline"
    checkpoints: Annotated[
        Literal["none", "best", "last"],
        Key("checkpoint kept as an artifact: none, best or last"),
    ] = "none"
    patience: Annotated[
        float, Key("most seconds for W&B to start, to log a row and to end; then the run continues without it")
    ] = Field(default=30.0, ge=0.1, le=86400)

    @field_validator("project")
    @classmethod
    def _named(cls, project: str) -> str:
        # what wandb.init refuses (wandb/sdk/wandb_settings.py, 0.31)
        if not 1 <= len(project) <= 128 or set(project) & set("/\\#?%:"):
            raise ValueError("must be 1 to 128 characters without / \\ # ? % :")
        return project


class _EmptySection(_Section):
    pass


class _MlflowSection(_Section):
    experiment: Annotated[str, Key("the experiment of MLflow")] = Field(default="gatelab", min_length=1)
    tracking_uri: Annotated[str | None, Key("storage of MLflow; null for a folder beside the runs")] = None


class LoggerSection(_Section):
    """Loggers of the history, each with its own options; absent ones are null."""

    wandb: Annotated[WandbSection | None, Key("Weights & Biases")] = None
    csv: Annotated[_EmptySection | None, Key("Lightning's CSVLogger")] = None
    tensorboard: Annotated[_EmptySection | None, Key("TensorBoard")] = None
    mlflow: Annotated[_MlflowSection | None, Key("MLflow")] = None
