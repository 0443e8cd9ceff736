"""How clipstitch is set up in a world, what its operator changes meanwhile, who receives webhooks. Values only."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

from clipstitch.common.ports import Webhook
from clipstitch.usecases.settings import Settings, Sink

BUCKET, STATE_BUCKET = "acme", "acme-state"
SETTINGS = Settings(
    oss_endpoint="",
    oss_region="",
    mns_endpoint="",
    bucket=BUCKET,
    completion_topic="completions",
    sinks=(Sink("events", "topic", "events"), Sink("queue", "queue", "events")),
    output_prefixes=("out/",),
    source_prefixes=("a/", "b/", "c/"),
)
SOON_S = 6000  # a deadline that a world lives to see
PLAIN, HOOKS, MANY, HARD, OUTAGE, MOVED = "plain", "hooks", "many", "hard", "outage", "moved"
_THEMES = {HOOKS: 7, MANY: 6, HARD: 6, OUTAGE: 3, MOVED: 6}  # per cent of the worlds that are not calm
WELL, MOODY, ASLEEP, DEAD, GONE = "well", "moody", "asleep", "dead", "gone"
_MOODS = (WELL, MOODY, MOODY, ASLEEP, DEAD, GONE, GONE)


class Setup(NamedTuple):
    """What a world is about, and how clipstitch is set up in it.

    `receivers`: names of webhooks, and their moods. `overlap`: the timer rings twice. Before `outage_s` neither events
    nor the timer come through. `change` are the settings that take the place of others at `changed_at`.
    """

    theme: str = PLAIN
    state_bucket: str | None = None
    receivers: tuple[tuple[str, str], ...] = ()
    search_keys: int = SETTINGS.search_keys
    sweep_budget_s: int = SETTINGS.sweep_budget_s
    deadline_s: int = SETTINGS.deadline_s
    overlap: bool = False
    outage_s: float = 0.0
    changed_at: float = 0.0
    change: Mapping[str, Any] = {}

    @property
    def settings(self) -> Settings:
        """The settings at the beginning."""
        hooks = [name for name, _ in self.receivers]
        return SETTINGS._replace(
            sinks=(*SETTINGS.sinks, *(Sink(name.lower(), "webhook", name) for name in hooks)),
            webhooks=tuple(Webhook(name, f"https://{name.lower()}.example/", ()) for name in hooks),
            state_bucket=self.state_bucket,
            search_keys=self.search_keys,
            sweep_budget_s=self.sweep_budget_s,
            deadline_s=self.deadline_s,
        )


def draw_setup(rng: Random, *, calm: bool) -> Setup:
    """Draw a setup; in calm weather nothing may need the sweep, so nothing is hard and every receiver is well."""
    state_bucket = rng.choice((None, None, STATE_BUCKET))
    if calm:
        return Setup(state_bucket=state_bucket, receivers=(("PARTNER", WELL),) if rng.random() < 0.1 else ())
    theme = _theme(rng)
    return Setup(theme, state_bucket)._replace(**_SPECIAL.get(theme, lambda _rng: {})(rng))


def _hooks(rng: Random) -> dict[str, Any]:
    """Draw one or two receivers."""
    names = ("PARTNER", "ARCHIVE")[: rng.choice((1, 1, 2))]
    return {"receivers": tuple((name, rng.choice(_MOODS)) for name in names)}


def _hurry(rng: Random) -> dict[str, Any]:
    """Give sweeps little time, and let them overlap."""
    return {"sweep_budget_s": rng.choice((6, 20, 200)), "overlap": rng.random() < 0.3}


def _change(rng: Random) -> dict[str, Any]:
    """Let the operator narrow the outputs, or move the manifests, while jobs run."""
    narrowed = {"output_prefixes": ("elsewhere/",)}
    change = rng.choice((narrowed, narrowed, {"manifest_prefix": "inbox/"}))
    return {"changed_at": rng.choice((rng.uniform(2, 120), 300.5)), "change": change}


_SPECIAL: Mapping[str, Callable[[Random], dict[str, Any]]] = {
    HOOKS: _hooks,
    MANY: lambda rng: {"search_keys": rng.choice((2, 4)), **_hurry(rng)},
    HARD: lambda rng: {"deadline_s": SOON_S, **_hurry(rng)},
    OUTAGE: lambda _rng: {"deadline_s": SOON_S, "outage_s": SOON_S + 1200.0},
    MOVED: _change,
}


def _theme(rng: Random) -> str:
    """Draw what a world is about; most are about nothing but their weather."""
    number = rng.uniform(0, 100)
    for theme, share in _THEMES.items():
        number -= share
        if number < 0:
            return theme
    return PLAIN
