"""Generate the five spoken clips of the demo. Requires espeak-ng and imageio-ffmpeg.

python examples/demo/make_clips.py

The clips differ in format, sample rate, number of channels and voice. Every word starts at a full second, so that a
listener hears where a clip is trimmed: sur1 counts its seconds and is trimmed to "four" to "thirteen".
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
RATE = 22050  # the sample rate of espeak-ng
LEAD_S = 0.1  # silence before a word, so that a trim at the second keeps its first consonant
NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven"),
    *("eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen"),
)


class Speech(NamedTuple):
    """A clip: file name, voice, words with their start in seconds, duration in seconds, and FFmpeg output options."""

    name: str
    voice: str
    words: Sequence[tuple[float, str]]
    seconds: float
    encoding: Sequence[str]


def counting(title: str, until: int) -> list[tuple[float, str]]:
    """Return a title at second 0, and the number of every following second."""
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


def speak(words: str, voice: str, folder: Path) -> "array[int]":
    """Return spoken words as 16-bit mono samples at RATE."""
    file = folder / "words.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-s", "180", "-w", str(file), words], check=True)  # noqa: S603, S607
    with wave.open(str(file)) as spoken:
        return array("h", spoken.readframes(spoken.getnframes()))


def render(speech: Speech, folder: Path) -> "array[int]":
    """Return the samples of a clip, with every word at its second."""
    samples = array("h", bytes(2 * round(speech.seconds * RATE)))
    for second, words in speech.words:
        spoken = speak(words, speech.voice, folder)
        at = round((second + LEAD_S) * RATE)
        samples[at : at + len(spoken)] = spoken
    return samples[: round(speech.seconds * RATE)]


def write(speech: Speech, folder: Path) -> Path:
    """Write a clip in its format, and return its path."""
    spoken = folder / "speech.wav"
    with wave.open(str(spoken), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(render(speech, folder).tobytes())
    output = HERE / speech.name
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(spoken)]
    options = ["-bitexact", "-map_metadata", "-1", *speech.encoding]
    subprocess.run([*ffmpeg, *options, str(output)], check=True)  # noqa: S603 - constant arguments
    return output


def main() -> None:
    """Write all clips to the folder of this script."""
    if shutil.which("espeak-ng") is None:
        sys.exit("espeak-ng is missing; install it, for instance with: apt-get install espeak-ng")
    with tempfile.TemporaryDirectory() as folder:
        for speech in SPEECHES:
            output = write(speech, Path(folder))
            sys.stdout.write(f"{output.name}: {speech.seconds} s, {output.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
