"""FFmpeg as a child process with limits: it opens no file but those that it is given, and it is killed in time."""

import os
import re
import resource
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

from clipstitch.common.errors import RenderFailed

# Audio containers only. A playlist or a script names other files, which FFmpeg would open.
DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,"
    "ogg,oga,opus,tta,w64,wav,wv"
)
# The static FFmpeg cannot load the C library's character converters, and dies of it in MPEG-TS: it must find none.
ENVIRONMENT = {"AV_LOG_FORCE_NOCOLOR": "1", "GCONV_PATH": "/nonexistent"}
COMMON = ("-nostdin", "-hide_banner", "-nostats", "-v", "verbose", "-y")
MEMORY_BYTES = 4 << 30  # of address space; threads reserve more than they use
WALL_S, WALL_PER_BYTE_S = 60.0, 2e-6  # a graph may hang at no processor time at all
LOG_BYTES = 1 << 20
_STREAM = re.compile(r"^  Stream #0:(\d+)[^:]*: Audio: (\w+)[^\n]*?, (\d+) Hz, ([^,\n]+),", re.MULTILINE)
_FAILURE = re.compile(r"error|invalid|not found|fail", re.IGNORECASE)
_ERRORS = re.compile(r"; (\d+) decode errors")


class ClipStream(NamedTuple):
    """The first audio stream of an input in FFmpeg's words."""

    codec: str
    sample_rate: int
    layout: str


class FfmpegRun(NamedTuple):
    """The exit code and the log of a run. A negative code is the number of the signal that ended it."""

    code: int
    log: str

    @property
    def stream(self) -> ClipStream | None:
        """The first audio stream of the input; None if it has none."""
        found = _STREAM.search(self.log)
        return ClipStream(found[2], int(found[3]), found[4].strip()) if found else None

    @property
    def decode_errors(self) -> int:
        """The number of frames that could not be decoded."""
        return sum(map(int, _ERRORS.findall(self.log)))

    @property
    def reason(self) -> str:
        """The last line of the log that says what went wrong, without FFmpeg's addresses and file names."""
        lines = [
            line for line in self.log.splitlines() if re.search(r"error|invalid|not found|fail", line, re.IGNORECASE)
        ]
        return re.sub(r"^\[[^\]]*\] |file:\S+: ", "", lines[-1]).strip()[:200] if lines else f"exit code {self.code}"


class FfmpegProgram:
    """FFmpeg's executable, which runs in one folder of files for at most `wall_s`, and longer for large inputs."""

    def __init__(self, executable: str, folder: Path, wall_s: float = WALL_S) -> None:
        self._executable = executable
        self._wall_s = wall_s
        self.folder = folder

    def run(self, args: Sequence[str], input_bytes: int) -> FfmpegRun:
        """Run FFmpeg in the folder. Raises RenderFailed if it takes much longer than `input_bytes` need, or crashes."""
        seconds = self._wall_s + input_bytes * WALL_PER_BYTE_S
        with TemporaryFile() as log:
            child = subprocess.Popen(  # noqa: S603 - the executable and the names of files are our own
                [self._executable, *COMMON, *args],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, **ENVIRONMENT},
            )
            _limit(child.pid, seconds)
            try:
                code = child.wait(seconds)
            except subprocess.TimeoutExpired as error:
                raise RenderFailed(f"FFmpeg did not finish in {seconds:.0f} s and was ended") from error
            finally:
                child.kill()
                child.wait()
            log.seek(max(log.seek(0, os.SEEK_END) - LOG_BYTES, 0))
            run = FfmpegRun(code, log.read().decode("utf-8", "replace"))
        if code in {-signal.SIGKILL, -signal.SIGXCPU}:
            raise RenderFailed("FFmpeg was ended from outside, perhaps for lack of memory")
        return run


def input_args(name: str, decoder: str = "") -> list[str]:
    """Return the arguments that read one audio file, but no file or URL that it refers to."""
    safe = ["-protocol_whitelist", "file", "-format_whitelist", DEMUXERS, "-guess_layout_max", "2"]
    return [*safe, *(["-c:a", decoder] if decoder else []), "-i", f"file:{name}"]


def _limit(process: int, seconds: float) -> None:
    """Limit the processor time and the memory of a process, where the system can do that for a running one."""
    if hasattr(resource, "prlimit"):  # Linux
        limit = int(seconds * 4)
        with suppress(ProcessLookupError):  # it has ended already
            resource.prlimit(process, resource.RLIMIT_CPU, (limit, limit))
            resource.prlimit(process, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
