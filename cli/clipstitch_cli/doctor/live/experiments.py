"""Requests whose outcome settles a question: values, what they cost, and what is seen of them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from clipstitch.common.identifiers import ObjectRef
from clipstitch.planning.process_string import Process, Saveas, Segment, Transcode, format_process
from clipstitch_cli.doctor.live.tones import RATE, Heard, Tone

A, B, C = Tone("a", 400, 500), Tone("b", 800, 700), Tone("c", 1600, 1000)
MANY = tuple(Tone(f"n{number:02}", 400, 100) for number in range(12))
TONES = {tone.name: tone for tone in (A, B, C, *MANY)}
NO_AUDIO, NOWHERE = "text", "nowhere"  # an object that is no audio, and one that is not there
HOME, UNBOUND = "home", "unbound"
TEXT = b"This is no audio."


class Cut(NamedTuple):
    """A clip before or after the posted one, perhaps trimmed; milliseconds."""

    clip: str
    ss: int | None = None
    t: int | None = None


class Experiment(NamedTuple):
    """One request, posted to `main`. `ss` and `t` are the action's own; `where` is the bucket's part in it."""

    name: str
    main: str
    pre: tuple[Cut, ...] = ()
    sur: tuple[Cut, ...] = ()
    ss: int | None = None
    t: int | None = None
    where: str = HOME

    @property
    def clips(self) -> tuple[str, ...]:
        """Every source, as often as it is named."""
        return (*(cut.clip for cut in self.pre), self.main, *(cut.clip for cut in self.sur))

    @property
    def sound(self) -> bool:
        """Whether all sources are there and are audio, so that there may be something to hear."""
        return self.where == HOME and set(self.clips) <= set(TONES)

    def process(self, prefix: str, bucket: str, topic: str) -> str:
        """Spell it, as FLAC below the prefix, with a notice to the topic."""
        target = ObjectRef(bucket, target_of(self, prefix))
        made = Transcode("flac", ss=self.ss, t=self.t, ac=1, ar=RATE)
        pre, sur = (tuple(Segment(key_of(c.clip, prefix), c.ss, c.t) for c in cuts) for cuts in (self.pre, self.sur))
        return format_process(Process(made, pre, sur, Saveas.literal(target), topic))


EXPERIMENTS = (
    Experiment("pair", "a", sur=(Cut("b"),)),
    Experiment("order", "c", pre=(Cut("a"), Cut("b"))),
    Experiment("whole", "b", pre=(Cut("a"),), sur=(Cut("c"),), ss=300, t=900),
    Experiment("cut", "a", sur=(Cut("c", 200, 500),)),
    Experiment("twelve", "n00", sur=tuple(Cut(tone.name) for tone in MANY[1:])),
    Experiment("unbound", "a", sur=(Cut("a"),), where=UNBOUND),
    Experiment("segment missing", "a", sur=(Cut(NOWHERE),)),
    Experiment("main missing", NOWHERE, sur=(Cut("a"),)),
    Experiment("no audio", "a", sur=(Cut(NO_AUDIO),)),
    Experiment("twice", "a", sur=(Cut("a"),)),
)


def key_of(clip: str, prefix: str) -> str:
    """Return the key that a clip has below the prefix."""
    return f"{prefix}{clip}.wav"


def target_of(experiment: Experiment, prefix: str) -> str:
    """Return the key that an experiment writes to."""
    return f"{prefix}out/{experiment.name.replace(' ', '-')}.flac"


class Refused(NamedTuple):
    """How a request was refused."""

    status: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"


class Seen(NamedTuple):
    """What is known of an experiment. `body` is the message as its queue had it; `trouble` says why we know no more."""

    refused: Refused | None = None
    task: str = ""
    event: str = ""
    body: str = ""
    heard: tuple[Heard, ...] = ()
    asked: Mapping[str, Any] = {}
    trouble: str = ""


class Spending(NamedTuple):
    """What something costs, at most."""

    oss_requests: int = 0
    imm_tasks: int = 0
    smq_messages: int = 0
    stored_bytes: int = 0

    def __add__(self, other: object) -> "Spending":
        """Add up."""
        if not isinstance(other, Spending):
            return NotImplemented
        return Spending(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def __str__(self) -> str:
        kept = f"{self.stored_bytes / 1000:,.0f} KB stored for some minutes"
        return f"{self.oss_requests} OSS requests, {self.imm_tasks} IMM tasks, {self.smq_messages} SMQ messages, {kept}"


def objects_of(experiments: Iterable[Experiment], where: str) -> dict[str, bytes]:
    """Return the objects that must be there before, by clip."""
    names = {clip for experiment in experiments if experiment.where == where for clip in experiment.clips} - {NOWHERE}
    return {name: TEXT if name == NO_AUDIO else TONES[name].wav() for name in sorted(names)}


def spending(experiments: Sequence[Experiment], *, new_bucket: bool) -> Spending:
    """Add up what experiments cost at most: each object put; each request posted; each output, if all succeed.

    A task says its end twice: to the topic, and by it to our queue. `complete` looks up that it is not ours, in two
    requests. Outputs are reckoned uncompressed.
    """
    homes = {where: objects_of(experiments, where) for where in (HOME, UNBOUND)}
    puts = sum(map(len, homes.values()))
    heard = sum(experiment.sound for experiment in experiments)
    buckets = 2 if new_bucket else 0  # made and removed
    cleared = 2 * (LISTING + DELETION)  # in both buckets
    made = sum(len(TONES[clip].wav()) for one in experiments if one.sound for clip in one.clips)
    kept = sum(len(body) for objects in homes.values() for body in objects.values())
    posted = len(experiments)
    return Spending(puts + posted * (1 + LOOKED_UP) + heard + buckets + cleared, posted, 2 * posted, kept + made)


LOOKED_UP = 2  # versioning, pointer
LISTING, DELETION = 2, 1  # what is there is listed before, and after it was deleted in one request
