"""Lists of jobs: processor time and requests of `clipstitch jobs` for a day with many closed jobs.

The jobs are written directly to the local cloud's store before it starts, each with the facts that a real job of one
step has. The command runs in a process of its own; its processor time includes the start of the interpreter. The
requests are those of the same list through the same client. Run: .venv/bin/python -m bench.list_jobs [JOBS]
"""

import os
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from io import StringIO
from pathlib import Path

from bench.requests_per_job import recording_context
from bench.sweep_cost import BUCKET, PastClock
from clipstitch.adapters.system_clock import SystemClock
from clipstitch.common.identifiers import upload_stamp
from clipstitch_cli.commands.jobs import list_jobs
from clipstitch_cli.context import CommandContext, console
from localyun.oss.service import ObjectService
from localyun.server import LocalCloud
from tests.world import World

ROOT = Path(__file__).resolve().parent.parent
JOBS, RUNS, WANTED_S = 10_000, 3, 2.0
YESTERDAY = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
DAY = YESTERDAY.date().isoformat()


def facts_of_a_job() -> list[str]:
    """Return the names of the facts of a closed job of one step."""
    world = World()
    world.drop()
    world.submit()
    return sorted(fact.name for fact in world.complete(world.run()).facts)


def write_jobs(data: Path, count: int, names: list[str]) -> None:
    """Write the facts of closed jobs of yesterday to the store of a local cloud that is not running."""
    store = ObjectService(data / "objects", PastClock(timedelta(days=1)))
    store.create_bucket(BUCKET)
    for number in range(count):
        job_id = f"{upload_stamp(YESTERDAY + timedelta(seconds=8 * number))}-{number:012x}"
        for name in names:
            store.put(BUCKET, f"_clipstitch/jobs/{DAY}/{job_id}/{name}", b"{}")
        if number % 1_000 == 999:
            print(f"  {number + 1:,} of {count:,} written", file=sys.stderr, flush=True)
    store.close()


def processor_time(env: dict[str, str]) -> tuple[float, int]:
    """Run `clipstitch jobs` for the day; return its processor time in s, and the number of jobs that it printed."""
    command = [str(ROOT / ".venv/bin/clipstitch"), "jobs", "--day", DAY]
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, env={**os.environ, **env}, cwd=ROOT, stdout=out)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        out.seek(0)
        return usage.ru_utime + usage.ru_stime, sum(b"succeeded" in line for line in out)


def requests(env: dict[str, str]) -> int:
    """Return the number of requests of the list."""
    context, lines = recording_context(env)
    sink = console(StringIO(), {})
    list_jobs(context, [DAY], CommandContext({}, sink, sink, SystemClock()))
    return len(lines)


def main() -> None:
    """Print the figures; the number of jobs is the first command-line argument."""
    count, names = int(sys.argv[1]) if len(sys.argv) > 1 else JOBS, facts_of_a_job()
    with tempfile.TemporaryDirectory() as folder:
        write_jobs(Path(folder), count, names)
        with LocalCloud(ROOT, data=Path(folder)) as endpoints:
            env = {**endpoints.environment(), "CLIPSTITCH_COMPLETION_TOPIC": "clipstitch-completions"}
            runs = [processor_time(env) for _ in range(RUNS)]
            median = statistics.median(seconds for seconds, _ in runs)
            print(
                f"{runs[0][1]:,} jobs, {count * len(names):,} facts: {requests(env)} requests, "
                f"{median:.2f} s of processor time (median of {RUNS} runs), "
                f"{median / WANTED_S:.2f} of the wanted {WANTED_S:.0f} s"
            )


if __name__ == "__main__":
    main()
