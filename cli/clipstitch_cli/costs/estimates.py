"""What a plan will take, before it is taken: length, size, tasks, requests, cost. Pure; docs/manifest.md says how.

Requests are counted as the use cases make them when nothing goes wrong and nothing comes twice: `submit` once,
`complete` once for every step, each as the first call of its instance. A test counts the calls of a real job.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from clipstitch.planning.chapters import chapters_of, id3_tag
from clipstitch.planning.plan import Plan
from clipstitch.planning.process_string import Transcode, parse_process
from clipstitch_cli.costs.prices import NEVER, NOTES, Price, PriceList

# Bit/s for one channel where the manifest names no bitrate, up to a sample rate: what FFmpeg 7.0.2 makes of 20 s of
# noise by default, between its figures for one channel and for two. The cloud's own defaults are not documented.
_ANY = 96_000
_DEFAULT_BIT_S: Mapping[str, Mapping[int, int]] = {
    "mp3": {8000: 10_000, 12000: 16_000, 16000: 24_000, 24000: 32_000, 32000: 48_000, _ANY: 64_000},
    "aac": {8000: 28_000, 16000: 50_000, _ANY: 66_000},
    "oga": {8000: 19_000, 16000: 27_000, 24000: 33_000, _ANY: 54_000},
    "ac3": {_ANY: 96_000},
    "opus": {_ANY: 48_000},
    "amr": {8000: 12_800, 16000: 24_400},
}
_FLAC_SHARE = 0.6  # of the bits before compression; speech takes less, noise more
_DEFAULT_BITS = 16
# How the OSS adapter copies and deletes. Repeated here, since to import it is to import the SDK; a test compares.
SINGLE_COPY_BYTES, COPY_PART_BYTES, DELETED_AT_ONCE = 1 << 30, 256 << 20, 1000


class Size(NamedTuple):
    """About how large the output will be, in bytes, and what that assumes."""

    size: int
    assumes: str


class Requests(NamedTuple):
    """Requests by kind. OSS: `get` to `post`, copies among `put`; SMQ: `events` sent by us, `notices` by IMM."""

    get: int = 0
    head: int = 0
    listing: int = 0
    put: int = 0
    post: int = 0
    events: int = 0
    notices: int = 0

    @property
    def oss(self) -> int:
        """All requests to OSS."""
        return self.get + self.head + self.listing + self.put + self.post

    @property
    def put_type(self) -> int:
        """Those of the PUT type, listings too (OSS, "Request fees", page dated 2026-03-25)."""
        return self.listing + self.put + self.post

    @property
    def get_type(self) -> int:
        """Those of the GET type."""
        return self.get + self.head

    @property
    def smq(self) -> int:
        """All requests to SMQ."""
        return self.events + self.notices


class Cost(NamedTuple):
    """One line of the bill: a quantity, its price, and what it comes to; None where the price is not known."""

    price: Price
    quantity: float

    @property
    def amount(self) -> float | None:
        """What it comes to."""
        return None if self.price.price is None else self.quantity * self.price.price / self.price.per


class Estimate(NamedTuple):
    """Everything that can be said of a plan beforehand."""

    duration_s: float
    size: Size
    tasks: int
    levels: int
    processed_s: float
    requests: Requests
    currency: str
    costs: tuple[Cost, ...]

    @property
    def total(self) -> float | None:
        """The sum of what has a price; None when nothing has."""
        known = [cost.amount for cost in self.costs if cost.amount is not None]
        return sum(known) if known else None

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the sum leaves out."""
        return (*(cost.price.item for cost in self.costs if cost.amount is None), *NEVER)


def estimate(plan: Plan, globs: int, prices: PriceList) -> Estimate:
    """Estimate a plan whose manifest had that many globs."""
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
    made = (plan.duration_s, size, len(plan.steps), plan.levels, processed_s, requests)
    return Estimate(*made, prices.currency, costs)


def size_of(plan: Plan) -> Size:
    """Return about how large the output will be."""
    made = parse_process(plan.final.process).transcode
    bit_s, assumes = _bit_s(made)
    tag = len(id3_tag("", chapters_of(plan))) if _has_tag(plan) else 0
    return Size(round(plan.duration_s * bit_s / 8) + tag, assumes)


def _bit_s(made: Transcode) -> tuple[int, str]:
    """Return the bits of a second of output, and where that figure comes from."""
    if made.ab is not None and made.f not in {"flac", "amr"}:
        return made.ab, f"{made.ab:,} bit/s, as the manifest says" + (", or less" if made.abopt else "")
    rate, channels = made.ar or 44100, made.ac or 1
    if made.f == "flac":
        bits = made.adepth or _DEFAULT_BITS
        packed = round(rate * channels * bits * _FLAC_SHARE)
        return packed, f"{_FLAC_SHARE:.0%} of {bits}-bit samples; FLAC's size depends on the sound"
    usual = channels * next(bit_s for most, bit_s in _DEFAULT_BIT_S[made.f].items() if rate <= most)
    quality = "quality is not translated into a bitrate; " if made.aq is not None else ""
    return usual, f"{quality}{usual:,} bit/s, FFmpeg's usual; the cloud's default is not documented"


def processed(plan: Plan) -> float:
    """Return how many seconds of audio all steps make together: a tree makes its intermediates too.

    What a trim of the merged whole cuts away is not counted.
    """
    parts = [sum(clip.length_s for clip in plan.clips[step.clips[0] : step.clips[1] + 1]) for step in plan.steps]
    return round(sum(parts), 6)


def requests_of(plan: Plan, globs: int, size: int) -> Requests:
    """Count the requests of an undisturbed job."""
    first = sum(not step.needs for step in plan.steps)
    later = len(plan.steps) - first
    submit = Requests(
        get=2 + len({clip.key for clip in plan.clips if clip.key}),  # manifest, versioning; each clip's audio/info
        listing=1 + globs,  # the job's facts; what the globs find
        put=2 + len(plan.silences),  # marker, plan; silences
    )
    claims = Requests(put=later)  # of the steps that ended, one starts the step that waited for them
    return _sum(submit, _starts(first), _completes(plan), claims, _starts(later), _end(plan, size))


def _sum(*parts: Requests) -> Requests:
    """Add up some counts."""
    return Requests(*map(sum, zip(*parts, strict=True)))


def _starts(count: int) -> Requests:
    """Count what starting so many steps takes: the process, the pointer to its task, the fact."""
    return Requests(put=2 * count, post=count)


def _completes(plan: Plan) -> Requests:
    """Count what hearing of every step takes: versioning, the facts, the plan, a look at what was made, a new fact."""
    count = len(plan.steps)
    again = count if count > 1 else 0  # everybody lists again after writing, so that siblings see each other
    return Requests(get=2 * count, listing=count + again, head=count, put=count, notices=count)


def _end(plan: Plan, size: int) -> Requests:
    """Count verdict, publishing, telling, and clearing away."""
    sinks = len(plan.sinks)
    facts = Requests(put=3 + sinks + 1 + 1, events=sinks)  # verdict, result, closed; told by sink; result object, told
    leftovers = -(-2 * len(plan.steps) // DELETED_AT_ONCE)  # what the steps made, and the pointers to their tasks
    return _sum(facts, _publishing(plan, size), Requests(post=leftovers + 1))


def _publishing(plan: Plan, size: int) -> Requests:
    """Count what a server-side copy takes: a look at the output's name, the length, the source; then copy, or parts."""
    beside = 1 if plan.output.chapters else 0  # the .vtt: looked for, then written
    look = Requests(get=1, head=2 + beside, put=beside)
    if not (_has_tag(plan) or size > SINGLE_COPY_BYTES):
        return _sum(look, Requests(put=1))
    parts = max(-(-size // COPY_PART_BYTES), 1)
    tag = Requests(get=1, put=1) if _has_tag(plan) else Requests()
    return _sum(look, tag, Requests(put=parts, post=2))


def _has_tag(plan: Plan) -> bool:
    """Say whether the output gets its chapters as ID3 frames too."""
    return plan.output.chapters and plan.output.format == "mp3"


def as_json(made: Estimate) -> dict[str, Any]:
    """Return an estimate as programs read it."""
    asked = made.requests
    return {
        "estimate": True,
        "duration_ms": round(made.duration_s * 1000),
        "size_bytes": made.size.size,
        "size_assumes": made.size.assumes,
        "tasks": made.tasks,
        "levels": made.levels,
        "processed_ms": round(made.processed_s * 1000),
        "requests": {
            "oss": {
                **{name: getattr(asked, name) for name in ("get", "head", "listing", "put", "post")},
                "all": asked.oss,
            },
            "oss_put_type": asked.put_type,
            "oss_get_type": asked.get_type,
            "smq": {"events": asked.events, "notices": asked.notices, "all": asked.smq},
        },
        "cost": {
            "currency": made.currency,
            "total": made.total,
            "items": [_cost_json(cost) for cost in made.costs],
            "not_included": list(made.left_out),
        },
    }


def _cost_json(cost: Cost) -> dict[str, Any]:
    """Return one line of the bill as programs read it."""
    note = {"note": NOTES[cost.price.name]} if cost.price.name in NOTES else {}
    return {**cost.price._asdict(), "quantity": round(cost.quantity, 6), "amount": cost.amount, **note}
