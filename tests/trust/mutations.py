"""Files changed at random by hypothesis: values, lines and bytes of real ones, and structures that are made up."""

import json
import string

import yaml
from hypothesis import strategies as st

__all__ = ["mutated"]

_VALUES = (
    '', 'null', '~', 'true', 'no', '-1', '0', '1e999', '-1e-999', '.nan', '-.inf', '0x1F', '1_000', '12:30',
    '2001-02-03', "9" * 70, '3.0', "'3'", '[]', '{}', '[1, [2, [3]]]', '{a: {a: 1}}', '&a [*a]', '*a', '&a 1',
    "!!int ''", '!!float x', "!!python/name:os.getcwd ''", '!mine 1', '${oc.env:HOME}', '${seed}',
    '${draw:choice,1,2}', '${now:%Y}', 'os.getcwd', 'torch.optim.Adam', 'torch.load', "__import__('os')",
    '../../x', '/etc/hostname', 'a\\nb', '"\\x1b[31m"', '"\\ud800"', '=1+1', '<b>x</b>', 'é\u202e', '"\'', '|',
    '>-', '- - - -', '? a', '%YAML 1.1', '---', 'sigmoid(', 'linear(x, h)', 'h + c', 'x**x', '0*log(h)',
    'sigmoid(linear(x, h)) * h', 'diag(h)**0', "(" * 30 + "h" + ")" * 30, 'lambda: 0',
)  # fmt: skip
"""What a value may become."""

_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.text(string.printable, max_size=20)
)
_structures = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def mutated(draw: st.DrawFn, texts: tuple[str, ...]) -> bytes:
    """Draw one of some files with up to four changes, or, seldom, a file of something else."""
    how = draw(st.integers(0, 19))
    if how == 0:
        return draw(st.binary(max_size=200))
    if how == 1:
        return yaml.safe_dump(draw(_structures), allow_unicode=True).encode("utf-8", "surrogatepass")
    if how == 2:
        return json.dumps(draw(_structures)).encode()
    lines = draw(st.sampled_from(texts)).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        lines = _CHANGES[draw(st.integers(0, len(_CHANGES) - 1))](draw, lines or [""])
    data = "\n".join(lines).encode("utf-8", "surrogatepass") + b"\n"
    if draw(st.integers(0, 4)) == 0:
        place = draw(st.integers(0, len(data) - 1))
        data = data[:place] + draw(st.binary(max_size=3)) + data[place + draw(st.integers(0, 3)) :]
    return data


def _place(draw: st.DrawFn, lines: list[str]) -> int:
    return draw(st.integers(0, len(lines) - 1))


def _value(draw: st.DrawFn) -> str:
    return draw(st.one_of(st.sampled_from(_VALUES), st.sampled_from(_VALUES), st.text(max_size=12)))


def _other_value(draw: st.DrawFn, lines: list[str]) -> list[str]:
    place = _place(draw, lines)
    key, colon, _ = lines[place].partition(":")
    return [*lines[:place], f"{key}{colon or ':'} {_value(draw)}", *lines[place + 1 :]]


def _value_within(draw: st.DrawFn, lines: list[str]) -> list[str]:
    """One of the words or numbers of a line becomes another value; in JSON too."""
    place = _place(draw, lines)
    words = lines[place].split(" ")
    words[draw(st.integers(0, len(words) - 1))] = _value(draw)
    return [*lines[:place], " ".join(words), *lines[place + 1 :]]


def _without(draw: st.DrawFn, lines: list[str]) -> list[str]:
    place = _place(draw, lines)
    return [*lines[:place], *lines[place + 1 :]]


def _twice(draw: st.DrawFn, lines: list[str]) -> list[str]:
    place = _place(draw, lines)
    return [*lines[: place + 1], *lines[place:]]


def _further_line(draw: st.DrawFn, lines: list[str]) -> list[str]:
    place = _place(draw, lines)
    key = draw(
        st.one_of(st.sampled_from(("name", "state", "defaults", "hydra", "_target_", "<<", "a")), st.text(max_size=9))
    )
    return [*lines[:place], f"{key}: {_value(draw)}", *lines[place:]]


def _header(draw: st.DrawFn, lines: list[str]) -> list[str]:
    return [draw(st.sampled_from(("# @package _global_", "# @package hydra.job", "%TAG !a! b", "\ufeff"))), *lines]


def _indented(draw: st.DrawFn, lines: list[str]) -> list[str]:
    place = _place(draw, lines)
    return [*lines[:place], f"  {lines[place]}", *lines[place + 1 :]]


def _cut(draw: st.DrawFn, lines: list[str]) -> list[str]:
    place = _place(draw, lines)
    return [*lines[:place], lines[place][: draw(st.integers(0, len(lines[place])))]]


_CHANGES = (_other_value, _value_within, _without, _twice, _further_line, _header, _indented, _cut)
