"""The parts of ``make trust``: what each tries, how often, and how much of it ``make test`` does."""

from dataclasses import dataclass

from gatelab.language import variant_files
from tests.trust.deaths import CASES

__all__ = ["PARTS", "Part"]


@dataclass(frozen=True)
class Part:
    """One part, whose tests stand in ``tests/trust/test_<name>.py``.

    Attributes:
        name: as in ``make trust PART=name``.
        trial: what one trial is, in the plural.
        text: what is tried, and what has to hold.
        trials: of the whole part.
        chunk: how many of them are done, and noted, at once.
        quick: how many ``make test`` does.
    """

    name: str
    trial: str
    text: str
    trials: int
    chunk: int
    quick: int


PARTS = {
    part.name: part
    for part in (
        Part(
            "kills",
            "SIGKILLs",
            "A sweep and all its processes are killed at random moments and launched again until it is done; "
            "results, histories and checkpoints of every run are compared bit for bit with those of a sweep that "
            "nobody killed. A run that had finished is not written again.",
            trials=300,
            chunk=25,
            quick=2,
        ),
        Part(
            "interruptions",
            "signals",
            "A sweep and its workers get SIGINT, SIGTERM or SIGHUP at a random moment: it ends with the status that "
            "shells expect and a line that says so, without a traceback; no process goes on, no claim stands. "
            "Launched again it ends with the bits of a sweep that nobody stopped. A run that had finished is not "
            "written again.",
            trials=240,
            chunk=20,
            quick=1,
        ),
        Part(
            "crashes",
            "deaths",
            "The process dies at a named place: before and after every write, fsync and rename, every claim, the "
            "first and the last step; some die twice. Then as above.",
            trials=3 * len(CASES),
            chunk=10,
            quick=2,
        ),
        Part(
            "launchers",
            "repeats",
            "Several launchers start the same sweep at once; some are killed; one is stopped until another has "
            "taken its runs, and then wakes up. Every line of every history is written once, and the bits are "
            "those of one launcher.",
            trials=60,
            chunk=5,
            quick=1,
        ),
        Part(
            "disk",
            "trials",
            "One call to the disk (open, write, fsync, rename, link, mkdir) below the store is refused, as on a "
            "full, broken, read-only or foreign disk; or all calls from one on; or a write is done by half. The "
            "process ends in order and with a word, or goes on; launched again, the sweep ends with the same "
            "bits.",
            trials=400,
            chunk=20,
            quick=2,
        ),
        Part(
            "corruption",
            "damaged files",
            "A file that a sweep has left is damaged: a bit flipped, cut, emptied, longer, filled with zeros or "
            "with garbage. The comparison tells it by name or shows the same numbers; the sweep launched again "
            "ends with the same bits or tells it by name. A checkpoint of a finished run, which neither of them reads, "
            "is told by `store.py check=true`. There is no traceback, and no process dies.",
            trials=500,
            chunk=25,
            quick=4,
        ),
        Part(
            "files",
            "files",
            "Files of every kind that a user or a store gives, with up to four changes drawn by hypothesis: "
            "values, lines, headers, bytes, structures. Each is read or refused with a UserError of one bounded "
            "line; Python's audit events show that nothing is started, imported, written or connected to.",
            trials=100_000,
            chunk=1_000,
            quick=100,
        ),
        Part(
            "variants",
            "variants",
            "Random variants: outputs, final states and all gradients of compiled code against the loop in "
            "double precision, and in single precision within four times what rounding does to the loop; with "
            "stacks and lengths, dead equations, and zeros that meet infinities.",
            trials=2_000,
            chunk=50,
            quick=4,
        ),
        Part(
            "stacks",
            "samples",
            "Three runs drawn at random (variant, task, path, sizes, options) are trained as a stack, each alone "
            "and as a stack that is stopped and goes on as others: the same bits in every file.",
            trials=1_000,
            chunk=50,
            quick=1,
        ),
        Part(
            "tracers",
            "traced calls",
            "Every variant of the catalogue as a gatelab.RNN under every tracer and transformation of torch: "
            "outputs and, where there are some, gradients are those of the plain call.",
            trials=11 * len(variant_files()),
            chunk=120,
            quick=4,
        ),
    )
}
"""In the order of the page."""
