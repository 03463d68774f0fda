"""Where runs come from: code, versions and machines, and what the time of a step depends on beside the equations."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gatelab.errors import UserError
from gatelab.store import Result, Store

__all__ = ["Conditions", "Provenance", "conditions_of", "provenance_of", "read_origins"]

Conditions = tuple[tuple[str, str], ...]
"""What a run was trained under, such as ``("threads", "1")``: times are compared among runs that were trained alike."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the results come from: value -> how many runs have it."""

    newest: str
    """The date of the newest run, ISO 8601; empty if no run says."""
    commits: Mapping[str, int]
    versions: Mapping[str, Mapping[str, int]]
    """Package -> version -> runs."""
    platforms: Mapping[str, int]
    devices: Mapping[str, int]


def read_origins(store: Store, identities: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return identity -> content of provenance.json, of the runs that have one to be read."""
    found: dict[str, Mapping[str, Any]] = {}
    for identity in identities:
        with suppress(UserError):  # it is shown beside the results, never one itself
            found[identity] = store.provenance(identity)
    return found


def provenance_of(origins: Iterable[Mapping[str, Any]]) -> Provenance:
    """Return what several runs say of where they come from."""
    newest = ""
    commits: Counter[str] = Counter()
    platforms: Counter[str] = Counter()
    devices: Counter[str] = Counter()
    versions: dict[str, Counter[str]] = {}
    for content in origins:
        newest = max(newest, str(content.get("date", "")))
        git = content.get("git")
        if isinstance(git, dict) and git.get("commit"):
            commits[f"{git['commit']}{' with changes' if git.get('dirty') else ''}"] += 1
        for counter, key in ((platforms, "platform"), (devices, "device")):
            if content.get(key):
                counter[str(content[key])] += 1
        known = content.get("versions")
        for package, version in known.items() if isinstance(known, dict) else ():
            if version is not None:
                versions.setdefault(package, Counter())[str(version)] += 1
    return Provenance(newest, commits, versions, platforms, devices)


def conditions_of(
    store: Store, results: Sequence[Result], origins: Mapping[str, Mapping[str, Any]]
) -> dict[str, Conditions]:
    """Return identity -> what the times of a run depend on beside the equations; ``unknown`` where it does not say."""
    found: dict[str, Conditions] = {}
    for result in results:
        origin = origins.get(result.identity, {})
        threads = ""
        with suppress(UserError):
            threads = store.section_text(result.identity, "threads").partition(":")[2].strip()
        machine = ", ".join(str(origin[key]) for key in ("platform", "cpu_count") if origin.get(key) is not None)
        found[result.identity] = (
            ("path", result.path),
            ("runs in a stack", str(origin.get("stack_runs") or "unknown")),
            ("threads", threads or "unknown"),
            ("device", str(origin.get("device") or "unknown")),
            ("machine", machine or "unknown"),
            ("batch size", str(result.settings.get("training.batch_size", "unknown"))),
        )
    return found
