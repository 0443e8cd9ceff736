"""The local cloud as a child process: `clipstitch up` on one data directory and port, killed and restarted at will."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random

COMMAND = (sys.executable, "-c", "import sys; from clipstitch_cli.main import run; sys.exit(run())", "up", "--json")
PRODUCT_PREFIXES = ("OSS_", "MNS_", "IMM_", "FC_", "CLIPSTITCH_", "ALIBABA_")
PORTS = range(20000, 32000, 4)  # below the ephemeral ports of the operating system
PROC = Path("/proc")
EXIT_S = 20.0


class LocalCloudProcessError(Exception):
    """The local cloud did not start, or one of its processes did not exit."""


class LocalCloudProcess:
    """One local cloud that is started several times. `settings` and `time_scale` may change between two starts.

    `settings` are environment variables for the functions. `orphans` counts the processes that a killed local cloud
    left behind; `slowest_orphan_s` is how long the slowest of them took to exit, in seconds.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str], *, time_scale: float) -> None:
        self._folder = folder
        self.settings, self.time_scale = dict(settings), time_scale
        self._port = _four_free_ports()
        self._child: subprocess.Popen[str] | None = None
        self.environment: dict[str, str] = {}
        self.orphans = 0
        self.slowest_orphan_s = 0.0

    @property
    def fault_counts(self) -> dict[str, int]:
        """Return how often each fault was injected, over all starts."""
        file = self._folder / "data" / "faults.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def start(self, fault_seed: int | None = None, fault_rate: float = 1.0) -> None:
        """Start the local cloud, with faults if there is a seed, and wait until it is ready.

        Raises LocalCloudProcessError if it does not start.
        """
        faults = ("--faults", str(fault_seed), "--fault-rate", str(fault_rate)) if fault_seed is not None else ()
        options = (
            "--data",
            str(self._folder / "data"),
            "--port",
            str(self._port),
            "--time-scale",
            str(self.time_scale),
        )
        env = {name: value for name, value in os.environ.items() if not name.startswith(PRODUCT_PREFIXES)}
        with (self._folder / "up.log").open("a") as log:
            self._child = subprocess.Popen(
                [*COMMAND, *options, *faults],
                env={**env, **self.settings},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self._child.stdout is not None
        if not (line := self._child.stdout.readline()):
            raise LocalCloudProcessError(f"`clipstitch up` did not start, see {self._folder / 'up.log'}")
        self.environment = json.loads(line)

    def kill(self, *, group: bool) -> None:
        """Send SIGKILL to the process group, or to the server alone, and wait until all its processes have exited."""
        child = self._running()
        descendants = _descendants(child.pid)
        if group:
            os.killpg(child.pid, signal.SIGKILL)
        else:
            os.kill(child.pid, signal.SIGKILL)
        self._reap(child)
        self.orphans += len(descendants)
        self.slowest_orphan_s = max(self.slowest_orphan_s, _wait_for_exit(descendants))

    def stop(self) -> None:
        """Send SIGTERM to the server and wait until it has exited."""
        child = self._running()
        child.terminate()
        self._reap(child)

    def close(self) -> None:
        """Kill the process group if it is running."""
        if self._child is not None:
            self.kill(group=True)

    def _running(self) -> "subprocess.Popen[str]":
        if self._child is None:
            raise LocalCloudProcessError("the local cloud is not running")
        return self._child

    def _reap(self, child: "subprocess.Popen[str]") -> None:
        child.wait()
        if child.stdout:
            child.stdout.close()
        self._child = None


def _four_free_ports() -> int:
    """Return the first of four consecutive free ports."""
    for first in Random().sample(PORTS, len(PORTS)):
        if all(_is_free(first + offset) for offset in range(4)):
            return first
    raise LocalCloudProcessError("there are no four consecutive free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _descendants(pid: int) -> dict[int, str]:
    """Return the ids of all descendants of a process with their start times; empty where there is no /proc."""
    children: dict[int, list[tuple[int, str]]] = {}
    for folder in PROC.glob("[0-9]*"):
        if (fields := _stat(int(folder.name))) and fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append((int(folder.name), fields[19]))
    found: dict[int, str] = {}
    queue = [pid]
    while queue:
        for child, started in children.get(queue.pop(), []):
            found[child] = started
            queue.append(child)
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; empty if the process does not exist."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _wait_for_exit(processes: Mapping[int, str]) -> float:
    """Wait until all processes have exited, and return the waiting time in seconds."""
    started_waiting = time.monotonic()
    while alive := [
        pid for pid, started in processes.items() if (now := _stat(pid)) and now[0] != "Z" and now[19] == started
    ]:
        if time.monotonic() - started_waiting > EXIT_S:
            raise LocalCloudProcessError(f"processes {alive} run {EXIT_S:g} s after the local cloud was killed")
        time.sleep(0.02)
    return time.monotonic() - started_waiting
