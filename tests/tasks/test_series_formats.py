"""Every format of a table of series: the same content gives the same arrays and the same hash."""

import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

from gatelab.errors import UserError
from gatelab.tasks.checking import same
from gatelab.tasks.series.series_data import table_of
from gatelab.tasks.series.series_task import Series
from gatelab.tasks.series.table_files import FORMATS, read_table

ROWS = [
    {"id": f"s{number:02d}", "t": t, "a": number + t / 4, "kind": "pq"[number % 2], "label": "xyz"[number % 3]}
    for number in range(1, 41)
    for t in range(2 + number % 3)
]
FRAME = pd.DataFrame(ROWS)


def as_npz(file: Path) -> None:
    np.savez(file, **{name: FRAME[name].to_numpy(None if FRAME[name].dtype.kind in "if" else "U") for name in FRAME})


WRITERS = {
    ".csv": lambda file: FRAME.to_csv(file, index=False),
    ".tsv": lambda file: FRAME.to_csv(file, index=False, sep="\t"),
    ".jsonl": lambda file: FRAME.to_json(file, orient="records", lines=True),
    ".parquet": lambda file: FRAME.to_parquet(file),
    ".npz": as_npz,
}


def written(folder: Path, suffix: str) -> str:
    WRITERS[suffix](folder / f"mine{suffix}")
    return str(folder / f"mine{suffix}")


@pytest.mark.parametrize("suffix", [suffix for suffix in WRITERS if suffix != ".csv"])
def test_one_table_in_two_formats_is_the_same_data(tmp_path, suffix):
    first, other = (Series(path=written(tmp_path, each)).pinned() for each in (".csv", suffix))
    assert first.sha256 == other.sha256
    assert {**other.model_dump(), "path": first.path} == first.model_dump()
    assert same(first.training(), other.training())
    assert same(first.test(), other.test())
    assert first.training().inputs.shape[2] == 3  # a, and two words


def test_every_format_has_a_test():
    assert set(FORMATS) == {*WRITERS, ".npy", ".ts"}


def test_missing_values_are_the_same_in_every_format(tmp_path):
    csv = tmp_path / "mine.csv"
    csv.write_text("id,a,w,big\n1,,x,\n2,2.5,,9007199254740993\n3,NaN,?,1\n", encoding="utf-8")
    lines = tmp_path / "mine.jsonl"
    rows: list[dict[str, Any]] = [
        {"id": 1, "a": None, "w": "x"},
        {"id": 2, "a": 2.5, "big": 2**53 + 1},
        {"id": 3, "w": "?", "big": 1},
    ]
    lines.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    parquet = tmp_path / "mine.parquet"
    datasets.Dataset.from_list([{"a": None, "w": None, "big": None, **row} for row in rows]).to_parquet(parquet)
    for file in (csv, lines, parquet):
        table = read_table(str(file))
        assert table.columns["a"].missing.tolist() == [True, False, True]
        assert table.columns["w"].labels().tolist() == ["x", None, None]
        assert table.columns["big"].missing.tolist() == [True, False, False]
    # float64 would make 9007199254740992 of it
    assert read_table(str(lines)).columns["big"].labels().tolist() == [None, "9007199254740993", "1"]
    assert read_table(str(parquet)).columns["big"].labels().tolist() == [None, "9007199254740993", "1"]


def test_a_type_is_decided_by_the_whole_column(tmp_path):
    """datasets 5.2 makes 1 of 001 from row 10,001 on, and True of a 2 in a column of truths."""
    file = tmp_path / "mine.csv"
    rows = [f"001,{n % 2 == 0},{n}" for n in range(10_001)]
    file.write_text("\n".join(["code,truth,n", "b,True,0", *rows, "001,2,1.5"]), encoding="utf-8")
    table = read_table(str(file))
    assert table.columns["code"].labels()[-2:].tolist() == ["001", "001"]
    assert table.columns["truth"].labels()[-1] == "2"
    assert table.columns["n"].numbers.dtype == np.float64


def test_a_large_whole_number_in_text_stays_as_it_is(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("id,a\n9007199254740993,1\n9007199254740992,2\n", encoding="utf-8")
    assert read_table(str(file)).columns["id"].labels().tolist() == ["9007199254740993", "9007199254740992"]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_row_may_be_a_whole_series(tmp_path, suffix):
    rows = [
        {
            "x": [[n, 10 * n + t] for t in range(2 + n % 2)],
            "y": [0.5 * t for t in range(2 + n % 2)],
            "label": "ab"[n % 2],
        }
        for n in range(20)
    ]
    file = tmp_path / f"mine{suffix}"
    frame = pd.DataFrame(rows)
    frame.to_json(file, orient="records", lines=True) if suffix == ".jsonl" else frame.to_parquet(file)
    task = Series(path=str(file), scale="none").pinned()
    assert task.inputs == ("x_0", "x_1", "y")
    training = task.training()
    for place, length in enumerate(training.lengths):
        n = training.inputs[0, place, 0]
        assert length == 2 + n % 2
        assert training.inputs[:length, place].tolist() == [[n, 10 * n + t, 0.5 * t] for t in range(length)]
        assert training.targets[place] == n % 2


def test_arrays_of_series_end_where_lengths_or_their_last_value_say(tmp_path):
    x = np.arange(120, dtype=np.float32).reshape(20, 3, 2)
    label = np.arange(20) % 2
    lengths = 1 + np.arange(20) % 3
    np.savez(tmp_path / "a.npz", x=x, label=label, lengths=lengths)
    padded = x.copy()
    padded[np.arange(3) >= lengths[:, None]] = np.nan
    np.savez(tmp_path / "b.npz", x=padded, label=label)
    first, other = (Series(path=str(tmp_path / name), scale="none").pinned() for name in ("a.npz", "b.npz"))
    assert first.sha256 == other.sha256
    for place, length in enumerate(first.training().lengths):
        row = int(first.training().inputs[0, place, 0] // 6)
        assert length == lengths[row]
        np.testing.assert_array_equal(first.training().inputs[:length, place], x[row, :length])


def test_arrays_named_for_their_parts(tmp_path):
    x = np.arange(60, dtype=np.float64).reshape(20, 3)
    y = np.arange(20) % 2
    np.savez(tmp_path / "mine.npz", x_train=x[:12], y_train=y[:12], x_test=x[12:], y_test=y[12:])
    task = Series(path=str(tmp_path / "mine.npz"), scale="none", validation_share=0.25).pinned()
    assert task.split == "files"
    assert sorted(task.test().inputs[0, :, 0].tolist()) == list(range(36, 60, 3))
    assert (len(task.training().lengths), len(task.validation().lengths)) == (9, 3)
    assert any("there is no validation: 3 of the 12" in line for line in task.remarks())


def test_arrays_of_numpy(tmp_path):
    np.save(tmp_path / "one.npy", np.arange(200.0))
    assert Series(path=str(tmp_path / "one.npy"), horizon=1).pinned().inputs == ("value",)
    np.save(tmp_path / "two.npy", np.arange(200.0).reshape(100, 2))
    assert Series(path=str(tmp_path / "two.npy"), horizon=1).pinned().inputs == ("0", "1")
    three = Series(path=_saved(tmp_path / "three.npy", np.arange(600.0).reshape(20, 10, 3)), horizon=1).pinned()
    assert (three.input_size, three.split) == (3, "series")
    kinds = np.array([(n, n % 2) for n in range(30)], [("a", float), ("y", int)])
    fields = Series(path=_saved(tmp_path / "fields.npy", kinds)).pinned()
    assert (fields.inputs, fields.target, fields.per) == (("a",), ("y",), "step")


def _saved(file: Path, array: np.ndarray) -> str:
    np.save(file, array)
    return str(file)


TS = """# a comment
@problemName Tiny
@timeStamps false
@univariate false
@dimensions 2
@equalLength {equal}
@classLabel true Up Down
@data
"""


@pytest.mark.parametrize("equal", ["true", "false"])
def test_ts_with_classes_of_unequal_length(tmp_path, equal):
    lines = [f"{n},{'?' if n == 3 else 1},2:5,NaN,{n}:Up\n{n},7:8,9:Down\n" for n in range(10)]
    (tmp_path / "Tiny_TRAIN.ts").write_text(TS.format(equal=equal) + "".join(lines), encoding="utf-8")
    task = Series(path=str(tmp_path / "Tiny_TRAIN.ts"), scale="none", missing="mask").pinned()
    assert task.inputs == ("dim_0", "dim_1")
    assert task.fitted.classes == ("Down", "Up")
    assert sorted(set(task.training().lengths.tolist())) == [2, 3]
    table = table_of(task)
    numbers = table.columns["dim_0"].numbers
    assert numbers is not None
    assert numbers[:5].tolist() == [0, 1, 2, 0, 7]
    assert table.columns["dim_1"].missing[:5].tolist() == [False, True, False, False, False]
    assert any("@equalLength says true" in line for line in task.remarks()) is (equal == "true")


def test_ts_with_numbers(tmp_path):
    header = "@problemname Tiny\n@univariate true\n@targetlabel true\n@data\n"
    lines = "".join(f"{n},{n + 1}:{n}.5\n" for n in range(20))
    (tmp_path / "mine.ts").write_text(header + lines, encoding="utf-8")
    task = Series(path=str(tmp_path / "mine.ts"), scale="none").pinned()
    assert (task.goal, task.per) == ("numbers", "series")
    np.testing.assert_array_equal(task.training().targets[:, 0], task.training().inputs[0, :, 0] + 0.5)


TIMED = "@timestamps true\n@univariate false\n@classLabel true a b\n@data\n"


def test_ts_with_times_and_gaps(tmp_path):
    lines = [f"(0,{n}),(10,2),(40.5,?):(0,7),(10,8),(40.5,9):{'ab'[n % 2]}\n" for n in range(20)]
    (tmp_path / "mine.ts").write_text(TIMED + "".join(lines), encoding="utf-8")
    task = Series(path=str(tmp_path / "mine.ts"), scale="none", missing="interval", intervals=True).pinned()
    assert (task.time, task.inputs, task.target, task.per) == ("time", ("dim_0", "dim_1"), ("label",), "series")
    inputs = task.training().inputs[:, 0]
    assert inputs[1:, 1].tolist() == [8, 9]
    assert inputs[:, -1].tolist() == [0, 10, 30.5]  # since the step before
    assert inputs[:, 2:4].tolist() == [[1, 1], [1, 1], [0, 1]]


def test_ts_with_dates_in_any_order(tmp_path):
    late, early = "2026-11-29 08:30:30,2", "2026-11-29 08:30:00,1"
    lines = [f"({late}), ({early}) :{'ab'[n % 2]}\n" for n in range(20)]
    (tmp_path / "mine.ts").write_text(TIMED + "".join(lines), encoding="utf-8")
    task = Series(path=str(tmp_path / "mine.ts"), scale="none", intervals=True, duplicates="keep").pinned()
    assert task.training().inputs[:, 0].tolist() == [[1, 0], [2, 30]]


def test_a_folder_of_parts(tmp_path):
    for part, start in (("train", 0), ("valid", 40), ("test", 50)):
        rows = "".join(f"{part}{n},{start + n},{n % 2}\n" for n in range(10))
        (tmp_path / f"mine_{part}.csv").write_text(f"id,a,y\n{rows}", encoding="utf-8")
    task = Series(path=str(tmp_path), scale="none").pinned()
    assert task.split == "files"
    parts = (task.training(), task.validation(), task.test())
    assert [part.inputs.min() for part in parts] == [0, 40, 50]
    (tmp_path / "more.csv").write_text("id,a,y\nx,1,0\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"^task\.path=\S+: 'more.csv' is of no part; each file must say train, valid"):
        Series(path=str(tmp_path)).pinned()


def test_a_folder_of_series_with_a_folder_for_each_class(tmp_path):
    for n in range(20):
        folder = tmp_path / "ab"[n % 2]
        folder.mkdir(exist_ok=True)
        (folder / f"{n}.csv").write_text(f"x\n{n}\n{n + 1}\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("not read", encoding="utf-8")
    task = Series(path=str(tmp_path), target="folder", scale="none").pinned()
    assert (task.inputs, task.per, task.fitted.classes) == (("x",), "series", ("a", "b"))
    training = task.training()
    np.testing.assert_array_equal(training.inputs[0, :, 0] % 2, training.targets)
    before = task.sha256
    (tmp_path / "a" / "0.csv").write_text("x\n0\n2\n", encoding="utf-8")
    assert Series(path=str(tmp_path), target="folder", scale="none").pinned().sha256 != before


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "elsewhere.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(UserError) as refused:
        read_table(str(folder))
    assert str(refused.value) == f"task.path={folder}: 'a.csv' is a link out of the folder"


def data_set() -> datasets.DatasetDict:
    parts = {
        split: datasets.Dataset.from_dict({"x": [[n, n + 1.5] for n in numbers], "label": [n % 2 for n in numbers]})
        for split, numbers in (("train", range(20)), ("validation", range(20, 26)), ("test", range(30, 36)))
    }
    parts["unsupervised"] = datasets.Dataset.from_dict({"x": [[1.0]]})
    return datasets.DatasetDict(parts)


def test_a_data_set_of_hugging_face(tmp_path, monkeypatch):
    data_set().save_to_disk(str(tmp_path / "saved"))
    monkeypatch.setattr("gatelab.tasks.sources.fetch._reach_the_hub", lambda: None)
    asked = []

    def load(identifier, config):
        asked.append((identifier, config))
        return data_set()

    monkeypatch.setattr(datasets, "load_dataset", load)
    tasks = [Series(path=path, scale="none").pinned() for path in (str(tmp_path / "saved"), "someone/walks:small")]
    assert asked[0] == ("someone/walks", "small")
    assert tasks[0].sha256 == tasks[1].sha256
    for task in tasks:
        assert task.split == "files"
        assert task.training().inputs.shape == (2, 20, 1)
        assert sorted(task.test().inputs[1, :, 0].tolist()) == [n + 1.5 for n in range(30, 36)]
        assert any("split 'unsupervised' is left out" in line for line in task.remarks())


def test_a_name_that_is_no_file_is_looked_for_at_hugging_face(monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError) as refused:
        read_table("someone/walks")
    assert str(refused.value) == (
        "task.path=someone/walks: no such file, and as a data set of Hugging Face it cannot be read: "
        "offline mode is on (HF_HUB_OFFLINE)"
    )
