"""Arguments of a benchmark are read by the kind of their defaults."""

from dataclasses import dataclass

import pytest

from benchmarks.request import request_of
from gatelab.errors import UserError


@dataclass(frozen=True)
class Asked:
    shapes: str = "1x2"
    runs: int = 3
    seconds: float = 0.5


def test_values_have_the_kind_of_their_defaults():
    assert request_of(Asked, ["runs=7", "shapes=4x5", "seconds=2"]) == Asked("4x5", 7, 2.0)


def test_what_is_wrong_is_one_line():
    with pytest.raises(UserError, match=r"^runs=many: must be a number, such as 3$"):
        request_of(Asked, ["runs=many"])
    with pytest.raises(UserError, match=r"^unknown key .rums. \(did you mean .runs.\?\)"):
        request_of(Asked, ["rums=7"])
