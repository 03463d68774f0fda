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
"""

from __future__ import annotations

from typing import ClassVar, Literal

from gatelab.tasks.music.pianoroll import PUBLIC_SHA256, load_splits
from gatelab.tasks.music.polyphony import PianoRolls
from gatelab.tasks.sources.byte_arrays import Splits
from gatelab.tasks.sources.fetch import Sha256

__all__ = ["Chorales"]


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

    # Frames 2 … T of the test chorales under the note frequencies of frames 2 … T of the training chorales. A constant,
    # so that the task can be described without its data; a test recomputes it if the data are available.
    chance: ClassVar[float] = 11.09

    def splits(self) -> Splits:
        return load_splits(self.path, self.sha256)
