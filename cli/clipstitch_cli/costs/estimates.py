"""What a plan will take: length, size, tasks, requests, cost. Pure; docs/manifest.md describes the method.

Requests are counted as the use cases make them if nothing fails and nothing is delivered twice: `submit` once,
`complete` once for every step, each as the first call of its instance. A test counts the calls of a real job.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from clipstitch.common.ports import PAGE
from clipstitch.planning.chapters import chapters_of, id3_tag
from clipstitch.planning.plan import Plan
from clipstitch.planning.process_string import Transcode
from clipstitch.planning.render_spec import RenderSpec, spec_of, transcode_of
from clipstitch_cli.costs.prices import EXCLUDED, NOTES, Price, PriceList

# Bit/s for one channel where the manifest names no bitrate, up to a sample rate: what FFmpeg 7.0.2 makes of 20 s of
# noise by default, between its figures for one channel and for two. The cloud's own defaults are not documented.
_ANY = 96_000
_OSS_BIT_S: Mapping[str, Mapping[int, int]] = {
    "mp3": {8000: 10_000, 12000: 16_000, 16000: 24_000, 24000: 32_000, 32000: 48_000, _ANY: 64_000},
    "aac": {8000: 28_000, 16000: 50_000, _ANY: 66_000},
    "oga": {8000: 19_000, 16000: 27_000, 24000: 33_000, _ANY: 54_000},
    "ac3": {_ANY: 96_000},
    "opus": {_ANY: 48_000},
    "amr": {8000: 12_800, 16000: 24_400},
}
_DEFAULT_BIT_S = {**_OSS_BIT_S, "m4a": _OSS_BIT_S["aac"], "m4b": _OSS_BIT_S["aac"]}
_FLAC_RATIO = 0.6  # compressed to uncompressed size; speech needs less, noise more
_DEFAULT_BITS = 16
# How the OSS adapter copies. Repeated here because importing the adapter imports the SDK; a test compares.
SINGLE_COPY_BYTES, COPY_PART_BYTES = 1 << 30, 256 << 20
_OSS_KINDS = ("get", "head", "listing", "put", "post")


class SizeEstimate(NamedTuple):
    """The approximate size of the output in bytes, and what it assumes."""

    size: int
    assumes: str


class RequestCounts(NamedTuple):
    """Requests by kind: to OSS `get` to `post` (copies are `put`); to SMQ `events` and IMM's `notifications`."""

    get: int = 0
    head: int = 0
    listing: int = 0
    put: int = 0
    post: int = 0
    events: int = 0
    notifications: int = 0

    @property
    def oss(self) -> int:
        """All requests to OSS."""
        return self.get_type + self.put_type

    @property
    def put_type(self) -> int:
        """Requests of the PUT type, which includes listings (OSS, "Request fees", page dated 2026-03-25)."""
        return self.listing + self.put + self.post

    @property
    def get_type(self) -> int:
        """Requests of the GET type."""
        return self.get + self.head

    @property
    def smq(self) -> int:
        """All requests to SMQ."""
        return self.events + self.notifications


class Cost(NamedTuple):
    """One item of the bill: a price and a quantity."""

    price: Price
    quantity: float

    @property
    def amount(self) -> float | None:
        """The cost of the item; None if the price is unknown."""
        return None if self.price.price is None else self.quantity * self.price.price / self.price.per


class Estimate(NamedTuple):
    """Everything that is known about a plan in advance. `processed_s`: audio that all steps make, in seconds."""

    duration_s: float
    size: SizeEstimate
    tasks: int
    levels: int
    processed_s: float
    requests: RequestCounts
    currency: str
    costs: tuple[Cost, ...]

    @property
    def total(self) -> float | None:
        """The sum of the known costs; None if none is known."""
        known = [cost.amount for cost in self.costs if cost.amount is not None]
        return sum(known) if known else None

    @property
    def not_included(self) -> tuple[str, ...]:
        """What the sum does not include."""
        return (*(cost.price.item for cost in self.costs if cost.amount is None), *EXCLUDED)


def estimate(plan: Plan, globs: int, prices: PriceList) -> Estimate:
    """Return the estimate of a plan. `globs`: how many globs its manifest has."""
    size = size_of(plan)
    requests = requests_of(plan, globs, size.size)
    processed_s = processed(plan)
    quantities = {
        "oss_put": requests.put_type,
        "oss_get": requests.get_type,
        "imm_audio": processed_s / 60,
        "smq": requests.smq,
    }
    costs = tuple(Cost(price, quantities[price.name]) for price in prices.prices)
    return Estimate(plan.duration_s, size, len(plan.steps), plan.levels, processed_s, requests, prices.currency, costs)


def size_of(plan: Plan) -> SizeEstimate:
    """Return the approximate size of the output."""
    bit_s, assumes = _bit_s(transcode_of(plan.final))
    tag = len(id3_tag("", chapters_of(plan))) if _has_tag(plan) else 0
    return SizeEstimate(round(plan.duration_s * bit_s / 8) + tag, assumes)


def _bit_s(transcode: Transcode) -> tuple[int, str]:
    """Return the bits per second of the output, and what that figure assumes."""
    if transcode.ab is not None and transcode.f not in {"flac", "amr", "wav"}:
        return transcode.ab, f"{transcode.ab:,} bit/s, as the manifest says" + (", or less" if transcode.abopt else "")
    rate, channels = transcode.ar or 44100, transcode.ac or 1
    if transcode.f == "flac":
        bits = transcode.adepth or _DEFAULT_BITS
        compressed = round(rate * channels * bits * _FLAC_RATIO)
        return compressed, f"{_FLAC_RATIO:.0%} of {bits}-bit samples; FLAC's size depends on the sound"
    if transcode.f == "wav":
        bits = transcode.adepth or _DEFAULT_BITS
        return rate * channels * bits, f"{bits}-bit samples"
    default = channels * next(bit_s for limit, bit_s in _DEFAULT_BIT_S[transcode.f].items() if rate <= limit)
    quality = "quality is not converted into a bitrate; " if transcode.aq is not None else ""
    return default, f"{quality}{default:,} bit/s, FFmpeg's default; the cloud's default is not documented"


def processed(plan: Plan) -> float:
    """Return how many seconds of audio all steps make, intermediate results included.

    The part that a trim of the whole output removes is not counted.
    """
    parts = [sum(clip.length_s for clip in plan.clips[step.clips[0] : step.clips[1] + 1]) for step in plan.steps]
    return round(sum(parts), 6)


def requests_of(plan: Plan, globs: int, size: int) -> RequestCounts:
    """Return the requests of an undisturbed job. `size`: bytes of the output."""
    count, sinks = len(plan.steps), len(plan.sinks)
    listed_again = count if count > 1 else 0  # after writing its fact, each end lists again to see its siblings
    submit = RequestCounts(
        # The manifest; each clip's audio/info; each silence, which is made if it is missing.
        get=1 + len({clip.key for clip in plan.clips if clip.key}) + len(plan.silences),
        head=2 if plan.output.chapters else 1,  # whether the keys of output and chapters are free
        listing=globs,
        put=2 + len(plan.silences),  # marker, plan; silences
    )
    starts = RequestCounts(put=2 * count, post=count)  # the process; the pointer to its task, the fact
    parents = sum(bool(step.needs) for step in plan.steps)
    claims = RequestCounts(put=parents)
    # The plan, audio/info of the step's output; the facts; the new fact.
    ends = RequestCounts(get=2 * count, listing=count + listed_again, put=count, notifications=count)
    facts = RequestCounts(put=4, events=sinks)  # decision, result, closed; the result object
    deletions = -(-(2 * count + 1) // PAGE)  # outputs of steps, pointers, the marker
    own = (submit, starts, claims, ends, facts, _publishing(plan, size), RequestCounts(post=deletions))
    return _sum(*own, *(_rendering(spec_of(step)) for step in plan.steps if step.render))


def _rendering(spec: RenderSpec) -> RequestCounts:
    """Return the requests of the function `render`: the plan, the facts, each clip; the report, and what it made."""
    return RequestCounts(get=1 + sum(bool(clip.key) for clip in spec.clips), head=1, listing=1, put=2)


def _sum(*parts: RequestCounts) -> RequestCounts:
    return RequestCounts(*map(sum, zip(*parts, strict=True)))


def _publishing(plan: Plan, size: int) -> RequestCounts:
    """Return the requests of a server-side copy: checks of clips and source; then one copy, or parts; the chapters."""
    looks = 1 if plan.output.overwrite else 0  # otherwise the copy is create-once
    folders = Counter(key.rpartition("/")[0] for key in {clip.key for clip in plan.clips if clip.key})
    listed = sum(count > 1 for count in folders.values())  # one listing for the clips of a folder
    checks = RequestCounts(listing=listed, head=looks + len(folders) - listed, put=1 if plan.output.chapters else 0)
    if not (_has_tag(plan) or size > SINGLE_COPY_BYTES):
        return _sum(checks, RequestCounts(put=1))
    parts = max(-(-size // COPY_PART_BYTES), 1)
    tag = RequestCounts(get=1, put=1) if _has_tag(plan) else RequestCounts()
    return _sum(checks, tag, RequestCounts(head=1, put=parts, post=2))


def _has_tag(plan: Plan) -> bool:
    """Return True if the output has its chapters as ID3 frames, too."""
    return plan.output.chapters and plan.output.format == "mp3"


def as_json(made: Estimate) -> dict[str, Any]:
    """Return an estimate as JSON values."""
    requests = made.requests
    return {
        "estimate": True,
        "duration_ms": round(made.duration_s * 1000),
        "size_bytes": made.size.size,
        "size_assumes": made.size.assumes,
        "tasks": made.tasks,
        "levels": made.levels,
        "processed_ms": round(made.processed_s * 1000),
        "requests": {
            "oss": {**{name: getattr(requests, name) for name in _OSS_KINDS}, "all": requests.oss},
            "oss_put_type": requests.put_type,
            "oss_get_type": requests.get_type,
            "smq": {"events": requests.events, "notifications": requests.notifications, "all": requests.smq},
        },
        "cost": {
            "currency": made.currency,
            "total": made.total,
            "items": [_cost_json(cost) for cost in made.costs],
            "not_included": list(made.not_included),
        },
    }


def _cost_json(cost: Cost) -> dict[str, Any]:
    note = {"note": NOTES[cost.price.name]} if cost.price.name in NOTES else {}
    return {**cost.price._asdict(), "quantity": round(cost.quantity, 6), "amount": cost.amount, **note}
