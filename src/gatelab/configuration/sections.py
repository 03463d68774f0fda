"""The sections of a configuration that belong to no other room: model, optimizer, schedule, training, stack, logger."""

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = [
    "LoggerSection",
    "ModelSection",
    "OptimizerSection",
    "ScheduleSection",
    "StackSection",
    "TrainingSection",
    "WandbSection",
]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        """Take 1e4 for the integer that it is; ``strict`` refuses true for 1."""
        return int(value) if isinstance(value, float) and value.is_integer() else value


class ModelSection(_Section):
    """The network around the variant."""

    hidden_size: int = Field(ge=1, le=2**16)
    num_layers: int = Field(ge=1, le=2**10)
    dropout: float = Field(ge=0, lt=1)
    bidirectional: bool
    embedding: int | Literal["hidden"] | None = None
    """Features of a learned linear map of the inputs below the first layer; ``hidden`` for as many as hidden_size.
    Tokens always have one, of hidden_size features where null."""
    match: Literal["parameters", "multiply_adds"] | None = None
    """What the network is to have as many of as that of the variant ``match_to`` with ``match_size`` units has; the
    hidden_size follows from it."""
    match_to: str = "lstm"
    match_size: int | None = Field(default=None, ge=1, le=2**16)
    """Null for what hidden_size says."""
    initial: Literal["default", "uniform", "normal"] = "default"
    """How weights, biases and the readout start: uniform in ±1/√(features read) as torch's do, uniform in
    ±initial_scale, or normal with that standard deviation. What an equation or an opening sets, it sets afterwards."""
    initial_scale: float | None = Field(default=None, gt=0)
    """Null where initial is default."""

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


class TrainingSection(_Section):
    """How a run is fitted."""

    max_steps: int = Field(ge=1, le=2**40)
    batch_size: int = Field(ge=1, le=2**20)
    clip_norm: float | None = Field(gt=0)
    validate_every: int = Field(ge=1)
    patience: int | None = Field(ge=1)
    stop_at: float | None = None
    """A run stops at the first validation with this score or a better one; null for never."""
    input_noise: float = Field(default=0.0, ge=0)
    """Standard deviation of the normal noise on every input of training, drawn anew at every step."""
    weight_noise: float = Field(default=0.0, ge=0)
    """Likewise on every learned number: gradients are those at the noisy weights, and the clean ones are stepped."""


class ScheduleSection(_Section):
    """How the learning rate goes over the steps."""

    name: Literal["constant", "linear", "cosine"]
    warmup_steps: int = Field(default=0, ge=0)
    final: float = Field(default=1.0, ge=0)

    def factor(self, step: int, max_steps: int) -> float:
        """Return what the learning rate is multiplied with at a step, counted from 0."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, max_steps - 1 - self.warmup_steps)
        match self.name:
            case "constant":
                return 1.0
            case "linear":
                return 1 + (self.final - 1) * done
            case "cosine":
                return self.final + (1 - self.final) * (1 + math.cos(math.pi * done)) / 2


# The update of these follows from gradients and weight decay alone, so that one call can step every run of a stack,
# each with a learning rate and a weight decay of its own. (LBFGS needs a closure; ASGD and Adafactor look at the
# weights.)
_OPTIMIZERS = (
    "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "SGD",
)  # fmt: skip
_NOT_OURS = ("params", "lr", "weight_decay", "maximize", "foreach", "capturable", "differentiable", "fused")


class OptimizerSection(_Section):
    """A first-order optimiser of torch.optim; keys beside these are its own arguments."""

    model_config = ConfigDict(extra="allow")

    target: str = Field(alias="_target_")
    lr: float = Field(ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    normalize_momentum: bool = False
    """Whether steps are multiplied by 1 - momentum, so that lr says how far a constant gradient leads, whatever the
    momentum; of SGD alone."""

    @field_validator("target")
    @classmethod
    def _allowed(cls, target: str) -> str:
        if target not in {f"torch.optim.{name}" for name in _OPTIMIZERS}:
            raise ValueError(f"must be torch.optim. and one of {', '.join(_OPTIMIZERS)}")
        return target

    @property
    def kind(self) -> str:
        """Name of the class in torch.optim."""
        return self.target.removeprefix("torch.optim.")

    @property
    def rate(self) -> float:
        """What the bare update is multiplied with: lr, normalised if so asked for."""
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

    def argument_defaults(self) -> dict[str, Any]:
        """Return the arguments that the class takes beside learning rate and weight decay, with their defaults."""
        import inspect

        import torch

        parameters = inspect.signature(getattr(torch.optim, self.kind)).parameters
        return {name: parameter.default for name, parameter in parameters.items() if name not in _NOT_OURS}


class StackSection(_Section):
    """How runs share a fit."""

    size: Literal["auto"] | int

    @field_validator("size", mode="before")
    @classmethod
    def _positive(cls, size: Any) -> Any:
        if size != "auto" and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise ValueError("must be auto or an integer of at least 1")
        return size


class WandbSection(_Section):
    """Where Weights & Biases keeps a run, and what beside its numbers."""

    project: str = "gatelab"
    entity: str | None = None
    mode: Literal["offline", "online", "disabled"] = "offline"
    checkpoints: Literal["none", "best", "last"] = "none"
    """Which checkpoint of a finished run is an artifact."""
    patience: float = Field(default=30.0, ge=0.1, le=86400)
    """Seconds that W&B may take to begin, to take a row, and to end; then the run goes on without it."""

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
    experiment: str = Field(default="gatelab", min_length=1)
    tracking_uri: str | None = None


class LoggerSection(_Section):
    """Mirrors of the history, each with its own options; absent ones are null."""

    wandb: WandbSection | None = None
    csv: _EmptySection | None = None
    tensorboard: _EmptySection | None = None
    mlflow: _MlflowSection | None = None
