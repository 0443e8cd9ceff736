"""`clipstitch doctor --live`: settles the open questions of the wire on a real account, with tiny clips, and tidies up."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.text import Text

from clipstitch.clock import timestamp
from clipstitch.cloud import Cloud
from clipstitch.durations import FORMS, milliseconds
from clipstitch.errors import BadSettings, ClipstitchError
from clipstitch.settings import AccessKey, read_access_key
from clipstitch_cli.connection import complete_environment, connect
from clipstitch_cli.desk import Desk, visible
from clipstitch_cli.doctor import ACCOUNT, account_in, endpoint_of
from clipstitch_cli.doctor_bench import Bench, Definition, Place
from clipstitch_cli.doctor_experiments import EXPERIMENTS, Seen, Spending, spending
from clipstitch_cli.doctor_options import Live
from clipstitch_cli.doctor_questions import AS_ASSUMED, DIFFERENT, OPEN, QUESTIONS, Answer, Question, unsettled
from clipstitch_cli.doctor_report import Report, as_json, write
from clipstitch_cli.failures import Usage

STYLES = {AS_ASSUMED: "green", DIFFERENT: "bold red", OPEN: "yellow"}
CONSOLE_ONLY = Question(
    "14",
    "How long and how large may media be, and how many requests a second?",
    "no limit that we meet",
    lambda _: unsettled("only the console's quota page says so"),
)


def live(options: Live, desk: Desk, project: Path | None) -> int:
    """Say what it will spend, ask, find out, remove everything, and report."""
    wait = _patience(options.wait)
    cloud, env = connect(desk, project), complete_environment(desk.env, project)
    place = _place(cloud, options)
    _keep_apart(place, cloud)
    announced = spending(EXPERIMENTS, new_bucket=place.new)
    _agree(announced, place, options, desk)
    key = read_access_key(env)
    imm = _definition(endpoint_of("IMM", env, cloud.settings), cloud, key)
    account = env.get(ACCOUNT) or account_in(cloud.settings.mns_endpoint)
    bench = Bench(place, cloud, key, account, imm)
    seen: dict[str, Seen] = {}
    try:
        seen = bench.run(EXPERIMENTS, wait)
    finally:
        left = bench.remove()
        _tell_left(left, desk)
    answers = [
        *((question, _answer(question, seen)) for question in QUESTIONS),
        (CONSOLE_ONLY, CONSOLE_ONLY.judge(seen)),
    ]
    where = {"bucket": place.bucket, "region": cloud.settings.oss_region, "prefix": place.prefix}
    report = Report(timestamp(cloud.clock.now()), where, announced, bench.requests, answers, seen, left)
    write(report, options.report)
    _tell(report, options.report, desk)
    return report.code


def _patience(text: str) -> timedelta:
    """Read how long to wait."""
    length = milliseconds(int(text) if text.isdecimal() else text)
    if length is None:
        raise Usage(f"--wait {text!r} is not a length of time; {FORMS}")
    return timedelta(milliseconds=length)


def _place(cloud: Cloud, options: Live) -> Place:
    """Name the throw-away things by the time."""
    stamp = cloud.clock.now().strftime("%Y%m%dt%H%M%Sz")
    bucket = cloud.settings.bucket
    return Place(stamp, bucket, options.unbound or f"{bucket[:38]}-doctor-{stamp}", not options.unbound)


def _keep_apart(place: Place, cloud: Cloud) -> None:
    """Refuse to work where a prefix of ours would swallow the place."""
    settings = cloud.settings
    for prefix in (settings.manifest_prefix, settings.state_prefix, settings.result_prefix):
        if place.prefix.startswith(prefix):
            raise BadSettings(f"{place.prefix} lies in {prefix}, so that a trigger may fire for it")


def _agree(announced: Spending, place: Place, options: Live, desk: Desk) -> None:
    """Say what will be spent and where, and let somebody agree."""
    bucket = f"; a bucket {place.unbound}, which is removed" if place.new else ""
    say = desk.err.print if desk.json else desk.say
    say(f"This spends at most {announced}, in oss://{place.bucket}/{place.prefix}{bucket}.")
    say(f"A queue {place.queue} listens to topic completions meanwhile. All of it is removed at the end.")
    if options.yes:
        return
    if options.confirm is None:
        raise Usage("nobody can be asked here; say --yes to agree")
    if not options.confirm("Go on?"):
        raise Usage("nothing was done")


def _definition(endpoint: str, cloud: Cloud, key: AccessKey) -> Definition:
    """Return somebody who says what IMM understood; where nobody does, that is no trouble."""
    from clipstitch_cli.doctor_asking import task_definition  # noqa: PLC0415 - brings the SDKs

    settings = cloud.settings

    def ask(task: str) -> dict[str, Any]:
        """Ask for one task."""
        if not (endpoint and settings.imm_project):
            return {}
        try:
            return task_definition(endpoint, settings.imm_project, task, key, settings.oss_region)
        except ClipstitchError:
            return {}

    return ask


def _answer(question: Question, seen: Mapping[str, Seen]) -> Answer:
    """Answer a question; what the experiment could not show stays open."""
    try:
        return question.judge(seen)
    except LookupError as error:
        return unsettled(f"not tried: {error}")


def _tell_left(left: list[str], desk: Desk) -> None:
    """Say what could not be removed; even when everything else ends here."""
    for each in left:
        desk.err.print(Text.assemble(("left behind: ", "bold red"), visible(each)), soft_wrap=True)


def _tell(report: Report, file: Path, desk: Desk) -> None:
    """Show all answers beside what we assume."""
    if desk.json:
        desk.hand_over(as_json(report))
        return
    for question, answer in report.answers:
        desk.say(
            Text.assemble(
                (f"{question.number:>3}  ", "bold"), question.text, "  ", (answer.verdict, STYLES[answer.verdict])
            )
        )
        desk.say(Text.assemble(("     we assume  ", "dim"), question.assumed))
        desk.say(Text.assemble(("     found      ", "dim"), visible(answer.found)))
    desk.say(f"{report.counts}; the report is in {file}", style="bold")
