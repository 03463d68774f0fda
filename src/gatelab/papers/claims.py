"""claims.yaml: what the paper states, each statement tied to a check that runs can pass or fail."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, field_validator

from gatelab.errors import UserError, suggest
from gatelab.papers.checks import CHECKS
from gatelab.papers.checks.check import Check
from gatelab.validation import check

__all__ = ["PaperClaim", "PaperClaims"]


class PaperClaim(BaseModel):
    """One statement."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    says: str = Field(min_length=1)
    evidence: Literal["V", "S", "M", "X"]
    """As in published.csv; X: our own question, which the paper does not answer."""
    source: str = Field(min_length=1)
    """The paper, with table or section; of our own questions, why they are asked."""
    check: SerializeAsAny[Check] | None = None
    """None where nothing of ours can say anything to it."""
    not_comparable: str = ""
    """Why not."""

    @field_validator("check", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Check | None:
        if value is None:
            return None
        if not isinstance(value, Mapping) or len(value) != 1:
            raise ValueError(f"must be one check with its arguments; checks are {', '.join(CHECKS)}")
        ((name, arguments),) = value.items()
        if name not in CHECKS:
            raise ValueError(f"unknown check '{name}'{suggest(str(name), CHECKS)}; checks are {', '.join(CHECKS)}")
        try:
            return check(CHECKS[name], arguments, str(name))
        except UserError as error:
            raise ValueError(str(error)) from None

    @field_validator("not_comparable")
    @classmethod
    def _one_of_both(cls, reason: str, info: Any) -> str:
        # a check that is wrong has been told already
        if "check" in info.data and bool(reason) == (info.data["check"] is not None):
            raise ValueError("check, or else not_comparable, must be given")
        return reason


class PaperClaims(BaseModel):
    """The content of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    solved: float
    """The score from which a run has solved the task, in the unit of the score."""
    claims: tuple[PaperClaim, ...]

    @field_validator("claims")
    @classmethod
    def _some(cls, claims: tuple[PaperClaim, ...]) -> tuple[PaperClaim, ...]:
        if not claims:
            raise ValueError("must have at least one claim")
        return claims
