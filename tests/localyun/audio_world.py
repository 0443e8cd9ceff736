"""What the audio tests share: generated tones, a decoder, a task service."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import uvicorn

from localyun.clock import HostClock
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.http import HttpRequest, HttpResponse, asgi_app
from localyun.imm.service import TaskService
from localyun.imm.values import MediaTask
from localyun.oss.service import ObjectService

Samples = npt.NDArray[np.int16]
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
ACCOUNT, REGION = "1023210024670000", "cn-hangzhou"
WRITERS = {
    "wav": ["-c:a", "pcm_s16le"],
    "mp3": ["-c:a", "libmp3lame", "-b:a", "128k"],
    "aac": ["-c:a", "aac", "-f", "adts"],
    "m4a": ["-c:a", "aac"],
    "flac": ["-c:a", "flac"],
    "oga": ["-c:a", "libvorbis", "-f", "ogg"],
    "opus": ["-c:a", "libopus"],
    "ac3": ["-c:a", "ac3"],
    "wma": ["-c:a", "wmav2"],
    "amr": ["-c:a", "libopencore_amrnb", "-ar", "8000"],
}


def tone(file: Path, hertz: int, seconds: float, rate: int = 44100, channels: int = 1) -> Path:
    """Write one sine tone in the format of the suffix; `WRITERS` sets the rate of encoders that support few rates."""
    source = f"sine=frequency={hertz}:sample_rate={rate}:duration={seconds}"
    layout = ["-ac", str(channels)]
    command = [FFMPEG, "-v", "error", "-y", "-f", "lavfi", "-i", source, *layout, *WRITERS[file.suffix[1:]], str(file)]
    subprocess.run(command, check=True)
    return file


def pcm(file: Path, rate: int | None = None) -> Samples:
    """Decode a file: one row per sample, one column per channel; resampled if a rate is given."""
    wav = ["-ar", str(rate)] if rate else []
    command = [FFMPEG, "-v", "error", "-i", str(file), "-map", "0:a:0", *wav, "-c:a", "pcm_s16le", "-f", "wav", "-"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    channels = int.from_bytes(data[22:24], "little")
    body = data[data.index(b"data", 12) + 8 :]
    return np.frombuffer(body, "<i2").reshape(-1, channels)


def rate_of(file: Path) -> int:
    """Return the sample rate of a decoded file, from the header of a WAV file."""
    command = [FFMPEG, "-v", "error", "-i", str(file), "-map", "0:a:0", "-t", "0.01", "-f", "wav", "-"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    return int.from_bytes(data[24:28], "little")


def loudest_frequency(samples: Samples, rate: int) -> int:
    """Return the loudest frequency of the first channel, in Hz."""
    window = samples[:, 0] * np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(window))
    return round(float(np.fft.rfftfreq(len(samples), 1 / rate)[spectrum.argmax()]))


@dataclass
class AudioWorld:
    """A task service and an object service in a folder that can be reopened; notifications are collected."""

    root: Path
    before_publish: Callable[[str], None] = lambda topic: None
    faults: FaultInjector = NO_FAULTS
    role_may: Callable[[str, str, str, str], bool] = lambda *_: True
    notifications: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.objects = ObjectService(self.root / "oss", HostClock())
        self.tasks = TaskService(
            self.root / "imm",
            HostClock(),
            objects=self.objects,
            publish=self._publish,
            account_id=ACCOUNT,
            region=REGION,
            role_may=self.role_may,
            faults=self.faults,
        )
        for bucket in ("media", "out"):
            self.objects.create_bucket(bucket)
        self.tasks.create_project("proj")
        self.tasks.attach("media", "proj")

    def _publish(self, topic: str, body: str) -> None:
        self.before_publish(topic)
        self.notifications.append((topic, body))

    def upload(self, *files: Path) -> None:
        """Upload files into the bucket under their names."""
        for file in files:
            self.objects.put("media", file.name, file)

    def finished(self, task_id: str, seconds: float = 20) -> MediaTask:
        """Return a task when it has finished and its notification is published."""
        deadline = time.monotonic() + seconds
        while not (task := self.tasks.get(task_id)).notified:
            assert time.monotonic() < deadline, f"{task} is not finished after {seconds} s"
            time.sleep(0.005)
        return task

    def close(self) -> None:
        """Stop the services; the folder remains."""
        self.tasks.close()
        self.objects.close()


@contextmanager
def served(answer: Callable[[HttpRequest], HttpResponse]) -> Iterator[str]:
    """Serve one HTTP endpoint on a free port; yield host:port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(asgi_app(answer), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()


def frequencies(file: Path, rate: int, ranges: Sequence[tuple[float, float]]) -> list[int]:
    """Return the loudest frequency in each of the given ranges (from, to, in seconds) of a file."""
    samples = pcm(file, rate)
    return [loudest_frequency(samples[int(a * rate) : int(b * rate)], rate) for a, b in ranges]
