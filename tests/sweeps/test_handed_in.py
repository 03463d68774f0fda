"""What is written down of jobs that were handed in to a cluster."""

import dataclasses

import pytest

from gatelab.store import Owner
from gatelab.store.lease.owner import this_process
from gatelab.sweeps.executors.handed_in import HandedIn
from gatelab.sweeps.job import Job

JOBS = [Job("lstm on adding", (), ("a", "b")), Job("gru on adding", (), ("c",))]
ENDED = dataclasses.replace(this_process(), started="1")
AWAY = Owner("elsewhere", "another place", 1, "2", "3")


@pytest.fixture
def pages(tmp_path):
    return HandedIn(tmp_path / "handed-in")


def test_a_page_is_there_before_its_jobs_and_is_read_as_it_was_written(pages, tmp_path):
    page = pages.begin(JOBS, tmp_path)
    assert page.stacks == (("lstm on adding", ("a", "b")), ("gru on adding", ("c",)))
    assert pages.pages() == [page]
    numbered = dataclasses.replace(page, numbers=("12_0", "12_1"))
    pages.write(numbered)
    assert HandedIn(pages.folder).pages() == [numbered]
    pages.forget(page.mark)
    pages.forget(page.mark)
    assert pages.pages() == []


@pytest.mark.parametrize("owner, waited_for", [(this_process(), False), (ENDED, False), (AWAY, True), (None, False)])
def test_whether_another_launcher_waits(pages, tmp_path, owner, waited_for):
    page = dataclasses.replace(pages.begin(JOBS, tmp_path), owner=owner)
    pages.write(page)
    (read,) = pages.pages()
    assert read.waited_for == waited_for
    assert pages.take(read).owner.pid == this_process().pid
    assert pages.take(read, left=True).owner is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"owner": 1, "stacks": [], "folder": "", "numbers": []}', "\xff"]
)
def test_what_is_no_page_is_passed_over(pages, tmp_path, text):
    page = pages.begin(JOBS, tmp_path)
    (pages.folder / "gatelab-0.json").write_text(text)
    assert pages.pages() == [page]
