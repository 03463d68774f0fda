"""The benchmark checks before it times, and writes what it found."""

import csv

import pytest

from benchmarks.paths import check_parity
from benchmarks.paths.command import benchmark
from gatelab.errors import UserError
from gatelab.paths.loop import run_loop
from gatelab.paths.native import Native

SMALL = ["shapes=4x2x1x5", "threads=1", "repeats=2"]


def test_every_path_is_timed_and_written(tmp_path, capsys):
    assert benchmark(["variants=lstm,mgu", *SMALL, f"out={tmp_path}"]) == 0
    rows = list(csv.DictReader((tmp_path / "benchmark.csv").read_text().splitlines()))
    timed = {(row["variant"], row["path"]) for row in rows} - {("mgu", "torchrecurrent")}
    assert timed == {
        ("torch.nn.LSTM", "torch"), ("torch.nn.GRU", "torch"),
        *((name, path) for name in ("lstm", "mgu") for path in ("native", "loop")),
    }  # fmt: skip
    assert all(float(row["both_ms"]) > 0 for row in rows)
    reference = next(row for row in rows if row["variant"] == "torch.nn.LSTM")
    assert float(reference["both_of_torch.nn.LSTM"]) == 1.0
    assert "Geometric means" in (tmp_path / "benchmark.md").read_text()
    assert (tmp_path / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    assert "parity with the loop: lstm, mgu" in capsys.readouterr().out


def test_what_is_kept_for_the_way_back_is_some_vectors_a_step(tmp_path):
    benchmark(["variants=lstm", "shapes=50x8x4x16", "threads=1", "repeats=1", f"out={tmp_path}"])
    rows = list(csv.DictReader((tmp_path / "benchmark.csv").read_text().splitlines()))
    vector = 8 * 16 * 4  # bytes of one value of one step
    kept = {row["path"]: float(row["kept_bytes_per_step"]) / vector for row in rows if row["variant"] == "lstm"}
    # four gates and two states at least
    assert 6 <= kept["native"] <= 10
    assert 6 <= kept["loop"] <= 10


def test_a_path_that_computes_something_else_is_not_timed(monkeypatch, tmp_path):
    def wrong(_, call):
        output, states, recorded = run_loop(call)
        return output * 1.01, states, recorded

    monkeypatch.setattr(Native, "run", wrong)
    with pytest.raises(UserError, match=r"variant 'lstm': path native is .* away from the loop; nothing is timed"):
        check_parity("lstm")


@pytest.mark.parametrize("name", ["slstm", "slstm_heads", "layer_norm_lstm", "phased_lstm", "mlstm"])
def test_a_gradient_that_cancels_and_weights_of_any_form_are_checked(name):
    check_parity(name)


def test_a_variant_whose_sizes_do_not_fit_is_left_out_and_said(capsys):
    assert benchmark(["variants=lstm,mut1", *SMALL, "out="]) == 0
    assert "not timed at 4×2×1×5: mut1 (" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argument, message",
    [
        ("shape=1x2x3x4", r"unknown key 'shape' \(did you mean 'shapes'\?\)"),
        ("shapes=1x2", "shapes=1x2: must be time, batch, input and hidden size"),
        ("threads=0", "threads=0: must be a whole number of at least 1"),
        ("loop=maybe", "loop=maybe: must be yes or no"),
        ("variants=lstn", r"unknown variant 'lstn' \(did you mean 'lstm'\?\)"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(argument, message):
    with pytest.raises(UserError, match=message):
        benchmark([argument])


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_timed(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match=r"^out=.*/taken/below: must be a folder; .*/taken is a file$"):
        benchmark([f"out={tmp_path / 'taken' / 'below'}"])
    assert capsys.readouterr().out == ""
