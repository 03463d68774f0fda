"""JSB Chorales: which notes sound in the next quarter note of a chorale by Bach.

    frame     1            2            3            4
    input     60 72 79 88  72 79 88     67 70 76 84             MIDI notes as a row of 88 zeros and ones
    target    72 79 88     67 70 76 84  69 70 76 86             the frame that follows

Frame t + 1 is predicted from the frames 1 … t, so that the first frame of a chorale is read and never scored (the form
of Bai, Kolter & Koltun 2018, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks", section 4).
Loss and score are the binary cross-entropy summed over the 88 notes, in nats per frame, averaged over all frames of a
split. Predicting each note as often as it sounds in training costs 11.09; perfect is 0. Source: Boulanger-Lewandowski,
Bengio & Vincent 2012, "Modeling Temporal Dependencies in High-Dimensional Sequences"; the 229, 76 and 77 chorales of
its training, validation and test, as JSON from https://github.com/czhuang/JSB-Chorales-dataset.

Melodies were set several times: 8 of the 77 test chorales have the top line of a training chorale, note for note, 22
one within 5 % of its frames, 31 one within 20 % (edits for each frame). ``split=tune`` deals the same 382 chorales
anew, all whose top lines are within 20 % of each other to one part; ``split=unknown`` is the usual split, whose
validation and test lack chorales with the top line of a training chorale. Published numbers are those of
``split=usual``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from gatelab.keys import Key
from gatelab.tasks.music.pianoroll import PUBLIC_SHA256, load_splits
from gatelab.tasks.music.polyphony import PianoRolls
from gatelab.tasks.music.tunes import by_tune, top_line, without_known
from gatelab.tasks.sources.byte_arrays import Splits
from gatelab.tasks.sources.fetch import Sha256

if TYPE_CHECKING:
    from gatelab.tasks.music.pianoroll import Arranged

__all__ = ["Chorales"]


def _unknown(rolls: Mapping[str, Sequence[NDArray[np.uint8]]]) -> dict[str, list[NDArray[np.uint8]]]:
    return without_known(rolls, lambda roll: top_line(roll).tobytes())


_ARRANGED: dict[str, Arranged | None] = {"usual": None, "tune": by_tune, "unknown": _unknown}


class Chorales(PianoRolls):
    """Next-frame prediction: inputs (time, batch, 88) frames 1 … T - 1, targets (time, batch, 88) frames 2 … T.

    Sequences shorter than the longest of their split are padded with silence that has no weight; ``lengths`` counts
    predicted frames. Reading the data raises :class:`UserError` in one line if the file is not there, cannot be
    fetched, has another hash, or does not hold chorales.
    """

    name: Literal["chorales"] = "chorales"
    path: str | None = None
    """A local copy of the JSON file; null fetches it once from its public home and keeps it in the cache of
    Hugging Face datasets. Where the file lies has no influence on what is in it: ``sha256`` decides that."""
    sha256: Sha256 = PUBLIC_SHA256
    """Hash of the file, checked before anything is read from it."""

    split: Annotated[
        Literal["usual", "tune", "unknown"],
        Key("usual; tune: all chorales of a melody in one part; unknown: no top line of training in the other parts",
            neutral="usual"),
    ] = "usual"  # fmt: skip

    # Frames 2 … T of the test chorales under the note frequencies of frames 2 … T of the training chorales. A constant,
    # so that the task can be described without its data; a test recomputes it if the data are available.
    chances: ClassVar[dict[str, float]] = {"usual": 11.09, "tune": 11.30, "unknown": 11.08}

    @property
    def chance(self) -> float:
        return self.chances[self.split]

    def splits(self) -> Splits:
        return load_splits(self.path, self.sha256, _ARRANGED[self.split])
