"""What is wrong with a mapping, in one line: nested models, several faults, and each kind of rule."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gatelab.errors import UserError
from gatelab.validation import check


class Schedule(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    warmup: int = Field(default=0, ge=0)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    kind: Literal["adam", "sgd"] = "adam"
    clip: float | None = Field(default=None, lt=10)
    shuffle: bool = True
    schedule: Schedule | None = None
    parts: dict[str, Schedule] = {}

    @model_validator(mode="after")
    def _rule(self) -> "Settings":
        if self.kind == "sgd" and self.lr > 1:
            raise ValueError("kind=sgd needs lr of at most 1")
        return self


def test_a_valid_mapping_becomes_an_instance():
    settings = check(Settings, {"lr": 1, "schedule": {"warmup": 3}}, "optimizer")
    assert settings == Settings(lr=1.0, schedule=Schedule(warmup=3))


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        ({}, "key 'optimizer.lr' is missing"),
        ({"lr": 0}, "optimizer.lr=0: must be greater than 0"),
        ({"lr": "fast"}, "optimizer.lr=fast: must be a number"),
        ({"lr": float("nan")}, "optimizer.lr=nan: must be a finite number"),
        ({"lr": 1, "clip": 10}, "optimizer.clip=10: must be less than 10"),
        ({"lr": 1, "kind": "adan"}, "optimizer.kind=adan: must be 'adam' or 'sgd' (did you mean 'adam'?)"),
        ({"lr": 1, "shuffle": 1}, "optimizer.shuffle=1: must be true or false"),
        ({"lr": 1, "schedule": 5}, "optimizer.schedule=5: must be a mapping"),
        ({"lr": 1, "schedule": {"warmup": -1}}, "optimizer.schedule.warmup=-1: must be at least 0"),
        (
            {"lr": 1, "schedule": {"warnup": 1}},
            "unknown key 'optimizer.schedule.warnup' (did you mean 'warmup'?); allowed: warmup",
        ),
        ({"lr": 1, "parts": {"a": {"b": 1}}}, "unknown key 'optimizer.parts.a.b'"),
        ({"lr": 2, "kind": "sgd"}, "optimizer: kind=sgd needs lr of at most 1"),
        (
            {"lr": 0, "shuffle": "no"},
            "optimizer.lr=0: must be greater than 0; optimizer.shuffle=no: must be true or false",
        ),
        (
            {"lr": 1, 3: 4},
            "unknown key 'optimizer.3'; allowed: lr, kind, clip, shuffle, schedule, parts",
        ),
        ([1], "optimizer=[1]: must be a mapping"),
    ],
)
def test_each_fault_is_told_in_one_line(mapping, line):
    with pytest.raises(UserError) as refused:
        check(Settings, mapping, "optimizer")
    assert str(refused.value) == line


def test_at_the_top_keys_have_no_prefix():
    with pytest.raises(UserError, match=r"^lr=0: must be greater than 0$"):
        check(Settings, {"lr": 0}, "")
    with pytest.raises(UserError, match=r"^kind=sgd needs lr of at most 1$"):
        check(Settings, {"lr": 2, "kind": "sgd"}, "")


def test_a_long_value_is_shortened_and_stays_on_one_line():
    with pytest.raises(UserError) as refused:
        check(Settings, {"lr": "a\nb " * 100}, "")
    assert len(str(refused.value)) < 120
    assert "\n" not in str(refused.value)
