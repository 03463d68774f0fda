"""The keys of a task on your own table."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gatelab.tasks.finite_task import FiniteTask
from gatelab.tasks.sources.checksum import Sha256

__all__ = ["Encoding", "Fitted", "SeriesKeys"]

Share = Annotated[float, Field(gt=0, lt=1)]


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class Encoding(_Stored):
    """How the values of a column become numbers: (value - shift) / scale, or the place of a word."""

    column: str
    mean: float = 0.0
    shift: float = 0.0
    scale: float = Field(default=1.0, gt=0)
    words: tuple[str, ...] = ()
    """Of a category: those of training, in order. A word that is not among them is read as zeros."""


class Fitted(_Stored):
    """What was fitted on the training part, so that other data can be read as this run read its own."""

    inputs: tuple[Encoding, ...]
    targets: tuple[Encoding, ...]
    classes: tuple[str, ...] = ()
    interval: Encoding | None = None
    """Of the time since the step before."""
    unseen: Encoding | None = None
    """Of the time since a value was last seen."""


class SeriesKeys(FiniteTask):
    """The keys; null means that the data decide, and the run's configuration keeps what they decided."""

    path: str | None = None
    """A file, a folder of files, or the name of a data set of Hugging Face."""
    sha256: Sha256 | None = None
    """Hash of the content of the table; null computes it."""
    form: Literal["long", "wide"] | None = None
    """Long: a row is a step. Wide: a row is a series, and its columns are the steps."""
    inputs: tuple[str, ...] | None = Field(default=None, min_length=1)
    target: tuple[str, ...] | None = Field(default=None, min_length=1)
    series: str | None = None
    """The column that says to which series a row belongs."""
    time: str | None = None
    """The column by which the rows of a series are put in order."""
    weight: str | None = None
    goal: Literal["classes", "numbers", "forecast"] | None = None
    per: Literal["series", "step"] | None = None
    """One target for each series, or one at each step."""
    horizon: int | None = Field(default=None, ge=1)
    """Forecast the next so many values of the targets, at every step."""
    missing: Literal["mean", "last", "mask", "interval", "observed"] | None = None
    """What stands for a missing input: the mean of training, or the value last seen; mask adds an input that is 1 where
    there is a value; interval adds that and the time since a value was last seen; observed is the mean, and hands what
    was observed to equations that read ``mask``. Null refuses missing inputs."""
    intervals: bool | Literal["dt"] = False
    """Whether the time since the step before is an input; dt hands it to equations that read ``dt``, in mean intervals
    of training, 0 at the first step."""
    categories: Literal["one_hot", "tokens"] = "one_hot"
    """Tokens: a single input of words, for which the network learns embeddings."""
    scale: Literal["standard", "range", "none"] = "standard"
    """Numbers of training get mean 0 and deviation 1, or the range 0 to 1."""
    split: str | None = None
    """series, time, files, or a column: of the words train, valid and test, or of groups that stay together."""
    validation_share: Share = 0.15
    test_share: Share = 0.15
    data_seed: int = Field(default=0, ge=0)
    duplicates: Literal["refuse", "keep"] = "refuse"
    """Whether series of the same inputs may be in two parts: refuse draws them together, and refuses files or a column
    that have them apart."""
    length: int | None = Field(default=None, ge=1)
    """Steps of the pieces to which series are cut where a target stands at every step. Each begins without memory."""
    fitted: Fitted | None = None
    """Scaling and classes as training had them: written by the run, and no part of its identity."""

    @field_validator("inputs", "target", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """Accept a list (from YAML), or a single name; a column may have a number as its name."""
        if isinstance(value, str | int) and not isinstance(value, bool):
            value = [value]
        return tuple(str(one) if type(one) is int else one for one in value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _fits_together(self) -> SeriesKeys:
        if self.validation_share + self.test_share >= 1:
            shares = f"validation_share={self.validation_share:g} and test_share={self.test_share:g}"
            raise ValueError(f"{shares}: must sum to less than 1")
        if self.horizon is not None and self.goal not in (None, "forecast"):
            raise ValueError(f"horizon={self.horizon}: is of a forecast, not of goal={self.goal}; must be null")
        if self.goal == "forecast" and self.horizon is None:
            raise ValueError("goal=forecast: needs horizon, the number of values to forecast")
        if self.per == "series" and (self.horizon is not None or self.length is not None):
            key = "horizon" if self.horizon is not None else "length"
            raise ValueError(f"per=series: one target for each series leaves no {key}; it must be null")
        roles = [*(self.inputs or ()), self.series, self.time, self.weight]
        if self.horizon is None:
            roles += self.target or ()
        named = [role for role in roles if role is not None]
        if twice := next((role for role in named if named.count(role) > 1), None):
            raise ValueError(f"column '{twice}' has two roles; a target or an index among the inputs tells the answer")
        return self
