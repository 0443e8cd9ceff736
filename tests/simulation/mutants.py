"""Mistakes, planted one at a time, to see whether the simulation would notice: each is a few texts replaced in a copy.

Data only; `tests.simulation.hunt` plants and hunts them. A text that is not found exactly once is an error, so that no
mutation silently becomes none when the product changes.
"""

from typing import NamedTuple


class Mutation(NamedTuple):
    """A mistake: for each change the module, the text there, and what takes its place."""

    name: str
    changes: tuple[tuple[str, str, str], ...]


_NOTE = (
    "    ledger.point(task, job.id, step.number)\n"
    '    return ledger.add(job, Fact(ACCEPTED, step.number, task), {"at": cloud.timestamp()})'
)
_START = "    try:\n        task = cloud.audio.start(step.main, step.process)"
_NOTE_TOO_EARLY = '    job = ledger.add(job, Fact(ACCEPTED, step.number, "soon"), {"at": cloud.timestamp()})\n'
_CLOSE = '    return (*tell, Action("close")) if now == untold else tell'
_LATE_PUBLISH = (
    '    late = (Action("publish"),) if job.verdict.kind == "publish" and job.result is None else ()\n'
    '    return (*tell, *late, Action("close")) if now == untold else tell'
)
_JUDGED = "return job.learns(Fact(VERDICT))._replace"
_TELL_LATE = (
    '            job = ledger.add(job, Fact(TOLD, detail=action.sink), {"at": cloud.timestamp()})\n'
    "            _told_or_refused(action.sink, job, cloud)\n            return job"
)
_TELL = "            return ledger.add(job, Fact(TOLD, detail=action.sink), _told_or_refused(action.sink, job, cloud))"
_PUBLISH = '    if job.verdict.kind == "publish" and job.result is None:\n        return (Action("publish"),)\n'


def _plain_write(name: str, value: str) -> tuple[str, str, str]:
    """Write one of the three create-once documents like any other."""
    old = f"document = self._once(job.id, Fact({name}), {value}.as_json())"
    new = f"document = _plain({value}.as_json())\n        self._write(self._fact(job.id, Fact({name})), document)"
    return "usecases/job_store.py", old, new


MUTATIONS = (
    Mutation(
        "sinks are told before the output is published",
        (
            ("jobs/decide.py", _PUBLISH, ""),
            ("jobs/decide.py", _CLOSE, _LATE_PUBLISH),
            (
                "jobs/job.py",
                'return "publishing" if self.result is None else "succeeded" if self.result.output else "failed"',
                'return "succeeded" if self.result is None or self.result.output else "failed"',
            ),
        ),
    ),
    Mutation("the plan is not create-once", (_plain_write("PLANNED", "plan"),)),
    Mutation("the verdict is not create-once", (_plain_write("DECISION", "verdict"),)),
    Mutation("the result is not create-once", (_plain_write("RESULT", "result"),)),
    Mutation(
        "the marker is deleted before anybody is told",
        (
            (
                "usecases/job_store.py",
                _JUDGED,
                'self._objects.delete([self._ref(f"{OPEN}{job.id}")])\n        ' + _JUDGED,
            ),
        ),
    ),
    Mutation(
        "the marker is written after the plan",
        (
            ("usecases/submit.py", "    ledger.open(job.id, upload)\n", ""),
            (
                "usecases/submit.py",
                "    return advance(job, ledger, cloud)\n",
                "    ledger.open(job.id, upload)\n    return advance(job, ledger, cloud)\n",
            ),
        ),
    ),
    Mutation(
        "a step is noted as accepted before it is started",
        (
            ("usecases/execute.py", _START, _NOTE_TOO_EARLY + _START),
            ("usecases/execute.py", _NOTE, "    ledger.point(task, job.id, step.number)\n    return job"),
        ),
    ),
    Mutation(
        "after recording an end, nobody looks what others recorded",
        (("usecases/complete.py", "        job = ledger.refresh(job)\n", "        pass\n"),),
    ),
    Mutation(
        "nobody claims a parent before starting it",
        (("usecases/execute.py", '            action.do == "start"\n', '            action.do == "never"\n'),),
    ),
    Mutation(
        "ended steps are counted, not collected in a set",
        (
            (
                "jobs/decide.py",
                "_concerns(cause, step) and done.issuperset(step.needs))",
                "_concerns(cause, step) and sum(f.kind == SUCCEEDED for f in job.facts) >= len(step.needs))",
            ),
        ),
    ),
    Mutation(
        "the sweep ignores notices that were lost",
        (("usecases/recover.py", "if running := job.running(step.number):", "if running := frozenset():"),),
    ),
    Mutation(
        "the sweep does not search for uploads whose event was lost",
        (
            (
                "usecases/sweep.py",
                "for job_id, manifest in _lost(looked_at, open_jobs, turn.ledger, turn.cloud):",
                "for job_id, manifest in ():",
            ),
        ),
    ),
    Mutation(
        "the sweep starts steps that still run",
        (("jobs/decide.py", "frozenset(n for n in job.steps(ACCEPTED) if job.running(n))", "frozenset()"),),
    ),
    Mutation(
        "the sweep leaves orphans",
        (("usecases/sweep.py", "    _clear_orphans(open_jobs, ledger, cloud)\n", ""),),
    ),
    Mutation(
        "no job has a deadline",
        (
            (
                "usecases/recover.py",
                "    return _waited(uploaded_at(job.id), limit, cloud) and _waited(begun(job, ledger), limit, cloud)",
                "    return False",
            ),
        ),
    ),
    Mutation(
        "a failure that passes is taken for final",
        (("usecases/complete.py", "passes = passing(notice.code, notice.message) and", "passes = False and"),),
    ),
    Mutation(
        "a notice of success is believed without a look at the object",
        (
            ("usecases/complete.py", "made = cloud.objects.describe(step.target)", "made = step"),
            ("usecases/complete.py", '"size": made.size', '"size": 0'),
        ),
    ),
    Mutation(
        "a notice of failure is believed, whoever sent it",
        (
            (
                "usecases/complete.py",
                "_confirmed(notice, step, job, ledger, cloud) if job.verdict is None else notice",
                "notice",
            ),
        ),
    ),
    Mutation(
        "the output is copied without create-once",
        (("usecases/execute.py", 'once=stands.kind == "free"', "once=False"),),
    ),
    Mutation(
        "a sink is noted as told before it is told",
        (
            (
                "usecases/execute.py",
                _TELL,
                _TELL_LATE,
            ),
        ),
    ),
    Mutation(
        "an older job replaces a newer job's output",
        (("jobs/decide.py", "if is_newer(owner, than=plan.job_id) and", "if not owner and"),),
    ),
    Mutation(
        "an older job replaces a newer job's result object",
        (
            (
                "usecases/execute.py",
                'if there is None or not is_newer(there.meta.get(JOB_META, ""), than=job_id):',
                "if True:",
            ),
        ),
    ),
    Mutation(
        "an event carries the time at which it is told",
        (
            (
                "usecases/execute.py",
                "return encode(fit(make_event(job), _result_ref(job, cloud)))",
                'return encode(fit({**make_event(job), "time": cloud.timestamp()}, _result_ref(job, cloud)))',
            ),
        ),
    ),
    Mutation(
        "a job on which every run dies has no deadline",
        (
            (
                "usecases/recover.py",
                "elif _undecided(job) and _overdue(job, ledger, cloud, times=2) and not _is_out(job, cloud):",
                "elif False:",
            ),
        ),
    ),
    Mutation(
        "a job that cannot be planned has no deadline",
        (
            (
                "usecases/recover.py",
                "if not (_undecided(now) and _overdue(now, ledger, cloud, times=2 if _is_out(now, cloud) else 1)):",
                "if True:",
            ),
        ),
    ),
    Mutation(
        "the deadline counts from the upload",
        (("usecases/recover.py", " and _waited(begun(job, ledger), limit, cloud)", ""),),
    ),
    Mutation(
        "the sweep does not put off jobs that outlasted it",
        (("usecases/sweep.py", "[job_id for job_id in progress.late if job_id in open_jobs]", "list[str]()"),),
    ),
    Mutation(
        "the sweep stops at the first job in trouble",
        (
            (
                "usecases/sweep.py",
                "Exception as error:  # noqa: BLE001 - whatever it is",
                "ArithmeticError as error:",
            ),
        ),
    ),
    Mutation(
        "the search never begins again from the beginning",
        (
            (
                "usecases/sweep.py",
                'if len(looked_at) == settings.search_keys else ""',
                "if looked_at else progress.manifest",
            ),
        ),
    ),
    Mutation(
        "the search forgets its place",
        (("usecases/sweep.py", 'self.manifest: str = self._kept.get("manifest", "")', 'self.manifest = ""'),),
    ),
    Mutation(
        "publishing does not look again at what is allowed",
        (
            (
                "usecases/execute.py",
                "plan.manifest.ref.bucket) or limits.against_key(ref.key)",
                "plan.manifest.ref.bucket)",
            ),
        ),
    ),
    Mutation(
        "facts lie beside the clips, whatever bucket is named for them",
        (("usecases/context.py", "self.settings.state_bucket or bucket", "bucket"),),
    ),
    Mutation(
        "a throttled probe is taken for no audio",
        (
            (
                "planning/planner.py",
                "if isinstance(probe, NotAudio):",
                "if probe.__class__.__name__ in ('NotAudio', 'Throttled'):",
            ),
        ),
    ),
    Mutation(
        "a busy probe hides other mistakes",
        (("usecases/submit.py", "if isinstance(probe, CloudBusy)), None):", "if probe is None), None):"),),
    ),
    Mutation(
        "a clip that is archived is a failure of the job",
        (("planning/planner.py", "if isinstance(probe, Archived):", "if probe is None:"),),
    ),
    Mutation(
        "a forged failure's words are told",
        (
            (
                "usecases/complete.py",
                "notice._replace(code=ended.code, message=ended.message) if ended else notice",
                "notice",
            ),
        ),
    ),
    Mutation(
        "a throttled start is taken for final",
        (("common/errors.py", """    code = "THROTTLED"\n""", """    code = "THROTTLED"\n    retryable = False\n"""),),
    ),
    Mutation(
        "an owed webhook is told at every sweep",
        (("usecases/recover.py", "if this.at_once or _due_again(owed, job, ledger, cloud))", "if True)"),),
    ),
    Mutation(
        "410 is retried",
        (("jobs/webhook_policy.py", "if answer.status == GONE:", "if answer.status == -GONE:"),),
    ),
    Mutation(
        "nobody looks whether a webhook is switched off",
        (("usecases/deliver.py", "if ledger.off(sink):", "if False:"),),
    ),
    Mutation(
        "a webhook is told again for ever",
        (
            ("jobs/webhook_policy.py", "    if attempt >= len(SCHEDULE_S):\n        return None\n", ""),
            ("jobs/webhook_policy.py", "SCHEDULE_S[attempt]", "SCHEDULE_S[min(attempt, 9)]"),
        ),
    ),
    Mutation(
        "a webhook that gives no answer is given up",
        (
            (
                "usecases/deliver.py",
                "next_attempt(attempt, now, answer.retry_after) if error.retryable else None",
                "next_attempt(attempt, now, answer.retry_after) if answer.status else None",
            ),
        ),
    ),
    Mutation(
        "Retry-After is not read",
        (("jobs/webhook_policy.py", "max(SCHEDULE_S[attempt], asked)", "SCHEDULE_S[attempt]"),),
    ),
    Mutation(
        "an attempt at a webhook is not counted",
        (("usecases/deliver.py", "attempt_of(before) + 1 if before else 1", "1"),),
    ),
)
