"""The local cloud as a developer runs it: `clipstitch up` as a child, on one directory and port, killed at will."""

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
OURS = ("OSS_", "MNS_", "IMM_", "FC_", "CLIPSTITCH_", "ALIBABA_")
PORTS = range(20000, 32000, 4)  # below those that the system gives to clients
PROC = Path("/proc")
ORPHANS_S = 20.0


class HouseTrouble(Exception):
    """The local cloud did not start, or something of it did not end; says where its log is."""


class House:
    """One local cloud with many lives; `tuning` (what the shell tells the functions) and `hurry` may change between."""

    def __init__(self, folder: Path, tuning: Mapping[str, str], *, hurry: float) -> None:
        self._folder = folder
        self.tuning, self.hurry = dict(tuning), hurry
        self._port = _four_free_ports()
        self._child: subprocess.Popen[str] | None = None
        self.environment: dict[str, str] = {}
        self.orphans = 0
        self.slowest_orphan_s = 0.0

    @property
    def counts(self) -> dict[str, int]:
        """What bad weather did in all lives, as the cloud itself kept it."""
        file = self._folder / "data" / "faults.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def start(self, weather: int | None = None, severity: float = 1.0) -> None:
        """Begin a life, with a seed in bad weather; returns when the cloud answers."""
        storm = ("--faults", str(weather), "--fault-rate", str(severity)) if weather is not None else ()
        where = ("--data", str(self._folder / "data"), "--port", str(self._port), "--time-scale", str(self.hurry))
        env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        with (self._folder / "up.log").open("a") as log:
            self._child = subprocess.Popen(
                [*COMMAND, *where, *storm],
                env={**env, **self.tuning},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self._child.stdout is not None
        if not (line := self._child.stdout.readline()):
            raise HouseTrouble(f"`clipstitch up` did not start, see {self._folder / 'up.log'}")
        self.environment = json.loads(line)

    def kill(self, *, group: bool) -> None:
        """End a life with SIGKILL: of the whole process group, or of the server alone; then see its children end."""
        child = self._living()
        family = _descendants(child.pid)
        if group:
            os.killpg(child.pid, signal.SIGKILL)
        else:
            os.kill(child.pid, signal.SIGKILL)
        self._forget(child)
        self.orphans += len(family)
        self.slowest_orphan_s = max(self.slowest_orphan_s, _until_ended(family))

    def stop(self) -> None:
        """End the last life as a developer does."""
        child = self._living()
        child.terminate()
        self._forget(child)

    def close(self) -> None:
        """End whatever lives."""
        if self._child is not None:
            self.kill(group=True)

    def _living(self) -> "subprocess.Popen[str]":
        if self._child is None:
            raise HouseTrouble("the local cloud is not running")
        return self._child

    def _forget(self, child: "subprocess.Popen[str]") -> None:
        """Reap a child."""
        child.wait()
        if child.stdout:
            child.stdout.close()
        self._child = None


def _four_free_ports() -> int:
    """Return the first of four ports in a row that nobody uses."""
    for first in Random().sample(PORTS, len(PORTS)):
        if all(_free(first + offset) for offset in range(4)):
            return first
    raise HouseTrouble("there are no four free ports in a row")


def _free(port: int) -> bool:
    """Say whether nobody uses a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _descendants(pid: int) -> dict[int, str]:
    """Return the processes below one, with the times of their starts; none where there is no /proc."""
    parents: dict[int, list[tuple[int, str]]] = {}
    for folder in PROC.glob("[0-9]*"):
        if (fields := _stat(int(folder.name))) and fields[0] != "Z":
            parents.setdefault(int(fields[1]), []).append((int(folder.name), fields[19]))
    found: dict[int, str] = {}
    open_ends = [pid]
    while open_ends:
        for child, started in parents.get(open_ends.pop(), []):
            found[child] = started
            open_ends.append(child)
    return found


def _stat(pid: int) -> list[str]:
    """Return what the system says of a process, from its state on; nothing when it is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _until_ended(family: Mapping[int, str]) -> float:
    """Wait until none of these processes lives; return for how long."""
    began = time.monotonic()
    while alive := [
        pid for pid, started in family.items() if (now := _stat(pid)) and now[0] != "Z" and now[19] == started
    ]:
        if time.monotonic() - began > ORPHANS_S:
            raise HouseTrouble(f"processes {alive} outlived their local cloud by {ORPHANS_S:g} s")
        time.sleep(0.02)
    return time.monotonic() - began
