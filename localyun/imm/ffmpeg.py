"""Runs FFmpeg as a child process and parses its log. Knows no process strings; `join` and `audio_info` call it."""

import logging
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, TypeVar

import imageio_ffmpeg

from localyun.disk import DISK_FULL, DISK_FULL_ERRORS, says_disk_full
from localyun.imm.errors import ImmError
from localyun.imm.flac import ByteRange

log = logging.getLogger(__name__)
T = TypeVar("T")
TASK_SECONDS = 3600.0
SPEEX = "speex"
# Audio containers only. A playlist or script names other files, which FFmpeg would open.
DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,"
    "ogg,oga,opus,tta,w64,wav,wv"
)
# The static FFmpeg cannot load the C library's character converters, and dies of it in MPEG-TS: it must find none.
ENVIRONMENT = {"AV_LOG_FORCE_NOCOLOR": "1", "GCONV_PATH": "/nonexistent"}
COMMON_ARGS = ("-nostdin", "-hide_banner", "-nostats", "-v", "verbose")
STREAM = re.compile(
    r"^  Stream #(?P<input>\d+):(?P<index>\d+)[^:]*: Audio: (?P<codec>\w+)[^\n]*?, (?P<rate>\d+) Hz, "
    r"(?P<layout>[^,\n]+), (?P<format>\w+)(?: \([^)\n]*\))?(?:, (?P<kbits>\d+) kb/s)?",
    re.MULTILINE,
)
INPUT = re.compile(r"^Input #(\d+), (.+), from '", re.MULTILINE)
OVERALL = re.compile(r"^  Duration: \S+(?: start: \S+)?[^\n]* bitrate: (?:(\d+) kb/s|N/A)", re.MULTILINE)
ANNOUNCED = re.compile(r"^  Duration: (\d+):(\d+):(\d+\.\d+)", re.MULTILINE)
ESTIMATED = "Estimating duration from bitrate"
START = re.compile(r"^  Duration: \S+ start: (\d+\.\d+)", re.MULTILINE)
DECODED = re.compile(r"Input stream #(\d+):\d+ \(audio\): [^\n]*?(?:\((\d+) samples\); )")
ENCODED = re.compile(r"Output stream #(\d+):0 \(audio\): \d+ frames encoded \((\d+) samples\)")
NOT_OPENED = re.compile(r"\[in#(\d+) @ [^\]]*\] Error opening input: (.+)")
FATAL_SIGNALS = {
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS),
    *(signal.SIGFPE, signal.SIGKILL, signal.SIGUSR1, signal.SIGSEGV, signal.SIGUSR2, signal.SIGPIPE, signal.SIGTERM),
    *(signal.SIGXCPU, signal.SIGXFSZ, signal.SIGSYS),
}
# The codecs that store samples as they are; other PCM codecs, such as pcm_bluray, pad them.
PCM = re.compile(r"pcm_(?:[suf](\d+)(?:[lb]e)?(?:_planar)?|alaw|mulaw)")
NAMED_LAYOUTS = {"mono": 1, "stereo": 2, "downmix": 2, "quad": 4, "quad(side)": 4, "hexagonal": 6, "octagonal": 8}


@dataclass(frozen=True)
class AudioStream:
    """The first audio stream of an input, as the decoder reports it. `bitrate` is in bit/s, 0 if not known.

    `start_s` is the start of the input in seconds; in an MP3 with a Xing header, that is the encoder's delay.
    """

    container: str
    codec: str
    sample_rate: int
    layout: str
    sample_format: str
    bitrate: int
    index: int = 0
    start_s: float = 0.0

    @property
    def channels(self) -> int:
        """The number of channels of the layout."""
        return count_channels(self.layout)


@dataclass(frozen=True)
class FfmpegResult:
    """The exit code and the log of a run of FFmpeg."""

    code: int
    log: str

    @property
    def crash(self) -> str:
        """What ended FFmpeg from outside or by a fault of its own; "" if it ended by itself.

        A shell reports 128 + the signal's number; FFmpeg itself ends with 255 or 123 on a signal that asks it to.
        """
        number = -self.code if self.code < 0 else self.code - 128
        if (self.code < 0 or self.code > 128) and number in FATAL_SIGNALS:
            return f"signal {number} ({signal.Signals(number).name})"
        return "a signal" if self.code in (123, 255) and "received signal" in self.log else ""

    def streams(self) -> dict[int, AudioStream]:
        """Return the first audio stream of each input that has one, by input number."""
        heads = [*INPUT.finditer(self.log)]
        starts = [*(head.start() for head in heads), len(self.log)]
        parts = [self.log[start:end] for start, end in pairwise(starts)]
        found = {int(head[1]): _stream(head[2], part) for head, part in zip(heads, parts, strict=True)}
        return {number: stream for number, stream in found.items() if stream}

    def announced_s(self) -> float:
        """Return the duration in seconds that the first container records, to 10 ms; 0 if it records none."""
        found = None if ESTIMATED in self.log else ANNOUNCED.search(self.log)
        return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else 0.0

    def decoded(self) -> dict[int, int]:
        """Return the number of samples decoded from each used input, by input number."""
        return {int(number): int(samples) for number, samples in DECODED.findall(self.log)}

    def encoded(self) -> int:
        """Return the number of samples per channel in the first output."""
        return self.encoded_per_output().get(0, 0)

    def encoded_per_output(self) -> dict[int, int]:
        """Return the number of samples per channel in each output, by output number."""
        return {int(number): int(samples) for number, samples in ENCODED.findall(self.log)}

    def not_opened(self) -> tuple[int, str] | None:
        """Return the number of the input that could not be opened and the reason, or None."""
        match = NOT_OPENED.search(self.log)
        return (int(match[1]), match[2].strip()) if match else None


class FfmpegFailed(ImmError):
    """FFmpeg ended with an error that nothing but a full disk explains; its log goes to the log of the local cloud."""

    def __init__(self, result: FfmpegResult, task: str) -> None:
        # FFmpeg ends with the last byte of a negative error number; its log may have found no space, either.
        if says_disk_full(result.log) or 256 - result.code in DISK_FULL_ERRORS:
            super().__init__("InternalError", DISK_FULL)
            return
        log.error("FFmpeg, which %s, ended with exit code %d:\n%s", task, result.code, result.log)
        message = (
            f"FFmpeg failed when it {task} (exit code {result.code}); the log of the local cloud has what it printed."
        )
        super().__init__("OperationFailed", message)


class FfmpegCrashed(ImmError):
    """FFmpeg crashed, or was killed or stopped from outside; this says nothing about the audio."""

    def __init__(self, crash: str, task: str) -> None:
        message = (
            f"FFmpeg was ended by {crash} while it {task}. Submit the task again; check the machine's free memory."
        )
        super().__init__("InternalError", message)


class FfmpegProcess:
    """A running FFmpeg, with its standard input and output as far as they are pipes."""

    def __init__(self, child: "subprocess.Popen[bytes]", log: BinaryIO, seconds: float, task: str) -> None:
        self._child, self._log, self._seconds, self._task = child, log, seconds, task
        self._timed_out = False
        self._timer = threading.Timer(seconds, self._time_out)
        self._timer.daemon = True
        self._timer.start()

    def write(self, data: memoryview) -> None:
        """Write to its standard input; raise BrokenPipeError if it has ended."""
        assert self._child.stdin
        self._child.stdin.write(data)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes of its standard output, fewer only at the end."""
        assert self._child.stdout
        return self._child.stdout.read(size)

    def finish(self) -> FfmpegResult:
        """Close the pipes, wait, and return the result; raise `ImmError` after a time-out or a crash."""
        self.wait()
        if self._timed_out:
            message = f"The conversion took longer than {self._seconds:g} s and was ended; use shorter clips."
            raise ImmError("OperationTimeout", message)
        self._log.seek(0)
        result = FfmpegResult(self._child.returncode, self._log.read().decode("utf-8", "replace"))
        if result.crash:
            raise FfmpegCrashed(result.crash, self._task)
        return result

    def wait(self) -> None:
        """Close the pipes and wait for the end."""
        for pipe in (self._child.stdin, self._child.stdout):
            with suppress(BrokenPipeError):
                if pipe:
                    pipe.close()
        self._child.wait()
        self._timer.cancel()

    def _time_out(self) -> None:
        self._timed_out = True
        self._child.kill()


class Ffmpeg:
    """FFmpeg's executable. `stop` ends all child processes of this object and prevents new ones."""

    def __init__(self, executable: str = "", seconds: float = TASK_SECONDS) -> None:
        self._executable = executable or imageio_ffmpeg.get_ffmpeg_exe()
        self._seconds = seconds
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, args: Sequence[str], folder: Path | None = None, *, task: str) -> FfmpegResult:
        """Run FFmpeg in `folder` and return its result; raise `ImmError` after a time-out or a crash.

        `task` is what it does, for messages, such as "read x.mp3".
        """
        with self.running(args, folder, task=task) as process:
            return process.finish()

    def retried(self, action: Callable[[], T]) -> T:
        """Return what `action` returns; if FFmpeg crashes in it, try it once more."""
        try:
            return action()
        except FfmpegCrashed:
            if self._stopped:
                raise
            return action()

    @contextmanager
    def running(
        self, args: Sequence[str], folder: Path | None = None, *, task: str, stdin: bool = False, stdout: bool = False
    ) -> Iterator[FfmpegProcess]:
        """Run FFmpeg in `folder` with the wanted pipes; kill it if it has not finished at the end of the context."""
        with TemporaryFile() as log:
            child = self._start(args, folder, log, stdin=stdin, stdout=stdout)
            process = FfmpegProcess(child, log, self._seconds, task)
            try:
                yield process
            finally:
                child.kill()
                process.wait()
                with self._lock:
                    self._children.discard(child)

    def stop(self) -> None:
        """Kill all running child processes; their runs return a result with an error code."""
        with self._lock:
            self._stopped = True
            for child in self._children:
                child.kill()

    def _start(
        self, args: Sequence[str], folder: Path | None, log: BinaryIO, *, stdin: bool, stdout: bool
    ) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._stopped:
                raise ImmError("InternalError", "The service is stopping; submit the task again after it has started.")
            child = subprocess.Popen(  # noqa: S603 - the executable and all file names are the local cloud's own
                [self._executable, *COMMON_ARGS, *args],
                cwd=folder,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, **ENVIRONMENT},
            )
            self._children.add(child)
            return child


def input_args(name: str, codec: str = "", part: ByteRange | None = None) -> list[str]:
    """Return the arguments that read one audio file, or a part of it, but no file or URL that it refers to.

    Three or more channels without a declared layout get none, instead of FFmpeg's guess. Speex needs libspeex: the
    decoder that FFmpeg 7.0.2 takes by itself puts a pause behind every frame.
    """
    safe = ["-protocol_whitelist", "file,subfile" if part else "file", "-format_whitelist", DEMUXERS]
    decoder = ["-c:a", "libspeex"] if codec == SPEEX else []
    url = f"subfile,,start,{part.start},end,{part.end},,:file:{name}" if part else f"file:{name}"
    return [*safe, "-guess_layout_max", "2", *decoder, "-i", url]


def count_channels(layout: str) -> int:
    """Return the number of channels of a layout, named as in FFmpeg.

    >>> [count_channels(name) for name in ("mono", "5.1(side)", "7.1.2", "9 channels (FL+FR)")]
    [1, 6, 10, 9]
    """
    if layout in NAMED_LAYOUTS:
        return NAMED_LAYOUTS[layout]
    if match := re.match(r"(\d+) channels", layout):
        return int(match[1])
    match = re.match(r"\d+(?:\.\d+)*", layout)
    return sum(map(int, match[0].split("."))) if match else 0


def _stream(container: str, description: str) -> AudioStream | None:
    """Parse the first audio stream of the description of one input."""
    match = STREAM.search(description)
    if match is None:
        return None
    overall = OVERALL.search(description)
    kbits = match["kbits"] or (overall[1] if overall else None) or "0"
    rate, layout = int(match["rate"]), match["layout"].strip()
    return AudioStream(
        container=container,
        codec=match["codec"],
        sample_rate=rate,
        layout=layout,
        sample_format=match["format"],
        bitrate=_pcm_bits(match["codec"]) * rate * count_channels(layout) or int(kbits) * 1000,
        index=int(match["index"]),
        start_s=float(start[1]) if (start := START.search(description)) else 0.0,
    )


def _pcm_bits(codec: str) -> int:
    """Return the bits per sample of a PCM codec, whose bit rate FFmpeg prints without the last digits; 0 for others."""
    match = PCM.fullmatch(codec)
    return int(match[1] or 8) if match else 0
