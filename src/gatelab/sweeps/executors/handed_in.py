"""What launchers have handed in to a cluster, written down beside the runs: the next one finds the jobs again.

A page is written before its jobs are handed in, and bears the mark that they carry in the queue: a launcher that dies
in between leaves no job without a page.

    runs/sweeps/handed-in/gatelab-1f….json   {"folder": "2026-…/submitit", "owner": {…}, "numbers": ["12_0", …],
                                              "stacks": [{"title": "…", "identities": ["…", …]}, …]}

A page is a file, and a store may come from anybody. So a job is taken for ours only where the queue shows the mark, and
a mark counts only for the folder and the runs that it was made for: a hash of both is part of it. The numbers of jobs
in a page serve to find what jobs have left, in a folder beside the page, that the queue has forgotten, and to tell the
user; nothing is ever cancelled or waited for because of them.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from gatelab.disk import make_folder, write_atomically, writing
from gatelab.errors import UserError, one_line
from gatelab.reading import read_json
from gatelab.store.lease.owner import Owner, this_process
from gatelab.sweeps.job import Job

__all__ = ["HandedIn", "Page"]

_NUMBER = re.compile(r"[0-9]{1,20}(_[0-9]{1,20})?")
_DIGITS = 16  # of either half of a mark, hexadecimal


@dataclass(frozen=True)
class Page:
    """Jobs that were handed in together: one, or an array.

    Attributes:
        mark: in the comments of the jobs.
        folder: of submitit's files, below that of all sweeps.
        owner: the launcher that waits for them; None if it has gone and left them.
        stacks: title and identities of each, in the order of the array.
        numbers: of the jobs, once they are known; not to be trusted.
    """

    mark: str
    folder: str
    owner: Owner | None
    stacks: tuple[tuple[str, tuple[str, ...]], ...]
    numbers: tuple[str, ...] = ()

    @property
    def waited_for(self) -> bool:
        """Whether another launcher may still wait for them."""
        return self.owner is not None and not self.owner.this() and self.owner.alive() is not False


class HandedIn:
    """The pages of a store.

    Args:
        folder: of the pages.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, jobs: Sequence[Job], folder: Path) -> Page:
        """Write the page of jobs that are about to be handed in. Raises UserError if it cannot be written.

        Args:
            jobs: in the order of the array.
            folder: of submitit's files, below that of all sweeps.
        """
        stacks = tuple((job.title, job.identities) for job in jobs)
        below = folder.relative_to(self.folder.parent).as_posix()
        page = Page(self._mark(uuid.uuid4().hex[:_DIGITS], stacks), below, this_process(), stacks)
        make_folder(self.folder)
        self.write(page)
        return page

    def write(self, page: Page) -> None:
        """Write a page anew."""
        content = {
            "folder": page.folder,
            "owner": None if page.owner is None else page.owner.to_mapping(),
            "stacks": [{"title": title, "identities": list(identities)} for title, identities in page.stacks],
            "numbers": list(page.numbers),
        }
        path = self._path(page.mark)
        with writing(path):
            write_atomically(path, f"{json.dumps(content)}\n".encode())

    def take(self, page: Page, *, left: bool = False) -> Page:
        """Write down that this process waits for the jobs of a page, or that it has ``left`` them."""
        taken = replace(page, owner=None if left else this_process())
        self.write(taken)
        return taken

    def forget(self, mark: str) -> None:
        """Remove the page of jobs that have ended."""
        with writing(self._path(mark)):
            self._path(mark).unlink(missing_ok=True)

    def folder_of(self, page: Page) -> Path:
        """Return the folder of submitit's files for the jobs of a page."""
        return self.folder.parent / page.folder

    def made_here(self, page: Page) -> bool:
        """Say whether the mark of a page was made for this folder and for these runs."""
        return page.mark == self._mark(page.mark.removeprefix("gatelab-")[:_DIGITS], page.stacks)

    def pages(self) -> list[Page]:
        """Return every page that can be read, whether it was made here or not."""
        found = []
        for path in sorted(self.folder.glob("gatelab-*.json")):
            try:
                found.append(_page(path.stem, read_json(path)))
            except (UserError, KeyError, TypeError, ValueError, AttributeError):
                continue  # removed just now by its launcher, or damaged: then its runs are handed in again
        return found

    def _mark(self, first: str, stacks: Sequence[tuple[str, tuple[str, ...]]]) -> str:
        of = json.dumps([first, str(self.folder.resolve()), [identities for _, identities in stacks]])
        return f"gatelab-{first}{hashlib.sha256(of.encode()).hexdigest()[:_DIGITS]}"

    def _path(self, mark: str) -> Path:
        return self.folder / f"{mark}.json"


def _page(mark: str, content: Any) -> Page:
    owner = content["owner"]
    stacks = tuple((one_line(one["title"]), tuple(map(str, one["identities"]))) for one in content["stacks"])
    numbers = tuple(map(str, content["numbers"]))
    if not all(map(_NUMBER.fullmatch, numbers)):
        raise ValueError("not the numbers of jobs")
    folder = PurePosixPath(str(content["folder"]))
    if folder.is_absolute() or ".." in folder.parts:
        raise ValueError("not a folder of this store")
    return Page(mark, str(folder), None if owner is None else Owner.from_mapping(owner), stacks, numbers)
