"""Makes the five spoken clips of the demo, for whoever wants other words: needs espeak-ng and imageio-ffmpeg.

python examples/demo/make_clips.py

Five formats, five sample rates, one or two channels, five voices: a mix as in real life. Every word begins at a whole
second, so that a listener hears where a clip was cut: sur1 counts its own seconds and is cut from "four" to "thirteen".
"""

import shutil
import subprocess
import sys
import tempfile
import wave
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg

HERE = Path(__file__).parent
RATE = 22050  # what espeak-ng writes
LEAD = 0.1  # seconds before a word, so that a cut on the second takes no consonant away
NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven"),
    *("eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen"),
)


class Speech(NamedTuple):
    """A clip: who says what at which second, how long it lasts, and how FFmpeg shall write it."""

    name: str
    voice: str
    words: Sequence[tuple[float, str]]
    seconds: float
    encoding: Sequence[str]


def counting(title: str, until: int) -> list[tuple[float, str]]:
    """Return a title at once, and from then on every second its number."""
    return [(0, title), *((second, NUMBERS[second]) for second in range(1, until))]


SPEECHES = (
    Speech("pre1.mp3", "en-gb", [(0, "Clip one. Pre one.")], 2.2, ("-ar", "44100", "-ac", "1", "-b:a", "64k")),
    Speech("pre2.wav", "en-us+f3", counting("Pre two", 4), 4, ("-ar", "16000", "-ac", "1")),
    Speech(
        "example.oga",
        "en-gb-scotland",
        [(0, "Clip three. Example.")],
        2.4,
        ("-ar", "48000", "-ac", "2", "-c:a", "libvorbis", "-q:a", "2"),
    ),
    Speech("sur1.aac", "en-us", counting("Sur one", 16), 16, ("-ar", "32000", "-ac", "2", "-b:a", "48k")),
    Speech(
        "sur2.wma",
        "en-gb+f2",
        [*counting("Sur two", 13), (13, "The end.")],
        14,
        ("-ar", "22050", "-ac", "1", "-c:a", "wmav2", "-b:a", "32k"),
    ),
)


def say(words: str, voice: str, folder: Path) -> "array[int]":
    """Speak some words; 16-bit samples, mono, at RATE."""
    file = folder / "words.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-s", "180", "-w", str(file), words], check=True)  # noqa: S603, S607
    with wave.open(str(file)) as spoken:
        return array("h", spoken.readframes(spoken.getnframes()))


def perform(speech: Speech, folder: Path) -> "array[int]":
    """Put every word at its second."""
    samples = array("h", bytes(2 * round(speech.seconds * RATE)))
    for second, words in speech.words:
        spoken = say(words, speech.voice, folder)
        at = round((second + LEAD) * RATE)
        samples[at : at + len(spoken)] = spoken
    return samples[: round(speech.seconds * RATE)]


def write(speech: Speech, folder: Path) -> Path:
    """Write one clip in its own format."""
    spoken = folder / "speech.wav"
    with wave.open(str(spoken), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(perform(speech, folder).tobytes())
    made = HERE / speech.name
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-y",
        "-i",
        str(spoken),
        "-bitexact",
        "-map_metadata",
        "-1",
    ]
    subprocess.run([*command, *speech.encoding, str(made)], check=True)  # noqa: S603 - our own arguments
    return made


def main() -> None:
    """Write all clips beside this script."""
    if shutil.which("espeak-ng") is None:
        sys.exit("espeak-ng is missing; install it, for instance with: apt-get install espeak-ng")
    with tempfile.TemporaryDirectory() as folder:
        for speech in SPEECHES:
            made = write(speech, Path(folder))
            sys.stdout.write(f"{made.name}: {speech.seconds} s, {made.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
