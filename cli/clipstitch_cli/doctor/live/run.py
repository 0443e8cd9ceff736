"""`clipstitch doctor --live`: verifies undocumented cloud behaviour on an account, with tiny clips, and cleans up."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from clipstitch.bootstrap import build_context
from clipstitch.common.clock import timestamp
from clipstitch.common.credentials import AccessKey, read_access_key
from clipstitch.common.errors import ClipstitchError, InvalidManifest, PublicEndpointForbidden
from clipstitch.planning.plan import WORK
from clipstitch.usecases.context import Context
from clipstitch_cli.connection import complete_environment, connect, endpoint_of
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.doctor.deployment_facts import ExpectedDeployment, FunctionFacts
from clipstitch_cli.doctor.expected import ACCOUNT, account_of, expected_deployment
from clipstitch_cli.doctor.findings import result_of
from clipstitch_cli.doctor.inspect_cloud import CloudInspector
from clipstitch_cli.doctor.inspect_openapi import task_definition
from clipstitch_cli.doctor.live import questions, trial_jobs
from clipstitch_cli.doctor.live.cleanup import CleanupStack
from clipstitch_cli.doctor.live.completion_listener import CompletionListener
from clipstitch_cli.doctor.live.experiment_runner import ExperimentRunner, TemporaryNames
from clipstitch_cli.doctor.live.experiments import EXPERIMENTS, Spending, spending
from clipstitch_cli.doctor.live.function_experiments import FUNCTION_QUESTIONS, FunctionExperiments
from clipstitch_cli.doctor.live.options import LiveOptions
from clipstitch_cli.doctor.live.report import LiveReport, as_json, change_of, write
from clipstitch_cli.errors import UsageError
from clipstitch_cli.openapi import client_config
from clipstitch_cli.smq_queue import SmqQueue, smq_account

STYLES = {questions.AS_ASSUMED: "green", questions.DIFFERENT: "bold red", questions.OPEN: "yellow"}
QUOTAS = questions.OpenQuestion(
    "14",
    "How long and how large may media be, and how many requests per second?",
    "no limit that clipstitch reaches",
    lambda _: questions.not_answered("only the console's quota page says so"),
    "ask for higher limits there",
)


class LiveTarget(NamedTuple):
    """The cloud that is tested, and what should be deployed there."""

    context: Context
    key: AccessKey
    account: str
    imm_endpoint: str
    inspector: CloudInspector
    expected: ExpectedDeployment


class PrefixNotAvailable(ClipstitchError):
    """The temporary prefix is under a reserved one, or a deployed trigger watches it."""

    code = "DOCTOR_IN_THE_WAY"
    remedy = "`clipstitch doctor` says which trigger is too broad; narrow its prefix in s.yaml, then `s deploy`."


def run_live(options: LiveOptions, command: CommandContext, project: Path | None) -> int:
    """Announce the cost, run all experiments, remove everything, and write the report; return its exit code."""
    if not options.report.resolve().parent.is_dir():
        raise UsageError(f"--report {options.report}: there is no such folder")
    target = _connect(command, project)
    _check_endpoint(target)
    names = _temporary_names(target.context, options)
    _check_prefix(names, target)
    announced = _spending(names, target.context, options)
    _confirm(announced, names, options, command)
    report = _run(names, target, options, command)._replace(announced=announced)
    command.write(lambda: as_json(report), lambda: _write_answers(report, options.report, command))
    write(report, options.report)
    return report.code


def _connect(command: CommandContext, project: Path | None) -> LiveTarget:
    """Connect; use the IMM project that the bucket is bound to if the settings name none."""
    context, env = connect(command, project), complete_environment(command.env, project)
    key, settings = read_access_key(env), context.settings
    fc, imm = (endpoint_of(service, env, settings) for service in ("FC", "IMM"))
    inspector = CloudInspector(context, key, fc, imm)
    name = settings.imm_project or (result_of(lambda: inspector.imm_project(settings.bucket)) if imm else None)
    if isinstance(name, str):
        context = build_context({**env, "IMM_ENDPOINT": imm, "CLIPSTITCH_IMM_PROJECT": name}, clock=command.clock)
    account = env.get(ACCOUNT) or account_of(settings.mns_endpoint)
    expected = expected_deployment(command, project, settings, key.id)
    return LiveTarget(context, key, account, imm, inspector, expected)


def _temporary_names(context: Context, options: LiveOptions) -> TemporaryNames:
    stamp, bucket = context.clock.now().strftime("%Y%m%dt%H%M%Sz"), context.settings.bucket
    unbound = options.unbound_bucket or f"{bucket[:38]}-doctor-{stamp}"
    work, output = context.settings.state_prefix + WORK, context.settings.output_prefixes[0]
    return TemporaryNames(stamp, bucket, unbound, not options.unbound_bucket, work, output)


def _check_endpoint(target: LiveTarget) -> None:
    """Raise PublicEndpointForbidden if no data call can succeed, so that no experiment would say anything."""
    refused = result_of(partial(target.inspector.list_one, target.context.settings.bucket))
    if isinstance(refused, PublicEndpointForbidden):
        raise refused


def _check_prefix(names: TemporaryNames, target: LiveTarget) -> None:
    """Raise PrefixNotAvailable if the temporary prefix is reserved or watched."""
    settings = target.context.settings
    found = [result_of(partial(target.inspector.function, one.name)) for one in target.expected.functions]
    triggers = [trigger for one in found if isinstance(one, FunctionFacts) for trigger in one.triggers]
    watched = [trigger.prefix for trigger in triggers if trigger.bucket == names.bucket]
    reserved = (settings.manifest_prefix, settings.state_prefix, settings.result_prefix, *watched)
    for name, prefix in (
        *((one, prefix) for one in (names.prefix, names.outputs) for prefix in reserved),
        *((names.targets, prefix) for prefix in watched),
    ):
        if name.startswith(prefix):
            place = prefix or "the whole bucket, which a trigger watches"
            raise PrefixNotAvailable(f"{name} is under {place}")


def _spending(names: TemporaryNames, context: Context, options: LiveOptions) -> Spending:
    announced = spending(EXPERIMENTS, new_bucket=names.new)
    if not options.functions:
        return announced
    try:
        return announced.plus(trial_jobs.spending(names, context, (options.wait, options.dead_letter_wait)))
    except InvalidManifest:
        return announced  # the operator's limits forbid such jobs, as the answers will say


def _confirm(announced: Spending, names: TemporaryNames, options: LiveOptions, command: CommandContext) -> None:
    """Announce the cost and ask the user. Raises UsageError if the user does not agree."""
    bucket = f"; a bucket {names.unbound}, which is removed" if names.new else ""
    write_line = partial(command.write_note, style="") if command.json else command.write_line
    write_line(f"This spends at most {announced}, in oss://{names.bucket}/{names.prefix}{bucket}.")
    write_line(f"A queue {names.queue} subscribes to the completion topic meanwhile. Everything is removed at the end.")
    if options.yes:
        return
    if options.confirm is None:
        raise UsageError("there is no terminal to ask; use --yes to agree")
    if not options.confirm("Go on?"):
        raise UsageError("nothing was done")


def _run(names: TemporaryNames, target: LiveTarget, options: LiveOptions, command: CommandContext) -> LiveReport:
    """Run all experiments, and remove everything, also after errors."""
    command.write_note("running the experiments, until every task has ended ...")
    context, cleanup = target.context, CleanupStack()
    runner = ExperimentRunner(names, context, target.key, cleanup)
    listener = CompletionListener(names.queue, target.account, context.settings, target.key)
    try:
        seen = runner.run(listener, partial(_task_definition, target), options.wait)
        answers = [(question, question.evaluate(seen)) for question in questions.QUESTIONS]
        answers += _function_answers(names, target, cleanup, options)
    finally:
        not_removed = cleanup.run()
        for each in not_removed:
            command.write_note(("not removed: ", "bold red"), visible(each), style="")
    where = {"bucket": names.bucket, "region": context.settings.oss_region, "prefix": names.prefix}
    return LiveReport(timestamp(context.clock.now()), where, Spending(), runner.requests, answers, seen, not_removed)


def _task_definition(target: LiveTarget, task: str) -> dict[str, Any]:
    """Return the definition of a task; {} if IMM does not answer."""
    settings = target.context.settings
    if not (target.imm_endpoint and settings.imm_project):
        return {}
    config = client_config(target.imm_endpoint, target.key, settings.oss_region)
    found = result_of(partial(task_definition, task, settings.imm_project, config))
    return {} if isinstance(found, ClipstitchError) else found


def _function_answers(
    names: TemporaryNames, target: LiveTarget, cleanup: CleanupStack, options: LiveOptions
) -> Iterator[tuple[questions.OpenQuestion, questions.Answer]]:
    if options.functions:
        name, endpoint = target.expected.dead_letter_queue, target.context.settings.mns_endpoint
        queue = SmqQueue(smq_account(endpoint, target.key), name) if name else None
        answers = list(FunctionExperiments(names, target.context, cleanup, queue, options).answers())
    else:
        answers = [(question, question.evaluate({})) for question in FUNCTION_QUESTIONS]
    yield from sorted([*answers, (QUOTAS, QUOTAS.evaluate({}))], key=lambda pair: int(pair[0].number))


def _write_answers(report: LiveReport, file: Path, command: CommandContext) -> None:
    for question, answer in report.answers:
        number, outcome = (f"{question.number:>3}  ", "bold"), (answer.outcome, STYLES[answer.outcome])
        command.write_line(number, question.text, "  ", outcome)
        command.write_line(("     assumed    ", "dim"), question.assumed)
        command.write_line(("     found      ", "dim"), visible(answer.found))
        if change := change_of(question, answer):
            command.write_line(("     to change  ", "dim"), (change, "bold"))
    command.write_line((f"{report.counts}; the report is in {file}", "bold"))
