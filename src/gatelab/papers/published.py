"""published.csv: what the paper's tables say, a number a row, each with its evidence and its source."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gatelab.papers.measures import MEASURES
from gatelab.papers.trials import RunGroup

__all__ = ["COLUMNS", "Published"]

COLUMNS = ("says", "variant", "where", "measure", "value", "unit", "evidence", "source", "not_comparable")


class Published(BaseModel):
    """One number of a paper, and the measure that gives ours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    says: str = Field(min_length=1)
    """What it is the number of."""
    variant: str = ""
    """The label of our runs; empty where we have none."""
    where: str = ""
    """Settings that pick runs out of those: ``optimizer.lr=0.1 model.hidden_size=4``."""
    measure: str = ""
    """A key of ``MEASURES``; empty where we measure no such number."""
    value: float
    unit: str = Field(min_length=1)
    evidence: Literal["V", "S", "M"]
    source: str = Field(min_length=1)
    """The paper, with table or section."""
    not_comparable: str = ""
    """Why there is no number of ours."""

    @field_validator("measure")
    @classmethod
    def _known(cls, measure: str) -> str:
        if measure and measure not in MEASURES:
            raise ValueError(f"must be one of {', '.join(MEASURES)}")
        return measure

    @model_validator(mode="after")
    def _compared_or_not(self) -> "Published":
        if bool(self.measure and self.variant) == bool(self.not_comparable):
            raise ValueError("variant and measure, or else not_comparable, must be given")
        return self

    @property
    def group(self) -> RunGroup:
        """The runs that the number is compared with."""
        words: dict[str, Any] = dict(word.split("=", 1) for word in self.where.split())
        return RunGroup(self.variant, words)
