"""What launchers have handed in to a cluster, written down beside the runs: the next one finds the jobs again.

A page is written before its jobs are handed in, and bears the mark that they carry in the queue: a launcher that dies
in between leaves no job without a page.

    runs/sweeps/handed-in/gatelab-1f….json   {"folder": "…", "owner": {…}, "numbers": ["12_0", …],
                                              "stacks": [{"title": "…", "identities": ["…", …]}, …]}
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gatelab.disk import make_folder, write_atomically, writing
from gatelab.errors import UserError
from gatelab.reading import read_json
from gatelab.store.lease.owner import Owner, this_process
from gatelab.sweeps.job import Job

__all__ = ["HandedIn", "Page"]


@dataclass(frozen=True)
class Page:
    """Jobs that were handed in together: one, or an array.

    Attributes:
        mark: in the comments of the jobs.
        folder: of submitit's files.
        owner: the launcher that waits for them; None if it has gone and left them.
        stacks: title and identities of each, in the order of the array.
        numbers: of the jobs, once they are known.
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
        """Write the page of jobs that are about to be handed in. Raises UserError if it cannot be written."""
        stacks = tuple((job.title, job.identities) for job in jobs)
        page = Page(f"gatelab-{uuid.uuid4().hex[:16]}", str(folder.absolute()), this_process(), stacks)
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

    def pages(self) -> list[Page]:
        """Return every page that can be read."""
        found = []
        for path in sorted(self.folder.glob("gatelab-*.json")):
            try:
                found.append(_page(path.stem, read_json(path)))
            except (UserError, KeyError, TypeError, ValueError, AttributeError):
                continue  # removed just now by its launcher, or damaged: then its runs are handed in again
        return found

    def _path(self, mark: str) -> Path:
        return self.folder / f"{mark}.json"


def _page(mark: str, content: Any) -> Page:
    owner = content["owner"]
    stacks = tuple((str(one["title"]), tuple(map(str, one["identities"]))) for one in content["stacks"])
    return Page(
        mark,
        str(content["folder"]),
        None if owner is None else Owner.from_mapping(owner),
        stacks,
        tuple(map(str, content["numbers"])),
    )
