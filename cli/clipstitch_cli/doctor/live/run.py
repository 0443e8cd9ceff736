"""`clipstitch doctor --live`: settles open questions of the wire on a real account, with tiny clips, and tidies up."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rich.text import Text

from clipstitch.bootstrap import build_context
from clipstitch.common.clock import timestamp
from clipstitch.common.credentials import AccessKey, read_access_key
from clipstitch.common.errors import ClipstitchError, InvalidManifest
from clipstitch.usecases.context import Context
from clipstitch_cli.commands.doctor import ACCOUNT, account_in, wanted_of
from clipstitch_cli.connection import complete_environment, connect, endpoint_of
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.doctor.ask_cloud import CloudQuestions
from clipstitch_cli.doctor.ask_openapi import Service, task_definition
from clipstitch_cli.doctor.deployment_facts import Function, Wanted
from clipstitch_cli.doctor.findings import asked
from clipstitch_cli.doctor.live import deployed_functions, test_jobs
from clipstitch_cli.doctor.live.cleanup import Undo
from clipstitch_cli.doctor.live.experiment_runner import Bench, Definition, Place
from clipstitch_cli.doctor.live.experiments import EXPERIMENTS, Spending, spending
from clipstitch_cli.doctor.live.options import Live
from clipstitch_cli.doctor.live.questions import AS_ASSUMED, DIFFERENT, OPEN, QUESTIONS, Answer, Question, unsettled
from clipstitch_cli.doctor.live.report import Report, as_json, write
from clipstitch_cli.doctor.live.temporary_queue import Ear
from clipstitch_cli.doctor.live.test_jobs import Waits
from clipstitch_cli.errors import Usage
from clipstitch_cli.function_compute.dead_letters import SmqLetters
from clipstitch_cli.options import length_of

STYLES = {AS_ASSUMED: "green", DIFFERENT: "bold red", OPEN: "yellow"}
CONSOLE_ONLY = Question(
    "14",
    "How long and how large may media be, and how many requests a second?",
    "no limit that we meet",
    lambda _: unsettled("only the console's quota page says so"),
)


class Connected(NamedTuple):
    """A cloud that questions are asked of, and how things are meant to be in it."""

    cloud: Context
    key: AccessKey
    account: str
    imm: str
    ask: CloudQuestions
    wanted: Wanted


class InTheWay(ClipstitchError):
    """A trigger, or a prefix of ours, would take notice of what the doctor puts."""

    code = "DOCTOR_IN_THE_WAY"
    remedy = "`clipstitch doctor` says which trigger is too broad; narrow its prefix in s.yaml, then `s deploy`."


def live(options: Live, command: CommandContext, project: Path | None) -> int:
    """Say what it will spend, ask, find out, remove everything, and report."""
    waits = _waits(options)
    here = _connected(command, project)
    place = _place(here.cloud, options)
    _keep_apart(place, here)
    announced = _spending(place, here.cloud, options, waits)
    _agree(announced, place, options, command)
    report = _find_out(place, here, waits, command, functions=options.functions)._replace(announced=announced)
    _tell(report, options.report, command)
    write(report, options.report)
    return report.code


def _waits(options: Live) -> Waits:
    """Read how long to wait, and see whether the report will have a place, before anything is spent."""
    if not options.report.resolve().parent.is_dir():
        raise Usage(f"--report {options.report}: there is no such folder")
    return Waits(_length("--wait", options.wait), _length("--letter-wait", options.letter_wait))


def _find_out(place: Place, here: Connected, waits: Waits, command: CommandContext, *, functions: bool) -> Report:
    """Ask all questions, and remove everything, whatever happens meanwhile."""
    command.err.print(Text("asking, until every task has said its end ...", "dim"), soft_wrap=True)
    undo = Undo()
    bench = Bench(place, here.cloud, here.key, undo)
    try:
        seen = bench.run(EXPERIMENTS, _ear(place, here), _definition(here), waits.answers)
        answers = [(question, question.judge(seen)) for question in QUESTIONS]
        answers += _of_functions(place, here, undo, waits if functions else None)
    finally:
        left = undo.all()
        _tell_left(left, command)
    where = {"bucket": place.bucket, "region": here.cloud.settings.oss_region, "prefix": place.prefix}
    return Report(timestamp(here.cloud.clock.now()), where, Spending(), bench.requests, answers, seen, left)


def _connected(command: CommandContext, project: Path | None) -> Connected:
    """Connect; and if the cloud can be asked for the IMM project, with that."""
    cloud, env = connect(command, project), complete_environment(command.env, project)
    key, settings = read_access_key(env), cloud.settings
    fc, imm = (endpoint_of(service, env, settings) for service in ("FC", "IMM"))
    ask = CloudQuestions(cloud, key, fc, imm)
    name = settings.imm_project or (asked(lambda: ask.project_of(settings.bucket)) if imm else None)
    if isinstance(name, str):
        cloud = build_context({**env, "IMM_ENDPOINT": imm, "CLIPSTITCH_IMM_PROJECT": name}, clock=command.clock)
    account = env.get(ACCOUNT) or account_in(settings.mns_endpoint)
    return Connected(cloud, key, account, imm, ask, wanted_of(command, project, settings, key.id))


def _spending(place: Place, cloud: Context, options: Live, waits: Waits) -> Spending:
    """Add up what everything that was asked for costs."""
    announced = spending(EXPERIMENTS, new_bucket=place.new)
    if not options.functions:
        return announced
    try:
        return announced + test_jobs.spending(place, cloud, waits)
    except InvalidManifest:
        return announced  # the operator's limits forbid such jobs, and the answers will say so


def _ear(place: Place, here: Connected) -> Ear:
    return Ear(place.queue, here.account, here.cloud.settings, here.key)


def _of_functions(place: Place, here: Connected, undo: Undo, waits: Waits | None) -> Iterator[tuple[Question, Answer]]:
    """Answer what only the deployed functions can, and what nobody can."""
    if waits:
        letters = SmqLetters(here.cloud.settings.mns_endpoint, here.key, here.wanted.dead_letters)
        known = letters if here.wanted.dead_letters else None
        yield from deployed_functions.Deployed(place, here.cloud, undo, known, waits).answers()
    else:
        yield from (
            (question, question.judge({})) for question in (deployed_functions.KEYS, deployed_functions.RETRIES)
        )
    yield CONSOLE_ONLY, CONSOLE_ONLY.judge({})


def _length(option: str, text: str) -> timedelta:
    """Read a length of time."""
    return timedelta(milliseconds=length_of(option, text))


def _place(cloud: Context, options: Live) -> Place:
    """Name the throw-away things by the time."""
    stamp = cloud.clock.now().strftime("%Y%m%dt%H%M%Sz")
    bucket = cloud.settings.bucket
    return Place(stamp, bucket, options.unbound or f"{bucket[:38]}-doctor-{stamp}", not options.unbound)


def _keep_apart(place: Place, here: Connected) -> None:
    """Refuse to work where a prefix of ours, or a trigger that is really deployed, would take notice."""
    settings = here.cloud.settings
    found = [asked(partial(here.ask.function, one.name)) for one in here.wanted.functions]
    triggers = [trigger for one in found if isinstance(one, Function) for trigger in one.triggers]
    watched = [trigger.prefix for trigger in triggers if trigger.bucket == place.bucket]
    for prefix in (settings.manifest_prefix, settings.state_prefix, settings.result_prefix, *watched):
        if place.prefix.startswith(prefix):
            raise InTheWay(f"{place.prefix} lies in {prefix or 'the whole bucket, which a trigger watches'}")


def _agree(announced: Spending, place: Place, options: Live, command: CommandContext) -> None:
    """Say what will be spent and where, and let somebody agree."""
    bucket = f"; a bucket {place.unbound}, which is removed" if place.new else ""
    say = partial(command.err.print, soft_wrap=True) if command.json else command.say
    say(f"This spends at most {announced}, in oss://{place.bucket}/{place.prefix}{bucket}.")
    say(f"A queue {place.queue} listens to the completion topic meanwhile. All of it is removed at the end.")
    if options.yes:
        return
    if options.confirm is None:
        raise Usage("nobody can be asked here; say --yes to agree")
    if not options.confirm("Go on?"):
        raise Usage("nothing was done")


def _definition(here: Connected) -> Definition:
    """Return somebody who says what IMM understood; where nobody does, that is no trouble."""
    settings = here.cloud.settings
    service = Service(here.imm, settings.oss_region, here.key)

    def ask(task: str) -> dict[str, Any]:
        """Ask for one task."""
        if not (here.imm and settings.imm_project):
            return {}
        try:
            return task_definition(task, settings.imm_project, service)
        except ClipstitchError:
            return {}

    return ask


def _tell_left(left: list[str], command: CommandContext) -> None:
    """Say what could not be removed; even when everything else ends here."""
    for each in left:
        command.err.print(Text.assemble(("left behind: ", "bold red"), visible(each)), soft_wrap=True)


def _tell(report: Report, file: Path, command: CommandContext) -> None:
    """Show all answers beside what we assume."""
    if command.json:
        command.hand_over(as_json(report))
        return
    for question, answer in report.answers:
        command.say(
            Text.assemble(
                (f"{question.number:>3}  ", "bold"), question.text, "  ", (answer.decision, STYLES[answer.decision])
            )
        )
        command.say(Text.assemble(("     we assume  ", "dim"), question.assumed))
        command.say(Text.assemble(("     found      ", "dim"), visible(answer.found)))
    command.say(f"{report.counts}; the report is in {file}", style="bold")
