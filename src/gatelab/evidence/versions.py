"""Variants told apart by what they are: a label names a file's equations as they stood when a run was trained.

Two sets of equations under one label, as an edited file leaves them, become ``leaky (1)`` and ``leaky (2)``, in the
order in which they were first trained. One set under two labels, such as an edit that its file has taken over since, is
one variant, with the label of its newest run.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from gatelab.errors import UserError
from gatelab.store import DamagedRunError, Result, Store, science_text, scientific_section

__all__ = ["ToldApart", "Version", "told_apart"]


@dataclass(frozen=True, slots=True)
class Version:
    """One of several variants that have a label in common."""

    label: str
    """As tables have it: ``leaky (2)``."""
    shared: str
    """The label that they have in common."""
    newest: bool
    difference: str
    """In what it differs from the version before; empty of the first."""

    def __str__(self) -> str:
        return f"{self.label} {self.difference}"


@dataclass(frozen=True, slots=True)
class ToldApart:
    """Results whose labels name one variant each."""

    results: tuple[Result, ...]
    versions: tuple[Version, ...] = ()
    """Of the labels that several variants share, the newest last."""
    notes: tuple[str, ...] = ()
    """What else a reader has to know of the choice of the results."""

    def lines(self) -> list[str]:
        """Return the notes, and a line for each version of which there are results, but the first: what differs."""
        there = {result.label for result in self.results}
        differing = [str(version) for version in self.versions if version.difference and version.label in there]
        return [*self.notes, *differing]

    def of(self, results: Sequence[Result]) -> "ToldApart":
        """Return the same of some of the results."""
        return replace(self, results=tuple(results))

    def named(self, name: str, labels: Sequence[str]) -> str:
        """Return the label that is meant: the newest version, where a name is shared; the name itself otherwise.

        ``labels`` may have settings behind them: ``leaky (2) opening=one`` is meant by ``leaky opening=one``.
        """
        if name in labels:
            return name
        for version in reversed(self.versions):
            for label in labels:
                rest = label.removeprefix(version.label)
                if rest != label and f"{version.shared}{rest}" == name:
                    return label
        return name


@dataclass(slots=True)
class _Variant:
    """The runs of one set of equations."""

    section: Mapping[str, Any]
    results: list[Result] = field(default_factory=list)
    first: tuple[str, str] = ("", "")
    """Date and identity of the first run."""
    label: str = ""


def told_apart(store: Store, results: Sequence[Result]) -> ToldApart:
    """Return results of a store with their variants told apart; labels that name one variant each stay as they are."""
    variants = _variants(store, results)
    sharing: dict[str, list[_Variant]] = {}
    for variant in variants:
        labels = {result.label for result in variant.results}
        dates = _dates(store, variant.results) if len(labels) > 1 else {}
        newest = max(variant.results, key=lambda result: (dates.get(result.identity, ""), result.identity))
        variant.label = newest.label
        sharing.setdefault(variant.label, []).append(variant)
    versions: list[Version] = []
    labels_of: dict[str, str] = {}
    for shared, members in sharing.items():
        if len(members) > 1:
            versions += _numbered(store, shared, members)
        labels_of |= {result.identity: member.label for member in members for result in member.results}
    named = [
        result if labels_of[result.identity] == result.label else replace(result, label=labels_of[result.identity])
        for result in results
    ]
    return ToldApart(tuple(named), tuple(versions))


def _variants(store: Store, results: Sequence[Result]) -> list[_Variant]:
    by_text: dict[str, tuple[str, Mapping[str, Any]]] = {}
    found: dict[tuple[str, str], _Variant] = {}
    for result in results:
        key: str = ""
        section: Mapping[str, Any] = {}
        with suppress(DamagedRunError):  # the store notes it
            text = store.section_text(result.identity, "variant")
            if text not in by_text:
                by_text[text] = _science(store, result.identity)
            key, section = by_text[text]
        name = result.label.partition(" ")[0]
        # a label that does not begin with the name of its equations is not made of them, and keeps them apart
        place = (name if section.get("name") == name else result.label, key)
        found.setdefault(place, _Variant(section)).results.append(result)
    return list(found.values())


def _science(store: Store, identity: str) -> tuple[str, Mapping[str, Any]]:
    section = store.configuration(identity).get("variant")
    if not isinstance(section, Mapping):
        return "", {}
    equations = section.get("equations")
    # the order of equations is science: weights are drawn in it
    order = list(equations) if isinstance(equations, Mapping) else []
    try:
        return science_text("variant", {**scientific_section("variant", section), "order": order}), section
    except UserError:
        return "", {}


def _dates(store: Store, results: Sequence[Result]) -> dict[str, str]:
    dates = {}
    for result in results:
        with suppress(UserError):  # a run without is taken as the oldest
            dates[result.identity] = str(store.provenance(result.identity).get("date", ""))
    return dates


def _numbered(store: Store, shared: str, members: list[_Variant]) -> Iterator[Version]:
    for member in members:
        dates = _dates(store, member.results)
        member.first = min((dates.get(result.identity, ""), result.identity) for result in member.results)
    members.sort(key=lambda member: member.first)
    before: _Variant | None = None
    for number, member in enumerate(members, start=1):
        member.label = f"{shared} ({number})"
        difference = (
            "" if before is None else f"differs from {before.label}: {_difference(before.section, member.section)}"
        )
        yield Version(member.label, shared, number == len(members), difference)
        before = member


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    old, new = _flat(before), _flat(after)
    words = [
        f"{key} = {new.get(key, 'nothing')}, before {old.get(key, 'nothing')}"
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    ]
    return "; ".join(words) or "the order of its equations"


def _flat(section: Mapping[str, Any]) -> dict[str, str]:
    """Return what is science in a variant, by names that say where it stands, equations by their own."""
    found: dict[str, str] = {}
    for key, value in scientific_section("variant", section).items():
        if isinstance(value, Mapping):
            prefix = "" if key == "equations" else f"{key}."
            found |= {f"{prefix}{name}": str(one) for name, one in value.items()}
        else:
            found[key] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return found
