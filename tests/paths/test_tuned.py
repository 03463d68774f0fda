"""Which way to cut a run on a device: every way gives what the loop gives, and the fastest is measured once.

By Triton's interpreter, for which times mean nothing: they are given here.
"""

import dataclasses
import json
import math

import pytest
import torch

from gatelab.language import load_variant
from gatelab.paths import choice
from gatelab.paths.triton import triton_path, tuned
from gatelab.paths.triton.tiling import Tiling
from tests.paths.test_triton import SINGLE, agrees, leaves_of

pytestmark = pytest.mark.triton

THOUGHT = Tiling(rows=8, hidden=64, input=16, products="ieee", warps=8)


def cut(way: Tiling) -> tuple[int, int]:
    return way.rows, way.warps


@pytest.mark.parametrize(
    ("thought", "expected"),
    [
        ({}, [(8, 8), (4, 8), (8, 4), (16, 8), (8, 16)]),
        ({"rows": 4, "warps": 4}, [(4, 4), (8, 4), (4, 8)]),
        ({"rows": 16, "warps": 16}, [(16, 16), (8, 16), (16, 8)]),
    ],
    ids=["middle", "least", "most"],
)
def test_few_ways_are_tried_the_one_thought_best_first(thought, expected):
    assert [cut(way) for way in tuned.candidates(dataclasses.replace(THOUGHT, **thought), exact=True)] == expected


def test_tensor_cores_take_sixteen_rows():
    ways = tuned.candidates(dataclasses.replace(THOUGHT, rows=16, products="tf32x3"), exact=False)
    assert [cut(way) for way in ways] == [(16, 8), (16, 4), (16, 16)]


@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize("name", ["lstm", "layer_norm_gru", "peephole"])
def test_every_way_gives_what_the_loop_gives(name, way, monkeypatch):
    def forced(run, thought, tensors):
        return list(tuned.candidates(thought, exact=True))[way]

    monkeypatch.setattr(triton_path, "tuned", forced)
    agrees(load_variant(name), 3, 9, 3, 5, 2, torch.tensor([[3, 0, 1, 3, 2, 3, 3, 1, 2]] * 2))


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Return the ways that are measured; twice the warps are the fastest."""
    monkeypatch.setenv("GATELAB_CACHE", str(tmp_path))
    monkeypatch.setattr(tuned, "_measurable", lambda tensor: True)
    monkeypatch.setattr(tuned, "_device", lambda tensor: "a device")
    monkeypatch.setattr(tuned, "_known", {})
    ways = []

    def seconds(run, way, tensors):
        ways.append(cut(way))
        return math.inf if way.warps < 4 else 1 / way.warps

    monkeypatch.setattr(tuned, "_seconds", seconds)
    return ways


def test_a_shape_is_measured_once(measured, tmp_path):
    call = leaves_of(load_variant("lstm"), SINGLE)
    for _ in range(2):
        choice.run("triton", call)
    assert measured == [(4, 4), (8, 4), (4, 8)]
    (file,) = tmp_path.glob("*.tiling.json")
    assert json.loads(file.read_text()) == {"rows": 4, "warps": 8}
    choice.run("triton", leaves_of(load_variant("lstm"), SINGLE, batch=5))
    assert len(measured) == 6


def test_what_is_on_disk_is_not_measured_again(measured):
    call = leaves_of(load_variant("lstm"), SINGLE)
    choice.run("triton", call)
    tuned._known.clear()
    measured.clear()
    choice.run("triton", call)
    assert measured == []
    assert [cut(way) for way in tuned._known.values()] == [(4, 8)]


@pytest.mark.parametrize("content", ["", "[4, 8]", '{"rows": 4, "warps": 7}', '{"rows": 1000000, "warps": 8}', "\0"])
def test_a_file_that_names_no_way_is_measured_again(measured, tmp_path, content):
    call = leaves_of(load_variant("lstm"), SINGLE)
    choice.run("triton", call)
    (file,) = tmp_path.glob("*.tiling.json")
    file.write_text(content)
    tuned._known.clear()
    measured.clear()
    choice.run("triton", call)
    assert len(measured) == 3
    assert json.loads(file.read_text()) == {"rows": 4, "warps": 8}
