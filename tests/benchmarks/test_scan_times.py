"""Times of the scan: the loop is left out where its graph would fill the memory."""

import torch

from benchmarks import scan


def test_a_path_that_is_left_out_has_no_time(monkeypatch):
    monkeypatch.setattr(scan, "_LONGEST_LOOP", 2)
    threads = torch.get_num_threads()
    row = scan.measured("min_gru", steps=3, batch=1, threads=threads, rounds=0)
    assert row["loop"] is None
    assert isinstance(row["native"], float)
    assert isinstance(row["scan"], float)
