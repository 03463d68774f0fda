"""The keys that ``--help`` lists are those of a command's model, with their defaults."""

from typing import Annotated

import pytest

from gatelab.cli import catalogue, reproduce, store, wandb_sweep
from gatelab.cli.arguments import Help, Request, Switch, options_help


class Made(Request):
    place: Annotated[str, Help(FOLDER="where it lies (default {default})")] = "here/"
    free: Annotated[str, Help(NAME="one", all="every one of them")] = ""
    check: Annotated[Switch, Help(true="read every byte (default {default})")] = False


def test_options_stand_in_two_columns_with_their_defaults():
    assert options_help(Made, "its.") == (
        "    its.place=FOLDER  where it lies (default here/)\n"
        "    its.free=NAME     one\n"
        "             all      every one of them\n"
        "    its.check=true    read every byte (default false)\n"
    )


def test_a_long_text_goes_on_below_its_beginning():
    class Long(Request):
        key: Annotated[str, Help(WORD=" ".join(["syllables"] * 13))] = ""

    first, second = options_help(Long).splitlines()
    assert first == "    key=WORD  " + " ".join(["syllables"] * 10)
    assert second == " " * 14 + "syllables syllables syllables"


@pytest.mark.parametrize("command", [catalogue, reproduce, store, wandb_sweep])
def test_every_key_of_a_command_is_listed(command):
    for key in command._Request.model_fields:
        assert f"{key}=" in command.HELP.split("\n\n", 2)[2]
