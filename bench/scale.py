"""What gives first at 1, 100 and 1,000 jobs a second, from the measured requests of a job and the vendor's limits.

The requests are those of bench.requests_per_job on the local cloud; the seconds of the functions and the requests of a
sweep are those of the scale model, in which a call takes 30 ms. Prints the tables of docs/scale.md.
Run: .venv/bin/python -m bench.scale
"""

import logging
import re
from collections import Counter
from functools import partial
from math import ceil
from typing import NamedTuple

from bench.requests_per_job import CLIPS, JobRequests, measure
from clipstitch.usecases.sweep import sweep
from tests.simulation.scale.costs import Costs, Outages
from tests.simulation.scale.measure import SWEEP_INTERVAL_S, SWEEP_LIMIT_S
from tests.simulation.scale.populations import HOUR_S
from tests.simulation.scale.world import COMPLETE_LIMIT_S, SUBMIT_LIMIT_S, ScaleWorld
from tests.world import SETTINGS

RATES = (1, 100, 1000)
DAY_S = 24 * HOUR_S
HISTORIES = (1000, 6000)  # jobs; requests grow in a straight line
SEARCH_SHARE = 0.25  # of the time of a sweep, that is kept for the search of lost uploads
ALL_JOBS = 10_000_000
# Keys below these begin with the time of the upload: neighbours in time are neighbours in order.
SEQUENTIAL = re.compile(r"_clipstitch/(open|jobs|work)/")
ANY_KEY = re.compile(r"_clipstitch/(\w+)/|(manifests|bench|clips|out|results)/")


class ServiceLimit(NamedTuple):
    """A default limit of an account in a region, and the vendor's page with its date."""

    resource: str
    value: float
    page: str


ACCOUNT = ServiceLimit("OSS requests of the account", 10_000, "OSS, error 0004-00000302, 2026-03-20")
PARTITION = ServiceLimit("OSS operations on one sequential range", 2_000, ACCOUNT.page)
INSTANCES = ServiceLimit("FC instances", 100, "FC, Specify the maximum number of instances, 2025-12-09")
MESSAGES = ServiceLimit("SMQ requests", 20_000, "SMQ, Limits, 2026-09-21")


class JobDemand(NamedTuple):
    """What one job takes: OSS requests, operations on each sequential range, SMQ requests, seconds of functions."""

    oss: int
    ranges: Counter[str]
    smq: int
    seconds: float
    tasks: int
    probes: int


class SweepGrowth(NamedTuple):
    """Requests of a sweep: without jobs, and what a thousand jobs since the last sweep and a thousand manifests add."""

    fixed: float
    since_last: float
    manifests: float


def operations(job: JobRequests) -> Counter[str]:
    """Return the operations on each range of keys: a deletion counts for each key, a listing for each name."""
    counts, facts = Counter[str](), 0
    for line in [*job.submit, *job.complete]:
        if "list-type=2" in line:
            counts["jobs"] += max(facts, 1)
            continue
        for found in ANY_KEY.finditer(line):
            counts[found[1] or "other"] += 1
        facts += line.startswith("PUT") and "/jobs/" in line
    return counts


def demand(job: JobRequests) -> JobDemand:
    """Return what one job takes. A queue's consumer receives and deletes; IMM publishes, and SMQ invokes complete."""
    lines = [line for line in [*job.submit, *job.complete] if "versioning" not in line]  # once for each instance
    sent = [line for line in lines if line.startswith(("POST /topics", "POST /queues"))]
    ranges = {name: count for name, count in operations(job).items() if SEQUENTIAL.match(f"_clipstitch/{name}/")}
    probes = sum("audio%2Finfo" in line for line in lines)
    smq = 2 + len(sent) + 2 * sum(line.startswith("POST /queues") for line in sent)
    return JobDemand(len(lines) - len(sent), Counter(ranges), smq, function_seconds(), 1, probes)


def function_seconds() -> float:
    """Return the seconds of submit and complete for one job, in instances that have run before."""
    world = ScaleWorld(Outages(), Costs())
    manifest = world.drop("one")
    submitted = world.run(SUBMIT_LIMIT_S, partial(world.submit, manifest))
    message = world.audio.run(world.new_tasks()[0])
    return submitted.seconds + world.run(COMPLETE_LIMIT_S, partial(world.complete, message)).seconds


def sweep_requests(before: int, since: int) -> int:
    """Return the requests of a sweep; so many jobs were closed long before it, and so many since the last sweep."""
    world = ScaleWorld(Outages(), Costs())
    for number in range(before):
        close_job(world, f"{number:07d}", -3 * DAY_S + number / 1000)
    world.clock.seconds = 0.0
    world.run(SWEEP_LIMIT_S, lambda: sweep(world.context()))
    for number in range(since):
        close_job(world, f"{before + number:07d}", 1 + number / 1000)
    world.clock.seconds = float(SWEEP_INTERVAL_S)
    return sum(world.run(SWEEP_LIMIT_S, lambda: sweep(world.context())).requests.values())


def close_job(world: ScaleWorld, name: str, at: float) -> None:
    """Run a job from its upload to its end, at a time."""
    world.clock.seconds = at
    manifest = world.drop(name)
    world.submit(manifest)
    world.complete(world.audio.run(world.new_tasks()[0]))


def sweep_growth() -> SweepGrowth:
    """Return how the requests of a sweep grow with the jobs since the last one, and with all manifests."""
    few, many = HISTORIES
    fixed, thousands = sweep_requests(few, 0), (many - few) / 1000
    manifests = (sweep_requests(many, 0) - fixed) / thousands
    return SweepGrowth(fixed, (sweep_requests(few, many - few) - fixed) / thousands - manifests, manifests)


def show_limits(need: JobDemand) -> None:
    """Print the load on every limit at every rate, and the rate at which it is reached."""
    hottest, count = need.ranges.most_common(1)[0]
    loads = (
        (ACCOUNT, float(need.oss)),
        (PARTITION._replace(resource=f"OSS operations on the range `{hottest}/`"), float(count)),
        (PARTITION._replace(resource="the same, if all three ranges share a partition"), float(need.ranges.total())),
        (INSTANCES, need.seconds),
        (MESSAGES, float(need.smq)),
    )
    print("| limit | default | for one job | at 1 job/s | at 100 | at 1,000 | reached at jobs/s | page |")
    print("|" + " --- |" * 8)
    for limit, load in loads:
        shares = " | ".join(f"{load * rate / limit.value:.1%}" for rate in RATES)
        reached = limit.value / load
        print(f"| {limit.resource} | {limit.value:,.0f} | {load:.3g} | {shares} | **{reached:,.0f}** | {limit.page} |")
    for name, each in (("IMM tasks", need.tasks), (f"`audio/info` requests ({CLIPS} clips)", need.probes)):
        loads_text = " | ".join(f"{each * rate:,} /s" for rate in RATES)
        print(f"| {name} | console only | {each} | {loads_text} | unknown | IMM, FAQ about limits |")


def show_layout(need: JobDemand) -> None:
    """Print what spreading the keys would gain: the ratio of the account's limit to that of the hottest range."""
    print("\n| the sequential ranges | jobs/s today | jobs/s with spread keys | factor |\n| --- | --- | --- | --- |")
    spread = ACCOUNT.value / need.oss
    for text, hot in (
        ("are in partitions of their own", need.ranges.most_common(1)[0][1]),
        ("share one partition", need.ranges.total()),
    ):
        today = min(PARTITION.value / hot, spread)
        print(f"| {text} | {today:.0f} | {spread:.0f} | {spread / today:.1f} |")


def show_sweep(growth: SweepGrowth) -> None:
    """Print the requests of a sweep at every rate, if manifests are kept for a day, and for ten million manifests."""
    columns = ("jobs/s", "jobs since the last sweep", "requests for them", "manifests", "requests of a search")
    print(f"\n| {' | '.join(columns)} | seconds | sweeps |\n|{' --- |' * 7}")
    for rate, manifests in (*((rate, rate * DAY_S) for rate in RATES), (1, ALL_JOBS)):
        since = rate * SWEEP_INTERVAL_S
        requests = growth.manifests * manifests / 1000
        seconds = requests * Costs().call_s
        cells = (f"{rate:,}", f"{since:,}", f"{growth.fixed + growth.since_last * since / 1000:,.0f}", f"{manifests:,}")
        searches = ceil(seconds / (SETTINGS.sweep_budget_s * SEARCH_SHARE))
        print(f"| {' | '.join(cells)} | {requests:,.0f} | {seconds:,.0f} | {searches:,} |")


def main() -> None:
    """Print the tables of docs/scale.md."""
    logging.disable()
    need = demand(measure())
    print(f"one job: {need.oss} OSS requests, operations on sequential ranges: {dict(need.ranges.most_common())}\n")
    show_limits(need)
    show_layout(need)
    show_sweep(sweep_growth())


if __name__ == "__main__":
    main()
