"""Requests whose outcome answers a question: values, their cost, and what is observed. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from clipstitch.common.errors import InvalidNotification
from clipstitch.common.identifiers import ObjectRef
from clipstitch.inbound.completion_notification import CompletionNotification, parse_notification
from clipstitch.planning.process_string import Process, Saveas, Segment, Transcode, format_process
from clipstitch_cli.doctor.live.tones import RATE, DetectedTone, Tone

A, B, C = Tone("a", 400, 500), Tone("b", 800, 700), Tone("c", 1600, 1000)
MANY = tuple(Tone(f"n{number:02}", 400, 100) for number in range(12))
SAME, LEFT = Tone("same", 800, 300, (1.0, 1.0)), Tone("left", 1600, 300, (1.0, 0.0))  # in stereo
TONES = {tone.name: tone for tone in (A, B, C, SAME, LEFT, *MANY)}
NO_AUDIO, MISSING = "text", "nowhere"  # an object without audio, and one that does not exist
HOME, UNBOUND = "home", "unbound"
TEXT = b"This is no audio."
TASK_REQUESTS = 2  # by `complete`, to find that a task is not clipstitch's: versioning, pointer
PREFIXES = 3  # of clips, of targets and of outputs
LISTING_REQUESTS, DELETION_REQUESTS = 2, 1  # a prefix is listed before and after one deletion


class Experiment(NamedTuple):
    """One request, posted to `main`. `ss`, `t` and `channels` are the action's own; `where` is HOME or UNBOUND.

    The segments before and after `main` name clips, not keys.
    """

    name: str
    main: str
    pre: tuple[Segment, ...] = ()
    sur: tuple[Segment, ...] = ()
    ss: int | None = None
    t: int | None = None
    where: str = HOME
    channels: int = 1

    @property
    def clips(self) -> tuple[str, ...]:
        """All sources, in order."""
        return (*(part.key for part in self.pre), self.main, *(part.key for part in self.sur))

    @property
    def has_audio(self) -> bool:
        """Whether all sources are audio, so that there may be an output to decode."""
        return self.where == HOME and set(self.clips) <= set(TONES)

    def process(self, prefix: str, target: ObjectRef, topic: str) -> str:
        """Return the process string for clips under the prefix: FLAC, with a notification to the topic."""
        transcode = Transcode("flac", ss=self.ss, t=self.t, ac=self.channels, ar=RATE)
        pre, sur = (tuple(p._replace(key=key_of(p.key, prefix)) for p in parts) for parts in (self.pre, self.sur))
        return format_process(Process(transcode, pre, sur, Saveas.literal(target), topic))


EXPERIMENTS = (
    Experiment("pair", "a", sur=(Segment("b"),)),
    Experiment("order", "c", pre=(Segment("a"), Segment("b"))),
    Experiment("whole", "b", pre=(Segment("a"),), sur=(Segment("c"),), ss=300, t=900),
    Experiment("cut", "a", sur=(Segment("c", 200, 500),)),
    Experiment("twelve", "n00", sur=tuple(Segment(tone.name) for tone in MANY[1:])),
    Experiment("unbound", "a", sur=(Segment("a"),), where=UNBOUND),
    Experiment("segment missing", "a", sur=(Segment(MISSING),)),
    Experiment("main missing", MISSING, sur=(Segment("a"),)),
    Experiment("no audio", "a", sur=(Segment(NO_AUDIO),)),
    Experiment("twice", "a", sur=(Segment("a"),)),
    Experiment("mono levels", "a", sur=(Segment("same"), Segment("left"))),
    Experiment("stereo levels", "a", sur=(Segment("same"),), channels=2),
)


def key_of(clip: str, prefix: str) -> str:
    """Return the key of a clip."""
    return f"{prefix}{clip}.wav"


def target_of(experiment: Experiment, prefix: str) -> str:
    """Return the key of an experiment's output."""
    return f"{prefix}{experiment.name.replace(' ', '-')}.flac"


class RejectedRequest(NamedTuple):
    """The error with which a request was rejected."""

    status: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"


class Observation(NamedTuple):
    """What is known of an experiment.

    `body`: the notification as received; `definition`: the task as IMM understood it; `error`: why not more is known.
    """

    rejected: RejectedRequest | None = None
    task: str = ""
    event: str = ""
    body: str = ""
    tones: tuple[DetectedTone, ...] = ()
    definition: Mapping[str, Any] = {}
    error: str = ""


def notification_in(body: str) -> CompletionNotification | None:
    """Return the notification in a message; None if there is none, or it cannot be parsed."""
    try:
        return parse_notification(body.encode())
    except InvalidNotification:
        return None


class Spending(NamedTuple):
    """The maximum that something costs."""

    oss_requests: int = 0
    imm_tasks: int = 0
    smq_messages: int = 0
    stored_bytes: int = 0

    def plus(self, other: "Spending") -> "Spending":
        """Return the sum."""
        return Spending(*map(sum, zip(self, other, strict=True)))

    def __str__(self) -> str:
        messages = f"{self.smq_messages} SMQ messages, {self.stored_bytes / 1000:,.0f} KB stored for some minutes"
        return f"{self.oss_requests} OSS requests, {self.imm_tasks} IMM tasks, {messages}"


def objects_of(experiments: Iterable[Experiment], where: str) -> dict[str, bytes]:
    """Return the objects that experiments need in a bucket, by clip."""
    names = {clip for experiment in experiments if experiment.where == where for clip in experiment.clips} - {MISSING}
    return {name: TEXT if name == NO_AUDIO else TONES[name].wav() for name in sorted(names)}


def spending(experiments: Sequence[Experiment], *, new_bucket: bool) -> Spending:
    """Return the maximum cost of experiments: all objects, all requests, and all outputs, if every task succeeds.

    Each task sends a message to the topic, which sends it to the temporary queue. Outputs are counted uncompressed.
    """
    objects = [body for where in (HOME, UNBOUND) for body in objects_of(experiments, where).values()]
    outputs = [experiment for experiment in experiments if experiment.has_audio]
    buckets = 2 if new_bucket else 0  # created and removed
    cleanup = 2 * PREFIXES * (LISTING_REQUESTS + DELETION_REQUESTS)  # in both buckets
    made = sum(len(TONES[clip].wav()) for experiment in outputs for clip in experiment.clips)
    posted = len(experiments)
    requests = len(objects) + posted * (1 + TASK_REQUESTS) + len(outputs) + buckets + cleanup
    return Spending(requests, posted, 2 * posted, sum(map(len, objects)) + made)
