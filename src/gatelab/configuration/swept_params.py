"""``hydra.sweeper.params`` of a file: what stands in them is resolved for each point, with its own variant and seed."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

__all__ = ["params_as_written", "waiting_params"]

_WAITING: ContextVar[dict[str, Any] | None] = ContextVar("waiting params", default=None)


@contextmanager
def waiting_params(config: DictConfig) -> Iterator[dict[str, Any]]:
    """Return the parameters of a sweeper as they were written, and take them out of its configuration during a block.

    Hydra resolves all that a sweeper is made from; ``${by_variant:lstm,36,gru,46}`` and ``${draw:uniform,0,1}`` would
    have the value of the first point in all of them, or none.
    """
    written = params_as_written(config)
    token = _WAITING.set(written)
    _set(config, {})
    try:
        yield written
    finally:
        _set(config, written)
        _WAITING.reset(token)


def params_as_written(config: DictConfig) -> dict[str, Any]:
    """Return ``hydra.sweeper.params``, interpolations as they are; also during a block of :func:`waiting_params`."""
    waiting = _WAITING.get()
    if waiting is not None:
        return waiting
    sweeper: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=False)
    return sweeper.get("params") or {}


def _set(config: DictConfig, params: dict[str, Any]) -> None:
    if "params" in config.hydra.sweeper:
        with open_dict(config.hydra):
            config.hydra.sweeper.params = params
