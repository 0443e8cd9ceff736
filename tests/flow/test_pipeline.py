"""The main use case: clips and a manifest in, merged audio and an event out. Pitches show the order of the clips."""

import json
import time

import pytest

from clipstitch.common.errors import ObjectNotFound
from tests.flow.conftest import System
from tests.sounds import duration_s, encoded, pitch_at, tone

FIVE = {"pre1.mp3": 400, "pre2.wav": 600, "example.oga": 900, "sur1.aac": 1300, "sur2.wma": 1900}
LENGTHS = {"pre1.mp3": 1000, "pre2.wav": 3000, "example.oga": 1000, "sur1.aac": 15000, "sur2.wma": 12000}
FORMATS = {
    "mp3": (44100, 2), "aac": (96000, 2), "flac": (88200, 2), "oga": (22050, 1), "ac3": (32000, 2),
    "opus": (16000, 1), "amr": (16000, 1),
}  # fmt: skip


def five_clips() -> dict[str, bytes]:
    """Return the five clips of the vendor's example, each with its own pitch."""
    return {
        name: tone(hertz, LENGTHS[name], 16000)
        if name.endswith("wav")
        else encoded(hertz, LENGTHS[name], name.rpartition(".")[2], 22050)
        for name, hertz in FIVE.items()
    }


def test_the_five_clips_of_the_vendors_example_are_merged_in_order(system: System) -> None:
    """Five formats with three trims become one AAC file; every clip is at the position in the vendor's table."""
    pre1, pre2, example, sur1, sur2 = system.upload(five_clips())
    document = system.manifest(
        "outobj.aac",
        [pre1, {"key": pre2, "duration": "2s"}, example, {"key": sur1, "start": "4s", "duration": "10s"},
         {"key": sur2, "start": "10s"}],
        align=2,
        output={"sample_rate": 44100, "channels": 1, "bitrate": 96000},
    )  # fmt: skip

    event = system.result(system.drop(document))

    assert "clipstitch.job.succeeded" == event["type"]
    body = system.body("outobj.aac")
    assert duration_s(body) == pytest.approx(1 + 2 + 1 + 10 + 2, abs=0.3)
    for moment, hertz in ((0.5, 400), (2, 600), (3.5, 900), (9, 1300), (15, 1900)):
        assert pitch_at(body, moment) == pytest.approx(hertz, abs=8)
    assert [0, 1000, 3000, 4000, 14000] == pytest.approx(
        [clip["starts_at_ms"] for clip in event["data"]["clips"]], abs=90
    )


def test_all_sinks_receive_the_same_event_and_temporary_objects_are_deleted(system: System) -> None:
    """The queue message equals the result object; the work objects and the open marker are removed."""
    keys = system.upload({"a.wav": tone(400, 300), "b.wav": tone(800, 300)})

    event = system.result(system.drop(system.manifest("out.mp3", keys, labels={"show": "night-train"})))
    received = system.events(event["data"]["job"])
    system.wait_until_closed(event["data"]["job"])

    assert [event] == received
    assert {"show": "night-train"} == event["data"]["labels"]


@pytest.mark.parametrize("form", FORMATS)
def test_every_output_format_has_the_requested_properties(system: System, form: str) -> None:
    """Sample rate and channels follow the manifest, the duration is right to a few frames, and the order is kept."""
    rate, channels = FORMATS[form]
    keys = system.upload({"a.wav": tone(500, 600, 48000, 2), "b.mp3": encoded(1000, 600, "mp3")})
    output = {"sample_rate": rate, "channels": channels, "format": form}

    event = system.result(system.drop(system.manifest("out.bin", keys, output=output)))

    assert (rate, channels, form) == tuple(
        event["data"]["output"][name] for name in ("sample_rate", "channels", "format")
    )
    body = system.body("out.bin")
    assert duration_s(body) == pytest.approx(1.2, abs=0.1)
    assert [pitch_at(body, 0.3), pitch_at(body, 0.9)] == pytest.approx([500, 1000], abs=10)


def test_a_yaml_manifest_with_special_characters_in_keys_succeeds(system: System) -> None:
    """Spaces, quotes, plus, percent, braces, CJK and emoji may be in the keys of clips, manifest and output."""
    odd = "a b+c%20 '\"{x}}{{ 中 🎧"
    keys = system.upload({f"{odd} 1.wav": tone(500, 300), f"{odd} 2.wav": tone(900, 300)})
    lines = [
        "version: 1",
        f"output: {{key: {json.dumps(system.ref(odd + '.flac').key, ensure_ascii=False)}}}",
        "clips:",
    ]
    text = "\n".join([*lines, *(f"- {json.dumps(key, ensure_ascii=False)}" for key in keys)])

    event = system.result(system.drop(text, f"{odd}.yaml"))

    assert "succeeded" == event["data"]["state"]
    assert pitch_at(system.body(odd + ".flac"), 0.45) == pytest.approx(900, abs=8)


def test_keys_that_xml_cannot_carry_or_that_are_very_long_reach_every_sink(system: System) -> None:
    """Messages of SMQ are XML; the result object of a manifest whose key has 1,023 bytes has a shorter name."""
    odd = "a\x01b\x7f\x85\ufffe\uffff"
    [clip] = system.upload({"a\x01\x7f\x85.wav": tone(500, 300)})
    name = (
        f"{odd}{'x' * 1023}"[: 1023 - len(f"manifests/{system.folder}/.json") - len(odd.encode()) + len(odd)] + ".json"
    )

    manifest = system.drop(system.manifest(f"{odd}.flac", [clip]), name)
    event = system.result(manifest)
    job = event["data"]["job"]
    system.wait_until_closed(job)

    assert 1023 == len(manifest.key.encode())
    assert ("succeeded", system.ref(f"{odd}.flac").uri) == (event["data"]["state"], event["data"]["output"]["uri"])
    assert [event] == system.events(job)
    facts = system.cloud.store.load(job).facts
    assert not {"events", "queue", "result"}.intersection(fact.detail for fact in facts), "a delivery failed"


def test_a_manifest_that_is_created_empty_is_not_rejected(system: System) -> None:
    """File systems on top of OSS create an empty object first; both uploads have an event."""
    keys = system.upload({"a.wav": tone(500, 300)})
    manifest = system.drop("", "mounted.json")
    time.sleep(0.5)  # until the event of the empty object is processed
    assert manifest == system.drop(system.manifest("out.flac", keys), "mounted.json")

    event = system.result(manifest)

    assert "succeeded" == event["data"]["state"]
    assert [event] == system.events(event["data"]["job"])
    jobs = [json.loads(system.cloud.objects.read(found).body) for found in system.decisions()]
    assert 1 == sum(job["manifest"]["ref"]["key"] == manifest.key for job in jobs)


def test_an_invalid_manifest_is_rejected_with_all_issues_and_no_output(system: System) -> None:
    """A text file as clip, a missing clip and an unsupported sample rate are reported together."""
    keys = system.upload({"text.wav": b"no audio at all"})
    invalid = system.manifest("out.opus", [*keys, "missing.mp3"], output={"sample_rate": 44100})

    issues = system.result(system.drop(invalid))["data"]["issues"]

    expected = [
        ("CLIP_NOT_AUDIO", "/clips/0"),
        ("CLIP_NOT_FOUND", "/clips/1"),
        ("SAMPLE_RATE_NOT_ALLOWED", "/output/sample_rate"),
    ]
    assert expected == [(issue["code"], issue["path"]) for issue in issues]
    assert "nearest is 48000" in issues[2]["remedy"]
    with pytest.raises(ObjectNotFound):
        system.body("out.opus")


def test_the_output_of_another_manifest_is_replaced_only_with_overwrite(system: System) -> None:
    """Without `overwrite` the second manifest is rejected with OUTPUT_EXISTS, and the output stays."""
    first, second = system.upload({"a.wav": tone(500, 300), "b.wav": tone(900, 300)})
    system.result(system.drop(system.manifest("out.flac", [first]), "one.json"))

    refused = system.result(system.drop(system.manifest("out.flac", [second]), "two.json"))
    kept = pitch_at(system.body("out.flac"), 0.15)
    allowed = system.manifest("out.flac", [second], output={"overwrite": True})
    replaced = system.result(system.drop(allowed, "three.json"))

    assert ("rejected", "OUTPUT_EXISTS") == (refused["data"]["state"], refused["data"]["issues"][0]["code"])
    assert kept == pytest.approx(500, abs=8)
    assert "succeeded" == replaced["data"]["state"]
    assert pitch_at(system.body("out.flac"), 0.15) == pytest.approx(900, abs=8)
