"""Write a sweep of Weights & Biases from the overrides of a search, and print the command of its agents."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from optuna.distributions import FloatDistribution, IntDistribution

from gatelab.cli.arguments import Help, Request, options_help, requested, whole
from gatelab.configuration import (
    RunConfiguration,
    added_directories,
    arranged,
    check_single,
    plain,
    run_configuration,
    translated,
    using,
)
from gatelab.configuration.hydra_loader import CONFIG, hydra_loader
from gatelab.disk import write_atomically, writing
from gatelab.errors import UserError
from gatelab.locations import command_line, in_checkout
from gatelab.permission import allowing_words
from gatelab.sweeps.search import Parameter, Space, read_space

__all__ = ["wandb_sweep"]

_METRIC = "validation/best_score"  # in the summary of every run that is sent to W&B
_PREFIX = "sweep."


class _Request(Request):
    method: Annotated[Literal["bayes", "random", "grid"], Help(NAME="{default} (default), random or grid")] = "bayes"
    name: Annotated[str, Help(NAME="how W&B calls the sweep")] = ""
    out: Annotated[str, Help(FILE="the file (default {default})")] = "sweep.yaml"
    count: Annotated[
        int | None, whole(1), Help(N="runs that an agent trains before it stops (default: until it is stopped)")
    ] = None


HELP = f"""\
Write the file of a Weights & Biases sweep, and print the commands that start it.

    {command_line("wandb-sweep")} task=adding 'optimizer.lr=tag(log,interval(1e-4,1e-1))' sweep.count=20

Overrides are those of `{command_line("train")}`; W&B chooses from those with several values.

{options_help(_Request, _PREFIX)}"""


def wandb_sweep(arguments: list[str]) -> int:
    """Write the file, print the two commands, and return the exit status 0. Nothing here needs the network.

    Raises:
        UserError: in one line, before anything is written.
    """
    if {"--help", "-h"} & set(arguments):
        print(HELP, end="")
        return 0
    words = [argument for argument in arguments if not argument.startswith(_PREFIX)]
    given = [argument.removeprefix(_PREFIX) for argument in arguments if argument.startswith(_PREFIX)]
    request = requested(_Request, given, "sweep")
    if not request.out:
        raise UserError("sweep.out=: must be a path")
    words = arranged(words)
    directories = added_directories(words)
    overrides = [word for word in words if not word.startswith("-")]
    if unwanted := [word for word in words if word.startswith("-") and not word.startswith("--config-dir=")]:
        raise UserError(f"{unwanted[0]}: the only flags here are --config-dir=FOLDER and --help")
    space, runs = _composed(overrides, directories)
    _check(space, runs, request)
    section = runs[0].logger.wandb
    assert section is not None
    flags = [f"--config-dir={folder.resolve()}" for folder in directories]
    flags += allowing_words()
    content = _content(request, space, runs[0], flags)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode("utf-8")
    # a link stays a link
    target = Path(request.out).resolve()
    with writing(f"sweep.out={request.out}"):
        if target.exists() and not target.is_file():  # such as /dev/stdout
            target.write_bytes(text)
        else:
            write_atomically(target, text)
    owner = f"{section.entity}/" if section.entity else ""
    entity = f" --entity {section.entity}" if section.entity else ""
    count = f" --count {request.count}" if request.count else ""
    print(f"written: {request.out}\n")
    print(f"wandb sweep --project {section.project}{entity} {request.out}")
    print(f"wandb agent{count} {owner}{section.project}/SWEEP_ID   # the first command prints SWEEP_ID")
    return 0


def _composed(overrides: Sequence[str], directories: Sequence[Path]) -> tuple[Space, list[RunConfiguration]]:
    """Return the space, and the runs at its choices and at the ends of its intervals."""
    with using(directories), translated(overrides), hydra_loader() as loader:
        parser = OverridesParser.create(config_loader=loader)
        space = read_space(parser.parse_overrides(list(overrides)))
        composed = [loader.load_configuration(CONFIG, space.words(values), RunMode.RUN) for values in space.ends()]
        for one in composed:
            check_single(one.hydra, overrides, "which a sweep of W&B cannot have: give its keys on the command line")
        contents = [plain(one) for one in composed]
    return space, [run_configuration(content, directories) for content in contents]


def _check(space: Space, runs: Sequence[RunConfiguration], request: _Request) -> None:
    if not space.parameters:
        raise UserError("nothing to sweep: give a key an interval, a range or several values")
    if request.method == "bayes" and "seed" in {parameter.key for parameter in space.parameters}:
        raise UserError("seed: a seed is nothing to choose; sweep.method=grid trains every point with every seed")
    if len({run.task.name for run in runs}) > 1:
        raise UserError("task: a sweep compares the scores of one task")
    if any(run.logger.wandb is None for run in runs):
        raise UserError("logger: W&B sees no run of this sweep; it needs logger=wandb, the default")


def _content(request: _Request, space: Space, run: RunConfiguration, flags: Sequence[str]) -> dict[str, Any]:
    fixed = [word for word in space.fixed if not word.lstrip("+").startswith("logger.wandb.mode=")]
    # in a checkout the agent's python has gatelab
    program, command = (
        ("scripts/train.py", ["python", "${program}"]) if in_checkout() else ("gatelab", ["gatelab", "train"])
    )
    content: dict[str, Any] = {"program": program, "method": request.method}
    if request.name:
        content["name"] = request.name
    content["metric"] = {"name": _METRIC, "goal": "maximize" if run.task.higher_is_better else "minimize"}
    grid = request.method == "grid"
    content["parameters"] = {
        parameter.key: {"values": _values(parameter)} if grid else _described(parameter)
        for parameter in space.parameters
    }
    # an agent passes its parameters as key=value, which is an override
    words = [*flags, *fixed, "logger.wandb.mode=online"]
    content["command"] = ["${env}", *command, *words, "${args_no_hyphens}"]
    return content


def _described(parameter: Parameter) -> dict[str, Any]:
    distribution = parameter.distribution
    if isinstance(distribution, IntDistribution) and distribution.step == 1:
        kind = {"distribution": "q_log_uniform_values", "q": 1} if distribution.log else {"distribution": "int_uniform"}
    elif isinstance(distribution, FloatDistribution) and not parameter.steps:
        kind = {"distribution": "log_uniform_values" if distribution.log else "uniform"}
    else:
        # W&B rounds to multiples of a step, counted from 0 and not from the lower end
        return {"values": _values(parameter)}
    return {**kind, "min": distribution.low, "max": distribution.high}


def _values(parameter: Parameter) -> list[Any]:
    return list(parameter.steps) or parameter.values()
