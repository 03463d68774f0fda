"""Train one stack, from its configurations to its results."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from gatelab.configuration import RunConfiguration
from gatelab.configuration.logger_checks import check_loggers
from gatelab.errors import SharedError, UserError
from gatelab.store import LEASE, HeldClaims, Result, Stop, Store
from gatelab.training.accelerators import check_devices, device_used
from gatelab.training.mixed_precision import half_of
from gatelab.training.recording import PROBED
from gatelab.training.resuming import groups, states
from gatelab.training.stack import network
from gatelab.training.stack_batches import StackData, probe_batch
from gatelab.training.stack_fit import Member, StackFit
from gatelab.training.stack_progress import TerminalProgress
from gatelab.training.watcher import Watcher

__all__ = ["train_stack"]


def train_stack(
    configurations: Sequence[RunConfiguration],
    sweep: str | None = None,
    title: str = "",
    *,
    stop: Stop | None = None,
    lease: float = LEASE,
    display: Watcher | None = None,
) -> list[Result]:
    """Train runs of equal shapes together and write each into its own folder.

    A run that was stopped or killed resumes from its checkpoint, and ends with the same bits as one that was not. Runs
    at different steps are trained in groups, one after the other.

    Each run is claimed first. A run that another process trains, or takes over, is skipped.

    Args:
        configurations: runs that agree in everything but the stackable keys.
        sweep: the name under which loggers group the runs.
        title: the stack's name on the terminal.
        stop: checked between any two steps. SIGINT and SIGTERM set it while this function runs in the main thread.
        lease: seconds after which a claim that this process does not renew may be taken over.
        display: receives the steps instead of the terminal.

    Returns:
        The result of each run, in order; without those that another process has.

    Raises:
        UserError: data that cannot be read, a missing device, path or logger; before any folder is made.
        Stopped: a stop was requested; every run has a checkpoint, or is finished.
    """
    with _threads(configurations[0].threads):
        return _train_stack(configurations, sweep, title, stop or Stop(), lease, display)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Set torch's number of threads during a block; the state of its random numbers is restored afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with torch.random.fork_rng(devices=[]):  # a DataLoader draws one at its start
            yield
    finally:
        torch.set_num_threads(before)


def _train_stack(
    configurations: Sequence[RunConfiguration],
    sweep: str | None,
    title: str,
    stop: Stop,
    lease: float,
    display: Watcher | None,
) -> list[Result]:
    first = configurations[0]
    with _shared():
        device = device_used(first.device)
        check_devices(first.training.devices, device, len(configurations))
        check_loggers(first.logger)
        template = network(first)
        choice = network(first).to(device, half_of(first.training.precision)).rnn.choice()
        data = StackData(configurations, template)
        # remaining errors of the user (files, batch size) are raised here, before anything is written
        data.batch(0)
        probe = probe_batch(data.task, PROBED)
    store = Store(first.runs_dir)
    shapes = {name: tuple(parameter.shape) for name, parameter in template.named_parameters()}
    with stop.on_signals(), HeldClaims(store, lease=lease) as claims:
        owned, records = [], []
        for configuration in configurations:
            claim = claims.take(configuration.identity)
            if claim is not None:
                owned.append(configuration)
                records.append(store.record(configuration.identity, configuration.mapping(), claim))
        for group in groups([states(record, shapes) for record in records]):
            stop.check()
            members = [
                Member(owned[run], records[run], state, place)
                for place, (run, state) in enumerate(zip(group.members, group.states, strict=True))
            ]
            StackFit(members, device, choice).run(probe, sweep, display or _terminal(first, title), stop)
            for member in members:
                claims.release(member.configuration.identity)
        stop.check()
    found = (store.finished(configuration.identity) for configuration in configurations)
    return [result for result in found if result is not None]


@contextmanager
def _shared() -> Iterator[None]:
    """Mark an error as one of all runs of the stack: they agree in everything that is checked."""
    try:
        yield
    except UserError as error:
        raise SharedError(str(error)) from error


def _terminal(configuration: RunConfiguration, title: str) -> Watcher | None:
    return TerminalProgress(title) if configuration.progress else None
