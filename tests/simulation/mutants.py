"""Mutants: plausible defects, each a few replacements in a copy of the package, that the simulation must detect.

Data only; `tests.simulation.mutation_testing` applies them. A replaced string that does not occur exactly once is an
error, so that no mutant silently becomes the original when the product changes.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A defect. Each change is a module, a string in it, and the string that replaces it."""

    name: str
    changes: tuple[tuple[str, str, str], ...]


DECIDE, EXECUTE, RECOVER, SWEEP = "jobs/decide.py", "usecases/execute.py", "usecases/recover.py", "usecases/sweep.py"
STORE, DELIVER, PUBLISH, COMPLETE = (
    "usecases/job_store.py", "usecases/deliver.py", "usecases/publish.py", "usecases/complete.py",
)  # fmt: skip
OUTCOMES, POLICY, PLAN = "usecases/task_outcomes.py", "jobs/webhook_policy.py", "usecases/plan_job.py"
SCHEDULE = "jobs/delivery_policy.py"
LENGTHS, CHECK_MERGE = "planning/lengths.py", "usecases/check_merge.py"

_START = "    try:\n        task = _start_render(step, job, context) if step.render else"
_ACCEPTED = (
    "    context.store.point_to_step(task, job.id, step.number)\n"
    "    return context.store.add(job, Fact(ACCEPTED, step.number, task))"
)
_PUBLISH = "    if not job.final:\n        return (Publish(),)\n"
_CLOSE = "return (*map(Deliver, ready), *map(Abandon, given_up), *close)"
_SEND = "    try:\n        response = _send(sink, configured, job, context)"
_RECORD = "            existing = self._write_once(ref, document)\n"


def _not_create_once(kind: str) -> tuple[str, str, str]:
    """Return the change that writes one of the create-once documents like any other object."""
    plain = f"self._write(ref, document) if kind == {kind!r} else "
    return STORE, _RECORD, _RECORD.replace("self", plain + "self", 1)


_THROTTLED_IS_NOT_AUDIO = (
    "        if type(probe).__name__ == 'Throttled':\n            probe = NotAudio('')\n"
    "        if type(probe) not in _CLIP_ISSUES:\n"
)

MUTANTS = (
    Mutant(
        "sinks receive the event before the output is published",
        (
            (DECIDE, _PUBLISH, ""),
            (DECIDE, _CLOSE, _CLOSE.replace("*close", "*([] if job.final else [Publish()]), *close")),
            (
                "jobs/job.py",
                'return "publishing" if self.result is None else "succeeded" if self.result.output else "failed"',
                'return "succeeded" if self.result is None or self.result.output else "failed"',
            ),
        ),
    ),
    Mutant("the plan is not create-once", (_not_create_once("planned"),)),
    Mutant("the decision is not create-once", (_not_create_once("decision"),)),
    Mutant("the result is not create-once", (_not_create_once("result"),)),
    Mutant(
        "the marker is deleted before the event is delivered",
        (
            (
                STORE,
                "            recorded: dict[str, Any] =",
                (
                    "            if kind == DECISION:\n                self._objects.delete([self.marker(job.id)])\n"
                    "            recorded: dict[str, Any] ="
                ),
            ),
        ),
    ),
    Mutant(
        "the marker is written after the plan",
        (
            ("usecases/submit.py", "context.store.mark_open(upload.job_id, upload.manifest.ref)", "True"),
            (
                "usecases/submit.py",
                "            job = execute(job, context, Run(SinkMonitor(), upload=upload))\n",
                (
                    "            job = execute(job, context, Run(SinkMonitor(), upload=upload))\n"
                    "            context.store.mark_open(job.id, upload.manifest.ref)\n"
                ),
            ),
        ),
    ),
    Mutant(
        "a step is recorded as accepted before it is started",
        (
            (EXECUTE, _START, '    job = context.store.add(job, Fact(ACCEPTED, step.number, "soon"))\n' + _START),
            (EXECUTE, _ACCEPTED, "    context.store.point_to_step(task, job.id, step.number)\n    return job"),
        ),
    ),
    Mutant(
        "the facts of other runs are not read after an outcome is recorded",
        ((COMPLETE, "            job = context.store.refresh(job)\n", "            pass\n"),),
    ),
    Mutant(
        "the start of a parent is not claimed",
        ((EXECUTE, "claimed = claim_for is None or", "claimed = True or"),),
    ),
    Mutant(
        "succeeded steps are counted, not collected in a set",
        (
            (
                DECIDE,
                "and succeeded.issuperset(step.needs)",
                "and sum(f.kind == SUCCEEDED for f in job.facts) >= len(step.needs)",
            ),
        ),
    ),
    Mutant(
        "recovery ignores lost completion notifications",
        ((DECIDE, 'if cause == "recovery" and job.running(step.number)]', "if False]"),),
    ),
    Mutant(
        "the sweep does not search for uploads whose event was lost",
        ((SWEEP, "if upload.job_id not in known]", "if False]"),),
    ),
    Mutant(
        "recovery starts steps that are still running",
        ((DECIDE, "return not job.running(step.number) and (", "return ("),),
    ),
    Mutant(
        "the sweep does not delete orphans",
        ((SWEEP, "_submit_lost_uploads, _delete_orphans, rec", "_submit_lost_uploads, rec"),),
    ),
    Mutant(
        "no job has a deadline",
        (
            (
                DECIDE,
                "    return now - deadline_start(job) >= timedelta(seconds=policy.deadline_s * times)",
                "    return False",
            ),
        ),
    ),
    Mutant(
        "a transient failure is final",
        ((OUTCOMES, "retry = is_transient(task.code, task.message) and", "retry = False and"),),
    ),
    Mutant(
        "a reported success counts although the target does not exist",
        ((OUTCOMES, "made = made or context.audio.probe([step.target])[step.target]", "made = Probe(1.0, 44100, 1)"),),
    ),
    Mutant(
        "a reported failure counts although no task was recorded",
        (
            (
                COMPLETE,
                "_confirm(notification, step, job, context) if job.decision is None else notification",
                "notification",
            ),
        ),
    ),
    Mutant("the output is copied without create-once", ((PUBLISH, 'once=conflict == "free"', "once=False"),)),
    Mutant(
        "a delivery is recorded before it is made",
        ((DELIVER, _SEND, "    job = context.store.add(job, Fact(DELIVERED, detail=sink))\n" + _SEND),),
    ),
    Mutant(
        "an older job replaces the output of a newer job",
        ((DECIDE, "if may_replace and is_newer(owner, than=publisher.job_id):", "if not owner:"),),
    ),
    Mutant(
        "an older job replaces the result object of a newer job",
        (
            (
                DELIVER,
                'if existing is None or not is_newer(existing.meta.get(JOB_META, ""), than=job.id):',
                "if True:",
            ),
        ),
    ),
    Mutant(
        "an event carries the time of its delivery",
        (
            (
                DELIVER,
                "fit_to_message(make_event(job),",
                'fit_to_message({**make_event(job), "time": context.timestamp()},',
            ),
        ),
    ),
    Mutant(
        "a job on which every run crashes has no deadline",
        ((DECIDE, "if twice and not seen.published else ()", "if False else ()"),),
    ),
    Mutant(
        "a job that cannot be planned has no deadline",
        ((RECOVER, 'if not decide(job, context.clock.now(), policy, "recovery", observed):', "if True:"),),
    ),
    Mutant(
        "the deadline counts from the upload",
        ((DECIDE, "    opened = job.opened_at or uploaded_at(job.id)\n", "    return uploaded_at(job.id)\n"),),
    ),
    Mutant(
        "the sweep does not postpone jobs that once outlasted it",
        (
            (
                "usecases/sweep_progress.py",
                "if job in open_jobs]\n        self.search_from",
                "if False]\n        self.search_from",
            ),
        ),
    ),
    Mutant(
        "the search never starts again from the beginning",
        ((SWEEP, '    progress.places[_MANIFESTS] = ""\n', ""),),
    ),
    Mutant(
        "the search passes the uploads that it could not submit",
        ((SWEEP, "    if not progress.is_incomplete:\n", "    if True:\n"),),
    ),
    Mutant(
        "the limits are not checked again when the output is published",
        ((PUBLISH, "plan.manifest.ref.bucket), *map(limits.against_key, keys))", "plan.manifest.ref.bucket),)"),),
    ),
    Mutant(
        "the state bucket is ignored",
        (("usecases/settings.py", "return self.state_bucket or self.bucket", "return self.bucket"),),
    ),
    Mutant(
        "a throttled probe counts as not audio",
        (
            (
                "planning/planner.py",
                "        if type(probe) not in _CLIP_ISSUES:\n",
                _THROTTLED_IS_NOT_AUDIO,
            ),
        ),
    ),
    Mutant(
        "a busy probe hides other issues",
        ((PLAN, "if isinstance(probe, errors.CloudBusy)), None):", "if probe is None), None):"),),
    ),
    Mutant(
        "an archived clip is an error of the job",
        (("planning/planner.py", '    ObjectArchived: ("CLIP_ARCHIVED", "is archived"),\n', ""),),
    ),
    Mutant(
        "the message of a forged failure is recorded",
        (
            (
                COMPLETE,
                "notification._replace(code=ended.code, message=ended.message) if ended else notification",
                "notification",
            ),
        ),
    ),
    Mutant(
        "a throttled start is final",
        (
            (
                "common/errors.py",
                'class Throttled(CloudBusy, code="THROTTLED"):\n',
                'class Throttled(CloudBusy, code="THROTTLED"):\n    retryable = False\n',
            ),
        ),
    ),
    Mutant(
        "a pending delivery is retried at every sweep",
        ((DECIDE, "and (policy.immediate or now >= delivery.due)", "and True"),),
    ),
    Mutant("410 is retried", ((POLICY, "if response.status == GONE:", "if response.status == -GONE:"),)),
    Mutant("a disabled sink is not respected", ((DELIVER, "if store.is_sink_disabled(sink.name):", "if False:"),)),
    Mutant(
        "a webhook is retried forever",
        ((SCHEDULE, "if (webhook and attempt >= len(SCHEDULE_S)) or is_given_up(at, finished_at):", "if False:"),),
    ),
    Mutant(
        "a webhook that does not answer is abandoned",
        (
            (
                DELIVER,
                "if due is None or (isinstance",
                "if due is None or getattr(error, 'code', '') == 'WEBHOOK_NO_ANSWER' or (isinstance",
            ),
        ),
    ),
    Mutant(
        "recovery starts a step again at once after a transient failure",
        ((DECIDE, "policy.grace_period_s * 2 ** max(tries - 1, 0)", "0 * tries"),),
    ),
    Mutant(
        "recovery does not wait for the grace period",
        ((DECIDE, '(cause == "recovery" and _in_grace_period(job, now, policy))', "False"),),
    ),
    Mutant(
        "Retry-After is ignored",
        ((SCHEDULE, ", min(asked_s, MAX_DELAY_S)", ", 0"),),
    ),
    Mutant(
        "the attempts at a webhook are not counted",
        ((DELIVER, "before.attempt + 1 if before else 1", "1"),),
    ),
    Mutant(
        "the merged length is not compared with the plan",
        ((LENGTHS, "if abs(seconds) <= slack + estimate_s * ESTIMATE_ERROR:", "if True:"),),
    ),
    Mutant(
        "a replaced clip is not noticed",
        ((CHECK_MERGE, "current.get(clip.key, clip.etag) != clip.etag", "False"),),
    ),
    Mutant(
        "chapters stay where they were planned",
        ((LENGTHS, "                lengths[index] += share", "                lengths[index] += 0 * share"),),
    ),
    Mutant(
        "every clip counts as replaced if it was uploaded again",
        ((CHECK_MERGE, "clip.etag and current.get(clip.key, clip.etag) != clip.etag", "clip.key in current"),),
    ),
    Mutant("strict is ignored", ((PUBLISH, "if plan.strict and warning.code in ALARMS", "if False"),)),
)
