#!/usr/bin/env bash
# symusic 0.6.0 and pretty_midi 0.2.11 (with mido 1.3.3) read one MIDI file and find other notes where a key is struck
# again before it was let go. Strokes at 0 and 240, releases at 480 and 720: symusic closes the oldest stroke first (0 to
# 480, 240 to 720); pretty_midi ends both strokes at the first release (0 to 480, 240 to 480). Piano rolls made of the
# same files differ. Seen in November 2026.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install -q --disable-pip-version-check \
    symusic==0.6.0 pretty_midi==0.2.11 mido==1.3.3 'setuptools<81' numpy==2.4.6

"$place/venv/bin/python" -W ignore - "$place" <<'PYTHON'
import sys

import mido
import pretty_midi
import symusic

path = f"{sys.argv[1]}/struck.mid"
file = mido.MidiFile(ticks_per_beat=480)
track = mido.MidiTrack()
file.tracks.append(track)
track.append(mido.MetaMessage("set_tempo", tempo=500_000))
for kind, wait in (("note_on", 0), ("note_on", 240), ("note_off", 240), ("note_off", 240)):
    track.append(mido.Message(kind, note=60, velocity=64, time=wait))
file.save(path)

by_symusic = sorted((note.start, note.end) for note in symusic.Score(path).tracks[0].notes)
read = pretty_midi.PrettyMIDI(path)
by_pretty_midi = sorted((read.time_to_tick(n.start), read.time_to_tick(n.end)) for n in read.instruments[0].notes)
print("symusic", by_symusic, "pretty_midi", by_pretty_midi)
assert by_symusic == [(0, 480), (240, 720)], "symusic has changed"
assert by_pretty_midi == [(0, 480), (240, 480)], "pretty_midi has changed"
PYTHON
