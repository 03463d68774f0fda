"""What the command `store` does with whole stores, by its first word: merge, archive, prune."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from gatelab.cli.arguments import Help, Request, Switch, options_help, requested
from gatelab.errors import UserError, suggest
from gatelab.locations import command_line
from gatelab.store import Damaged, Store
from gatelab.store.care import Merged, archive, is_archive, merge, prune

__all__ = ["WORDS_HELP", "carry_out_word"]

_SHOWN = 5


class _Merge(Request):
    out: Annotated[str, Help(FOLDER="the store that all runs are copied into; new, or with runs of its own")]


class _Archive(Request):
    runs: Annotated[str, Help(FOLDER="the store (default {default})")] = "runs/"
    out: Annotated[str, Help(FILE="the archive: .tar, .tar.gz or .tgz; `merge FILE out=FOLDER` is the way back")]


class _Prune(Request):
    runs: Annotated[str, Help(FOLDER="the store (default {default})")] = "runs/"
    last: Annotated[
        Switch,
        Help(true="also where the last weights are not the best ones: weights=last has none then (default {default})"),
    ] = False
    plan: Annotated[Switch, Help(true="say what would be freed, and remove nothing (default {default})")] = False


def _merge(words: Sequence[str]) -> int:
    sources = [word for word in words if "=" not in word]
    request = requested(_Merge, [word for word in words if "=" in word])
    if not sources:
        raise UserError("merge: names no store; `merge A B out=C` copies the runs of A and B into C")
    merged = merge([Path(source) for source in sources], Path(request.out))
    print("\n".join(_merged_lines(request.out, merged)))
    return int(bool(merged.damaged))


def _merged_lines(out: str, merged: Merged) -> list[str]:
    put = len(merged.finished) + len(merged.unfinished)
    lines = [f"{out}: {_runs(put)} put there, {len(merged.finished)} finished and {len(merged.unfinished)} not"]
    if merged.there:
        lines.append(f"there already: {_runs(len(merged.there))}")
    if merged.elsewhere:
        lines.append(
            f"there already with other test scores, and kept as they were: {_runs(len(merged.elsewhere))}: "
            f"{_few(merged.elsewhere)}"
        )
    if merged.training:
        lines.append(f"left out, for they are being trained: {_few(merged.training)}")
    lines += _damaged_lines(merged.damaged)
    if merged.studies:
        lines.append(f"studies put there: {_few(merged.studies)}")
    if merged.other_studies:
        lines.append(f"left out, for there is another study of that name: {_few(merged.other_studies)}")
    return lines


def _archive(words: Sequence[str]) -> int:
    request = requested(_Archive, words)
    out = Path(request.out)
    if not is_archive(out) and out.is_dir():
        raise UserError(f"out={out}: is a folder; an archive is a file such as {out / 'runs.tar.gz'}")
    kept, training, damaged = archive(Store(request.runs), out)
    print(f"{request.out}: {_runs(kept)}, {_size(out.stat().st_size)}, every seal read back")
    if training:
        print(f"left out, for they are being trained: {_few(training)}")
    print("".join(f"{line}\n" for line in _damaged_lines(damaged)), end="")
    return int(bool(damaged))


def _prune(words: Sequence[str]) -> int:
    request = requested(_Prune, words)
    found = prune(Store(request.runs), last=request.last, plan=request.plan)
    verb = "would be freed" if request.plan else "freed"
    print(f"{request.runs}: {_size(found.size)} {verb}: the last checkpoints of {_runs(found.runs)}")
    if found.own:
        more = "" if request.last else "; last=true frees those of finished runs too"
        print(f"kept: {_size(found.own_size)}, the only place of the last weights of {_runs(found.own)}{more}")
    if found.unsealed:
        print(f"kept: all of {_runs(found.unsealed)} without a seal, older than seals")
    print("".join(f"{line}\n" for line in _damaged_lines(found.damaged)), end="")
    return int(bool(found.damaged))


class _Word(NamedTuple):
    carry_out: Callable[[Sequence[str]], int]
    example: str
    meaning: str
    request: type[Request]


_WORDS = {
    "merge": _Word(_merge, "merge A B.tar.gz out=C", "copy every run of stores and archives into one store", _Merge),
    "archive": _Word(_archive, "archive runs=runs/ out=runs.tar.gz", "the whole store in one file", _Archive),
    "prune": _Word(
        _prune, "prune runs=runs/", "remove the checkpoints of finished runs that nothing needs any more", _Prune
    ),
}

WORDS_HELP = "\n".join(
    f"{command_line('store')} {word.example}\n    {word.meaning}\n\n{options_help(word.request)}"
    for word in _WORDS.values()
)


def carry_out_word(word: str, arguments: Sequence[str], others: Collection[str]) -> int:
    """Carry out what a first word asks for, and return the exit status: 1 if damaged runs were left out.

    ``others`` are the words that are known elsewhere.

    Raises:
        UserError: an unknown word, and what the word's own call raises.
    """
    if word not in _WORDS:
        known = [*others, *_WORDS]
        raise UserError(f"store {word}: unknown{suggest(word, known)}; allowed: {', '.join(known)}, or key=value")
    return _WORDS[word].carry_out(arguments)


def _damaged_lines(damaged: Sequence[Damaged]) -> list[str]:
    if not damaged:
        return []
    return [f"left out, for they are damaged: {_runs(len(damaged))}", *(f"    {one}" for one in damaged)]


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"
