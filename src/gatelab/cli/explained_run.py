"""What the gates of a stored run do, as a page: every diagnostic, of the trained network and of its untrained twin."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gatelab import probes
from gatelab.api.run import Run, load_run
from gatelab.api.runs import runs
from gatelab.disk import make_folder, write_atomically, writing
from gatelab.errors import UserError, one_line
from gatelab.reading import parse_yaml
from gatelab.report.gates.drawings import Pair
from gatelab.report.gates.gates_page import gates_page
from gatelab.report.gates.guides import GUIDES
from gatelab.report.tables import significant

__all__ = ["chosen_run", "explained_run"]

SEQUENCES = 64
"""Validation sequences that are looked at; the costs of the diagnostics grow with them."""
_EIGENVALUES = 8192
"""That are drawn."""
_NUMBERS = 20_000_000
"""Of a retention matrix: time² × units."""
_NAMED = ("variant", "label", "task", "status")


def chosen_run(name: str, folder: str, query: Mapping[str, str]) -> Run:
    """Return a run by its identity or its folder, or the only one that fits a query.

    Args:
        name: 16 hex digits, looked for in ``folder``; or the path of the run's folder; "" for a query.
        folder: the store.
        query: variant, label, task, seed, status, or a dotted key of the configuration -> value.

    Raises:
        UserError: there is none, or there are several.
    """
    if name:
        if query:
            raise UserError(f"{next(iter(query))}=: run= names one run already; remove one of them")
        return load_run(name if Path(name).is_dir() else Path(folder) / name)
    named: dict[str, Any] = {key: value for key, value in query.items() if key in _NAMED}
    settings = {key: parse_yaml(value, key) for key, value in query.items() if key not in named}
    if "seed" in settings:
        named["seed"] = settings.pop("seed")
    return runs(folder).one(settings, **named)


def explained_run(run: Run, out: Path) -> None:
    """Write the page of a run.

    Raises:
        UserError: a run without a checkpoint, or a damaged one; a folder that cannot be written.
    """
    networks = [run.network(), run.network("initial")]
    batch = run.task.validation()
    some = batch.select(slice(0, SEQUENCES))
    found, absent = {}, []
    for name, diagnostic in _diagnostics(run).items():
        print(f"{GUIDES[name].title.lower()} …", file=sys.stderr, flush=True)
        try:
            found[name] = Pair(*(diagnostic(network, some) for network in networks))
        except UserError as error:  # not defined for the variant
            title, reason = GUIDES[name].title, one_line(error, 300)
            absent.append(f"{title}: {reason.removeprefix(f'{title.lower()}: ')}")
    steps, sequences = batch.inputs.shape[:2]
    page = gates_page(
        f"{run.label} on {run.task.name}, seed {run.seed}",
        {
            "run": run.identity,
            "status": run.status,
            **_score(run),
            "units": str(networks[0].rnn.hidden_size),
            "layers": str(networks[0].rnn.num_layers),
        },
        f"Looked at are the first {some.inputs.shape[1]} of {sequences} validation sequences, {steps} steps long, and "
        "the first layer. "
        "Trained is the network with the best validation score; untrained is the same network before its first step. "
        "A random network shows structure too, so read every drawing beside its twin.",
        run.variant.plain(),
        found,
        absent,
    )
    with writing(f"out={out}"):
        make_folder(out.parent)
        write_atomically(out, page.encode("utf-8"))


def _diagnostics(run: Run) -> dict[str, Callable[[Any, Any], Any]]:
    """Return name -> function of network and batch, in the order of the page."""
    special: Mapping[str, Callable[[Any, Any], Any]] = {
        "interventions": lambda network, batch: probes.interventions(network, batch, run.task),
        "retention_matrix": _retention_matrix,
        "dynamics": _dynamics,
    }
    return {name: special.get(name, getattr(probes, name)) for name in GUIDES}


def _dynamics(network: Any, batch: Any) -> Any:
    """Return the dynamics at fewer states the wider they are: an eigenvalue problem costs the cube of the width."""
    width = network.rnn.hidden_size * max(1, len(network.rnn.variant.states))
    return probes.dynamics(network, batch, samples=min(64, max(4, _EIGENVALUES // width)))


def _retention_matrix(network: Any, batch: Any) -> Any:
    """Return the matrix of as many units as a long sequence allows."""
    units = max(1, _NUMBERS // max(1, int(batch.lengths[0])) ** 2)
    return probes.retention_matrix(network, batch, units=range(min(network.rnn.hidden_size, units)))


def _score(run: Run) -> dict[str, str]:
    if run.status not in ("finished", "diverged"):
        return {}
    return {f"validation {run.result.score_name}": significant(run.result.validation.score)}
