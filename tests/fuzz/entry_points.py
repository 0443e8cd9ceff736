"""The entry points: what each calls, which errors are expected, and its seed inputs, valid and invalid."""

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from clipstitch.common.errors import InvalidManifest, InvalidNotification, InvalidProcessString, InvalidTriggerEvent
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.serialization import to_json_value
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.inbound.oss_trigger import parse_oss_trigger
from clipstitch.manifest.model import Limits
from clipstitch.manifest.parse import parse
from clipstitch.planning.process_string import Process, Saveas, Segment, Transcode, format_process, parse_process
from localyun.imm.errors import ImmError
from localyun.imm.process_string import parse_process as localyun_parse_process
from tests.unit.manifest.bad_manifests import BAD_MANIFESTS, LIMITS

MAX_BYTES = 1024  # per input; tests/security tries large ones
_NO_LIMITS = Limits(sinks=("events",))
_JSON = (
    '{"version": 1, "output": {"key": "a.mp3", "bitrate": 128000, "bitrate_option": "adaptive"}, "clips": ["b"]}',
    """{"version": 1, "output": {"key": "a", "format": "flac", "bits_per_sample": 24, "start": "1s"}, "gap": "300ms",
    "clips": [{"glob": "*"}], "labels": {"a": "b"}, "notify": ["events"], "chapters": true, "wait_for_clips": "1h"}""",
    """{"version": 1, "output": {"key": "a.oga"}, "align": 1,
    "clips": [{"key": "b", "start": 1, "end": "2s", "title": "t"}, {"silence": 9}]}""",
)
_YAML = (
    "version: 1\noutput: {key: a.opus, sample_rate: 48000, channels: 2, quality: 50}\nclips:\n- b\n- {silence: 2s}",
    """version: 1\noutput:\n  key: 'a.amr'\n  overwrite: true\nclips: [{key: "b\\u00e9", end: 1h}]\nlabels: ~\n""",
)
_FFCONCAT = (
    """ffconcat version 1.0\n# clipstitch: {"gap": "1s"}\nfile 'a b.mp3'\ninpoint 1.5\noutpoint 00:01:02.5\n""",
    "ffconcat version 1.0\r\nfile ./a\\ b\r\nduration 1500ms\r\nfile file:../c\n",
)
_M3U = (
    """#EXTM3U\n#PLAYLIST:x\n#EXTINF:12,A title, with a comma\na.mp3\n../b.mp3\n# clipstitch: {"chapters": true}\n""",
    "\ufeffa.mp3\r\n\r\n#EXTINF:1\r\n./b c.mp3\r\n#EXTENC:UTF-8\r\n",
    "#EXTM3U\nhttps://example.com/a.mp3\n#EXT-X-ENDLIST\n",
)
_GOOD = {".json": _JSON, ".yaml": _YAML, ".ffconcat": _FFCONCAT, ".m3u": _M3U}


class EntryPoint(NamedTuple):
    """`call` takes any bytes and handles expected errors; every exception that it raises is a failure."""

    call: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]


class InvalidResult(Exception):
    """An entry point returned an impossible result."""


def _manifest(suffix: str) -> EntryPoint:
    """Return the manifest parser for a suffix; inputs of odd length are parsed without the operator's limits."""
    ref = ObjectRef("acme", f"manifests/m{suffix}")

    def call(data: bytes) -> None:
        try:
            manifest = parse(data, ref, _NO_LIMITS if len(data) % 2 else LIMITS)
        except InvalidManifest as error:
            if not error.issues:
                raise InvalidResult("an invalid manifest without an issue") from error
            json.dumps([issue.as_json() for issue in error.issues], ensure_ascii=False).encode()
            return
        json.dumps(to_json_value(manifest), ensure_ascii=False).encode()

    bad = [each.body for each in BAD_MANIFESTS if each.suffix == suffix and len(each.body) <= MAX_BYTES]
    return EntryPoint(call, lambda: [*(text.encode() for text in _GOOD[suffix]), *bad])


def _trigger(data: bytes) -> None:
    try:
        refs = parse_oss_trigger(data)
    except InvalidTriggerEvent as error:
        str(error).encode()
        return
    for ref in refs:
        if not (ref.bucket and ref.key):
            raise InvalidResult(f"an upload without a name: {ref}")


def _notification(data: bytes) -> None:
    try:
        found = parse_notification(data)
    except InvalidNotification as error:
        str(error).encode()
        return
    if found is not None:
        json.dumps(to_json_value(found), ensure_ascii=False).encode()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _process(data: bytes) -> None:
    try:
        found = parse_process(_text(data))
    except InvalidProcessString as error:
        str(error).encode()
        return
    if parse_process(format_process(found)) != found:
        raise InvalidResult(f"formatted and parsed again, {found} differs")


def _local_process(data: bytes) -> None:
    try:
        localyun_parse_process(_text(data))
    except ImmError as error:
        error.message.encode()


_PROCESSES = [
    format_process(process).encode()
    for process in (
        Process(
            Transcode("mp3", ar=44100, ac=2, ab=128000, abopt=1), saveas=Saveas("out/{autoext}", "acme"), topic="t"
        ),
        Process(
            Transcode("flac", align=1, adepth=24),
            (Segment("a b", 1, 2),),
            (Segment("c"),),
            Saveas.literal(ObjectRef("b", "{}")),
        ),
        Process(Transcode("aac", ss=1, t=2, aq=100), topic="é", action="audio/convert"),
    )
] + [b"audio/concat,f_mp3/pre,o_cHJlMS5tcDMK/sur,o_c3VyMQ==,ss_4000,t_10000|sys/saveas,o_YQ|sys/notify,topic_Yg"]


def _messages() -> list[bytes]:
    # Imported here, because it imports pytest, which the child process does not need.
    from tests.unit.inbound.test_completion_notification import BODIES

    return [*(body.encode() for body in BODIES.values()), b'{"TaskType":"FaceSearch"}', b"e30="]


def _events() -> list[bytes]:
    from tests.unit.inbound.test_oss_trigger import GOLDEN  # here for the same reason

    return [GOLDEN.encode(), b'{"events":[]}', b'{"events":[{"oss":7}]}', b"[]"]


ENTRY_POINTS: dict[str, EntryPoint] = {
    "manifest.json": _manifest(".json"),
    "manifest.yaml": _manifest(".yaml"),
    "manifest.ffconcat": _manifest(".ffconcat"),
    "manifest.m3u": _manifest(".m3u"),
    "trigger-event": EntryPoint(_trigger, _events),
    "completion-notification": EntryPoint(_notification, _messages),
    "process-string": EntryPoint(_process, lambda: _PROCESSES),
    "localyun-process-string": EntryPoint(_local_process, lambda: _PROCESSES),
}
