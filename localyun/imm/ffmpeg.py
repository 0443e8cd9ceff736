"""FFmpeg as a child process: run it, stop it, read what it reports. Knows no audio grammar; join and info call it."""

import os
import re
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import imageio_ffmpeg

from localyun.imm.errors import ImmError

TASK_SECONDS = 3600.0
# Containers of audio only. No playlists and no scripts: those name other files, which the reader would then open.
DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,"
    "ogg,oga,opus,tta,w64,wav,wv"
)
QUIET = ("-nostdin", "-hide_banner", "-nostats", "-v", "verbose")
STREAM = re.compile(
    r"^  Stream #(?P<input>\d+):(?P<index>\d+)[^:]*: Audio: (?P<codec>\w+)[^\n]*?, (?P<rate>\d+) Hz, "
    r"(?P<layout>[^,\n]+), (?P<format>\w+)(?: \([^)\n]*\))?(?:, (?P<kbits>\d+) kb/s)?",
    re.MULTILINE,
)
INPUT = re.compile(r"^Input #(\d+), (.+), from '", re.MULTILINE)
OVERALL = re.compile(r"^  Duration: \S+(?: start: \S+)?[^\n]* bitrate: (?:(\d+) kb/s|N/A)", re.MULTILINE)
DECODED = re.compile(r"Input stream #(\d+):\d+ \(audio\): [^\n]*?(?:\((\d+) samples\); )")
ENCODED = re.compile(r"Output stream #(\d+):0 \(audio\): \d+ frames encoded \((\d+) samples\)")
NOT_OPENED = re.compile(r"\[in#(\d+) @ [^\]]*\] Error opening input: (.+)")
NAMED_LAYOUTS = {"mono": 1, "stereo": 2, "downmix": 2, "quad": 4, "quad(side)": 4, "hexagonal": 6, "octagonal": 8}


@dataclass(frozen=True)
class Stream:
    """The first audio stream of an input, as the decoder gives it. `bitrate` is in bit/s, 0 if not known."""

    container: str
    codec: str
    sample_rate: int
    layout: str
    sample_format: str
    bitrate: int
    index: int = 0

    @property
    def channels(self) -> int:
        """The number of channels of the layout."""
        return count_channels(self.layout)


@dataclass(frozen=True)
class Finished:
    """How a run of FFmpeg ended, and all it said."""

    code: int
    log: str

    @property
    def tail(self) -> str:
        """The last lines of what FFmpeg said, for a failure's message."""
        lines = [line for line in self.log.splitlines() if line.strip() and "AVIOContext" not in line]
        return " | ".join(lines[-4:])[-600:]

    def streams(self) -> dict[int, Stream]:
        """Return the first audio stream of each input that has one, by the input's number."""
        heads = [*INPUT.finditer(self.log)]
        starts = [*(head.start() for head in heads), len(self.log)]
        parts = [self.log[start:end] for start, end in pairwise(starts)]
        found = {int(head[1]): _stream(head[2], part) for head, part in zip(heads, parts, strict=True)}
        return {number: stream for number, stream in found.items() if stream}

    def decoded(self) -> dict[int, int]:
        """Return how many samples were decoded of each input that was used."""
        return {int(number): int(samples) for number, samples in DECODED.findall(self.log)}

    def encoded(self) -> int:
        """Return how many samples went into the first output."""
        return self.encoded_each().get(0, 0)

    def encoded_each(self) -> dict[int, int]:
        """Return how many samples went into each output."""
        return {int(number): int(samples) for number, samples in ENCODED.findall(self.log)}

    def not_opened(self) -> tuple[int, str] | None:
        """Return the number of the input that could not be opened, and why."""
        match = NOT_OPENED.search(self.log)
        return (int(match[1]), match[2].strip()) if match else None


class Ffmpeg:
    """FFmpeg's executable. `stop` ends every child of this object and lets no new one start."""

    def __init__(self, executable: str = "", seconds: float = TASK_SECONDS) -> None:
        self._executable = executable or imageio_ffmpeg.get_ffmpeg_exe()
        self._seconds = seconds
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, args: Sequence[str], folder: Path | None = None) -> Finished:
        """Run FFmpeg in `folder` until it ends; one that takes too long is killed and raises `ImmError`."""
        child = self._start([self._executable, *QUIET, *args], folder)
        try:
            _, errors = child.communicate(timeout=self._seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            text = f"The conversion took longer than {self._seconds:g} s and was ended; use shorter clips."
            raise ImmError("OperationTimeout", text) from None
        finally:
            with self._lock:
                self._children.discard(child)
        return Finished(child.returncode, errors.decode("utf-8", "replace"))

    def stop(self) -> None:
        """End all running children; their runs return with a failure."""
        with self._lock:
            self._stopped = True
            for child in self._children:
                child.kill()

    def _start(self, command: list[str], folder: Path | None) -> "subprocess.Popen[bytes]":
        """Start a child and remember it."""
        with self._lock:
            if self._stopped:
                raise ImmError("InternalError", "The service is stopping; submit again after its start.")
            child = subprocess.Popen(  # noqa: S603 - our own executable; names in the command are ours too
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**os.environ, "AV_LOG_FORCE_NOCOLOR": "1"},
            )
            self._children.add(child)
            return child


def input_args(name: str) -> list[str]:
    """Return the arguments that read one audio file, and nothing the file may point to."""
    return ["-protocol_whitelist", "file", "-format_whitelist", DEMUXERS, "-i", f"file:{name}"]


def count_channels(layout: str) -> int:
    """Count the channels of a layout as FFmpeg names it.

    >>> [count_channels(name) for name in ("mono", "5.1(side)", "7.1.2", "9 channels (FL+FR)")]
    [1, 6, 10, 9]
    """
    if layout in NAMED_LAYOUTS:
        return NAMED_LAYOUTS[layout]
    if match := re.match(r"(\d+) channels", layout):
        return int(match[1])
    match = re.match(r"\d+(?:\.\d+)*", layout)
    return sum(map(int, match[0].split("."))) if match else 0


def _stream(container: str, text: str) -> Stream | None:
    """Read the first audio stream out of one input's description."""
    match = STREAM.search(text)
    if match is None:
        return None
    overall = OVERALL.search(text)
    kbits = match["kbits"] or (overall[1] if overall else None) or "0"
    return Stream(
        container=container,
        codec=match["codec"],
        sample_rate=int(match["rate"]),
        layout=match["layout"].strip(),
        sample_format=match["format"],
        bitrate=int(kbits) * 1000,
        index=int(match["index"]),
    )
