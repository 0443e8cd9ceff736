"""Setups: the settings of clipstitch in a world, how they change, and who receives webhooks. Values only."""

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
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
STATE, RESULTS, MANIFESTS = SETTINGS.state_prefix, SETTINGS.result_prefix, SETTINGS.manifest_prefix
START = datetime(2026, 1, 2, 23, 58, 0, tzinfo=timezone.utc)  # just before midnight: jobs belong to two days
SWEEP_INTERVAL_S = 300  # as in s.yaml
SHORT_DEADLINE_S = 6000  # a deadline that passes within the simulated time

PLAIN, WEBHOOKS, MANY, STUCK, OUTAGE, RECONFIGURED = "plain", "webhooks", "many", "stuck", "outage", "reconfigured"
ALTERED = "altered clips"
_THEME_PERCENTAGES = {WEBHOOKS: 7, MANY: 6, STUCK: 6, OUTAGE: 3, RECONFIGURED: 6, ALTERED: 12}  # of worlds with faults

# Behaviours of webhook receivers, see `receivers`.
HEALTHY, UNRELIABLE, SLOW, DOWN, DEAD, GONE = "healthy", "unreliable", "slow", "down", "dead", "gone"
_BEHAVIOURS = (HEALTHY, UNRELIABLE, UNRELIABLE, SLOW, DOWN, DEAD, GONE, GONE)


class Setup(NamedTuple):
    """The theme of a world and the settings of clipstitch in it.

    `receivers`: the names of webhooks and the behaviours of their receivers. `overlap`: two sweeps start at about the
    same time. `damages`: how often what a sweep has saved is cut short. Before `outage_s`, in seconds, no events are
    delivered and no sweeps start. At `changed_at`, in seconds, the operator changes the settings in `change`. `strict`:
    jobs fail if what was merged is not what was planned.
    """

    theme: str = PLAIN
    state_bucket: str | None = None
    receivers: tuple[tuple[str, str], ...] = ()
    sweep_budget_s: int = SETTINGS.sweep_budget_s
    deadline_s: int = SETTINGS.deadline_s
    overlap: bool = False
    damages: int = 0
    outage_s: float = 0.0
    changed_at: float = 0.0
    change: Mapping[str, Any] = {}
    strict: bool = False

    @property
    def settings(self) -> Settings:
        """The settings at the start."""
        names = [name for name, _ in self.receivers]
        return SETTINGS._replace(
            sinks=(*SETTINGS.sinks, *(Sink(name.lower(), "webhook", name) for name in names)),
            webhooks=tuple(Webhook(name, f"https://{name.lower()}.example/", ()) for name in names),
            state_bucket=self.state_bucket,
            sweep_budget_s=self.sweep_budget_s,
            deadline_s=self.deadline_s,
            strict=self.strict,
        )

    @property
    def narrows_outputs(self) -> bool:
        """Whether the operator disallows all outputs at `changed_at`."""
        return "output_prefixes" in self.change

    @property
    def moves_manifests(self) -> bool:
        """Whether the operator changes the manifest prefix at `changed_at`."""
        return "manifest_prefix" in self.change


def draw_setup(rng: Random, *, fault_free: bool) -> Setup:
    """Draw a setup. If `fault_free`, no job may need the sweep, so the theme is plain and every receiver is healthy."""
    state_bucket = rng.choice((None, None, STATE_BUCKET))
    if fault_free:
        return Setup(state_bucket=state_bucket, receivers=(("PARTNER", HEALTHY),) if rng.random() < 0.1 else ())
    theme = _draw_theme(rng)
    special = _THEME_SETTINGS[theme](rng) if theme in _THEME_SETTINGS else {}
    return Setup(theme, state_bucket)._replace(**special)


def _draw_theme(rng: Random) -> str:
    number = rng.uniform(0, 100)
    for theme, percentage in _THEME_PERCENTAGES.items():
        number -= percentage
        if number < 0:
            return theme
    return PLAIN


def _draw_receivers(rng: Random) -> dict[str, Any]:
    names = ("PARTNER", "ARCHIVE")[: rng.choice((1, 1, 2))]
    return {"receivers": tuple((name, rng.choice(_BEHAVIOURS)) for name in names)}


def _draw_sweep_limits(rng: Random) -> dict[str, Any]:
    """Give sweeps little time, and let some of them overlap."""
    return {
        "sweep_budget_s": rng.choice((6, 20, 200)),
        "overlap": rng.random() < 0.3,
        "damages": rng.choice((0, 0, 1, 3)),
    }


def _draw_change(rng: Random) -> dict[str, Any]:
    """Let the operator disallow the outputs, or change the manifest prefix, while jobs are running."""
    narrowed = {"output_prefixes": ("elsewhere/",)}
    change = rng.choice((narrowed, narrowed, {"manifest_prefix": "inbox/"}))
    return {"changed_at": rng.choice((rng.uniform(2, 120), 300.5)), "change": change}


_THEME_SETTINGS: Mapping[str, Callable[[Random], dict[str, Any]]] = {
    WEBHOOKS: _draw_receivers,
    MANY: _draw_sweep_limits,
    STUCK: lambda rng: {"deadline_s": SHORT_DEADLINE_S, **_draw_sweep_limits(rng)},
    OUTAGE: lambda _rng: {"deadline_s": SHORT_DEADLINE_S, "outage_s": SHORT_DEADLINE_S + 1200.0},
    RECONFIGURED: _draw_change,
    ALTERED: lambda rng: {"strict": rng.random() < 0.3},
}
