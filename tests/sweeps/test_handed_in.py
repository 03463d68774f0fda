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
    page = pages.begin(JOBS, pages.folder.parent / "today" / "submitit")
    assert page.stacks == (("lstm on adding", ("a", "b")), ("gru on adding", ("c",)))
    assert pages.pages() == [page]
    assert pages.folder_of(page) == tmp_path / "today" / "submitit"
    numbered = dataclasses.replace(page, numbers=("12_0", "12_1"))
    pages.write(numbered)
    assert HandedIn(pages.folder).pages() == [numbered]
    pages.forget(page.mark)
    pages.forget(page.mark)
    assert pages.pages() == []


@pytest.mark.parametrize("owner, waited_for", [(this_process(), False), (ENDED, False), (AWAY, True), (None, False)])
def test_whether_another_launcher_waits(pages, owner, waited_for):
    page = dataclasses.replace(pages.begin(JOBS, pages.folder.parent / "today" / "submitit"), owner=owner)
    pages.write(page)
    (read,) = pages.pages()
    assert read.waited_for == waited_for
    assert pages.take(read).owner.pid == this_process().pid
    assert pages.take(read, left=True).owner is None


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", '{"folder": "", "owner": 1, "stacks": [], "numbers": []}', "\xff",
        '{"folder": "", "owner": null, "stacks": [], "numbers": ["../12"]}',
        '{"folder": "", "owner": null, "stacks": [], "numbers": ["-1"]}',
        '{"folder": "/etc", "owner": null, "stacks": [], "numbers": ["12"]}',
        '{"folder": "today/../../..", "owner": null, "stacks": [], "numbers": ["12"]}',
    ],
)  # fmt: skip
def test_what_is_no_page_is_passed_over(pages, text):
    page = pages.begin(JOBS, pages.folder.parent / "today" / "submitit")
    (pages.folder / "gatelab-0.json").write_text(text)
    assert pages.pages() == [page]


def test_a_mark_counts_for_its_own_folder_and_runs_only(pages, tmp_path):
    page = pages.begin(JOBS, pages.folder.parent / "today" / "submitit")
    assert pages.made_here(page)
    assert not HandedIn(tmp_path / "elsewhere").made_here(page)
    assert not pages.made_here(dataclasses.replace(page, stacks=(("lstm on adding", ("a", "d")), page.stacks[1])))
    assert not pages.made_here(dataclasses.replace(page, mark="gatelab-0123456789abcdef"))
    (tmp_path / "linked").symlink_to(tmp_path, target_is_directory=True)
    assert HandedIn(tmp_path / "linked" / "handed-in").made_here(page)
