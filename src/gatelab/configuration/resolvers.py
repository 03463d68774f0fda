"""Settings derived from others: drawn at random for each seed, or looked up for each variant.

``optimizer.lr=${draw:log_uniform,1e-6,1e-2}`` is a function of the run's seed and the setting's key. So a random search
is a sweep over seeds: its points are known beforehand, and at each seed every variant gets the same settings, which
pairs the trials of a comparison. ``${draw_apart:…}`` is a function of the variant too: each has settings of its own.

``model.hidden_size=${by_variant:lstm,36,gru,46}`` gives each variant of a sweep its own value.
``opening.max_time=${by_opening:chrono,750}`` sets the value for opening ``chrono`` only, and null for the others;
``task.length=${by_task:adding,30,copying,20}`` does so for tasks.

``${wandb:project,gatelab}`` is the project in the environment of Weights & Biases, or gatelab.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from omegaconf import Container, Node, OmegaConf

from gatelab.configuration.wandb_environment import DEFAULTS, default
from gatelab.errors import UserError, one_line, suggest
from gatelab.layers.openings import OPENINGS
from gatelab.locations import command_line
from gatelab.outside import entry_point_names
from gatelab.randomness import generator
from gatelab.tasks import TASKS

__all__ = ["DRAWS", "check_draw", "drawn", "drawn_by", "plain_number", "read_draw", "register"]


_INTEGER = r"-?(?:0|[1-9]\d{0,17})"
_NUMBER = rf"{_INTEGER}(?:\.\d+)?(?:e-?\d+)?"
_PLAIN = re.compile(rf"({_INTEGER})|{_NUMBER}").fullmatch


def _uniform(random: np.random.Generator, low: float, high: float) -> float:
    return float(f"{random.uniform(low, high):.6g}")


def _log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    return float(f"{np.exp(random.uniform(*_logarithms(low, high))):.6g}")


@lru_cache(maxsize=64)
def _logarithms(low: float, high: float) -> tuple[float, float]:
    return float(np.log(low)), float(np.log(high))


def _integer(random: np.random.Generator, low: int, high: int) -> int:
    return int(random.integers(low, high, endpoint=True))


def _log_integer(random: np.random.Generator, low: int, high: int) -> int:
    # every integer gets the part of the scale between it and the next
    return min(high, int(np.exp(random.uniform(np.log(low), np.log(high + 1)))))


def _one_minus_log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    return float(f"{1 - _log_uniform(random, low, high):.6g}")


def _choice(random: np.random.Generator, *values: Any) -> Any:
    return values[int(random.integers(len(values)))]


DRAWS: dict[str, Callable[..., Any]] = {
    "uniform": _uniform,
    "log_uniform": _log_uniform,
    "one_minus_log_uniform": _one_minus_log_uniform,
    "integer": _integer,
    "log_integer": _log_integer,
    "choice": _choice,
}
"""Distribution -> how a value is drawn; both ends of an interval are numbers, and integers include them."""


def _draw(kind: str, *arguments: Any, _root_: Container, _node_: Node) -> Any:
    seed, key = OmegaConf.select(_root_, "seed"), _node_._get_full_key(None)
    return drawn(kind, arguments, seed, f"draw {key}", _where(_node_))


def _draw_apart(kind: str, *arguments: Any, _root_: Container, _node_: Node) -> Any:
    seed, variant = OmegaConf.select(_root_, "seed"), OmegaConf.select(_root_, "variant.name")
    return drawn(kind, arguments, seed, f"draw {_node_._get_full_key(None)} of {variant}", _where(_node_))


def drawn(kind: str, arguments: tuple[Any, ...], seed: Any, purpose: str, where: str) -> Any:
    """Return a value that follows from a seed.

    Args:
        kind: of :data:`DRAWS`.
        arguments: its ends, or its choices.
        seed: of the run.
        purpose: "draw " and the dotted key.
        where: the key with its value as it was written, for errors.

    Raises:
        UserError: no such distribution, or other arguments than it has; no such seed.
    """
    check_draw(kind, arguments, where)
    return drawn_by(kind, arguments, seed, purpose)


def check_draw(kind: str, arguments: tuple[Any, ...], where: str) -> None:
    """Raise a UserError for a distribution that there is not, or that has other arguments; see :func:`drawn`."""
    if kind not in DRAWS:
        raise UserError(
            f"{where}: unknown distribution '{kind}'{suggest(str(kind), DRAWS)}; allowed: {', '.join(DRAWS)}"
        )
    if kind == "choice":
        if not arguments:
            raise UserError(f"{where}: needs at least one value")
    else:
        _check_interval(kind, arguments, where)


def drawn_by(kind: str, arguments: tuple[Any, ...], seed: Any, purpose: str) -> Any:
    """Return what :func:`drawn` does, of a distribution that was checked."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UserError(f"seed={one_line(seed)}: must be an integer of at least 0")
    return DRAWS[kind](generator(seed, purpose), *arguments)


@lru_cache(maxsize=64)
def read_draw(written: str) -> tuple[str, tuple[Any, ...]] | None:
    """Return distribution and arguments of a draw that is written with plain numbers alone; None for all else.

    OmegaConf reads these as the same numbers, and takes a millisecond for it each time.
    """
    found = re.fullmatch(rf"\$\{{draw:([a-z_]+)((?:,(?:{_NUMBER}))+)\}}", written)
    if found is None:
        return None
    return found[1], tuple(map(plain_number, found[2].removeprefix(",").split(",")))


def plain_number(written: str) -> int | float | None:
    """Return a number that is written in digits, as OmegaConf and Hydra read it; None for all else."""
    found = _PLAIN(written)
    if found is None:
        return None
    return float(written) if found[1] is None else int(written)


def _check_interval(kind: str, arguments: tuple[Any, ...], where: str) -> None:
    kinds, words = (int, "two integers") if kind.endswith("integer") else (int | float, "two numbers")
    numbers = [one for one in arguments if isinstance(one, kinds) and not isinstance(one, bool) and np.isfinite(one)]
    if len(arguments) != 2 or len(numbers) != 2:
        raise UserError(f"{where}: needs {words}, the lower and the upper end")
    low, high = numbers
    if not low < high:
        raise UserError(f"{where}: the first end must be below the second")
    if "log" in kind and low <= 0:
        raise UserError(f"{where}: a logarithmic scale needs a lower end above 0")


def _by_variant(*pairs: Any, _root_: Container, _node_: Node) -> Any:
    where, values = _table("variant", pairs, _node_)
    name = OmegaConf.select(_root_, "variant.name")
    if name not in values:
        raise UserError(f"{where}: has no value for variant={name}; it has {', '.join(map(str, values))}")
    return values[name]


def _by_opening(*pairs: Any, _root_: Container, _node_: Node) -> Any:
    where, values = _table("opening", pairs, _node_)
    name = OmegaConf.select(_root_, "opening.name")
    for known in values:
        if known not in OPENINGS and ":" not in str(known) and known not in entry_point_names("opening"):
            raise UserError(f"{where}: unknown opening '{known}'{suggest(str(known), OPENINGS)}")
    return values.get(name)


def _by_task(*pairs: Any, _root_: Container, _node_: Node) -> Any:
    where, values = _table("task", pairs, _node_)
    for known in values:
        if known not in TASKS and ":" not in str(known) and known not in entry_point_names("task"):
            raise UserError(f"{where}: unknown task '{known}'{suggest(str(known), TASKS)}")
    return values.get(OmegaConf.select(_root_, "task.name"))


def _table(group: str, pairs: tuple[Any, ...], node: Node) -> tuple[str, dict[Any, Any]]:
    where = _where(node)
    if len(pairs) % 2 or not pairs:
        raise UserError(f"{where}: needs pairs of a {group}'s name and its value")
    return where, dict(zip(pairs[::2], pairs[1::2], strict=True))


def _where(node: Node) -> str:
    """Return the key with its value as it was written."""
    key, written = node._get_full_key(None), str(node._value())
    if key.startswith("hydra.overrides."):
        key, _, written = written.partition("=")
    # choice(…) may have been put around a value that waits for the choices of a sweep
    unwrapped = re.fullmatch(r"choice\((.*)\)", written)
    return f"{key}={unwrapped[1] if unwrapped else written}"


def _wandb(name: str, otherwise: str | None = None) -> str | None:
    if name not in DEFAULTS:
        raise UserError(f"${{wandb:{name}}}: must be of {', '.join(DEFAULTS)}")
    return default(name, otherwise)


RESOLVERS: dict[str, Callable[..., Any]] = {
    "draw": _draw,
    "draw_apart": _draw_apart,
    "by_variant": _by_variant,
    "by_opening": _by_opening,
    "by_task": _by_task,
}
"""Name -> function of ``${name:…}``, allowed everywhere."""


def register() -> None:
    """Register the resolvers with OmegaConf."""
    for name, function in RESOLVERS.items():
        OmegaConf.register_new_resolver(name, function, replace=True)
    # only for conf/logger/wandb.yaml: no file of a user may read the environment
    OmegaConf.register_new_resolver("wandb", _wandb, replace=True)
    # of the help in conf/train.yaml
    OmegaConf.register_new_resolver("command", command_line, replace=True)
