"""When a failed delivery is retried, and when a sink is given up. Every sink of a job has its own schedule.

`usecases.deliver` applies it.
"""

from datetime import datetime, timedelta

# Standard Webhooks 1.0.0, "Deliverability and reliability": seconds before each attempt, the first one at once.
SCHEDULE_S = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
MAX_DELAY_S = SCHEDULE_S[-1]  # ours: a receiver could otherwise keep a job open for ever
# Ours, for topics, queues and the result object: 5 s, then four times as long, up to two hours. They belong to the
# operator, who wants the events once they are back; most of their errors last seconds.
OWN_DELAY_S, OWN_FACTOR, OWN_MAX_DELAY_S = 5, 4, 7200
GIVE_UP_S = sum(SCHEDULE_S)  # three days and 3.6 hours after the job was finished


def next_attempt(
    attempt: int, at: datetime, finished_at: datetime, *, webhook: bool, asked_s: float = 0
) -> datetime | None:
    """Return when to retry after attempt number `attempt` (the first is 1) failed at `at`; None to give up.

    A webhook is given up after the last attempt of the schedule, and every sink when its job was finished three days
    ago. What a receiver asks for can make the next attempt later, not sooner.
    """
    if (webhook and attempt >= len(SCHEDULE_S)) or is_given_up(at, finished_at):
        return None
    own_s = min(OWN_DELAY_S * OWN_FACTOR ** min(attempt - 1, 9), OWN_MAX_DELAY_S)
    delay_s = SCHEDULE_S[attempt] if webhook else own_s
    return at + timedelta(seconds=max(delay_s, min(asked_s, MAX_DELAY_S)))


def is_given_up(now: datetime, finished_at: datetime) -> bool:
    """Return True if a sink that still fails is given up, as its job was finished three days ago."""
    return now - finished_at >= timedelta(seconds=GIVE_UP_S)
