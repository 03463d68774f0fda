"""Optuna's samplers by name; each trial gets a new one, seeded by the trial's place."""

import importlib.util
import warnings
from collections.abc import Mapping
from typing import Any, cast

from gatelab.errors import UserError, one_line, suggest
from gatelab.keys import SAMPLERS
from gatelab.randomness import generator

__all__ = ["check_options", "sampler"]

_CLASSES = {
    "tpe": "TPESampler",
    "random": "RandomSampler",
    "nsgaii": "NSGAIISampler",
    "cmaes": "CmaEsSampler",
    "gp": "GPSampler",
    "qmc": "QMCSampler",
    # the loop itself goes through a grid: Optuna's grid sampler needs Study.optimize
    "grid": "RandomSampler",
}
_PACKAGES = {"cmaes": "cmaes"}
_KINDS = {int: "an integer", float: "a number", bool: "true or false", str: "text"}


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Check the options of a sampler.

    Raises:
        UserError: an unknown option, a value of the wrong kind or out of range, a package that is not installed.
    """
    package = _PACKAGES.get(name)
    if package and importlib.util.find_spec(package) is None:
        raise UserError(f"hydra.sweeper.sampler={name}: needs `pip install {package}`")
    known = SAMPLERS[name]
    for option, value in options.items():
        if option not in known:
            allowed = f"allowed: {', '.join(known)}" if known else f"{name} takes none"
            raise UserError(f"unknown key 'hydra.sweeper.options.{option}'{suggest(option, known)}; {allowed}")
        kinds = (int, float) if known[option] is float else (known[option],)
        if not isinstance(value, kinds) or (isinstance(value, bool) and known[option] is not bool):
            raise UserError(f"hydra.sweeper.options.{option}={one_line(value)}: must be {_KINDS[known[option]]}")
        # Optuna notices a count of 0 or less only when it draws
        if known[option] is int and cast(int, value) < 1:
            raise UserError(f"hydra.sweeper.options.{option}={one_line(value)}: must be at least 1")
    try:
        sampler(name, options, 0, 0)
    except ValueError as error:
        given = ", ".join(f"{option}={value}" for option, value in options.items())
        raise UserError(f"hydra.sweeper.options: {name} refuses {given}: {' '.join(str(error).split())}") from None


def sampler(name: str, options: Mapping[str, Any], seed: int, index: int) -> Any:
    """Return the sampler of the trial at a place of a study, counted from 0.

    A sampler depends only on (seed, index) and the trials before it, so a resumed search proposes the same trials as
    an uninterrupted one. (One sampler for all would restart its random numbers and propose the first points twice.)
    """
    import optuna

    arguments: dict[str, Any] = dict(options)
    if name == "qmc":
        # a sequence is scrambled once; the study keeps the place in it
        arguments |= {"seed": seed, "warn_asynchronous_seeding": False}
    else:
        arguments["seed"] = int(generator(seed, "search", index).integers(2**31))
    if name in ("cmaes", "gp", "qmc"):
        arguments["warn_independent_sampling"] = False
    with warnings.catch_warnings():
        # a sampler or option given by the user is intended
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return getattr(optuna.samplers, _CLASSES[name])(**arguments)
