"""The IMM endpoint, called by the vendor's clients over HTTP: the 2020-09-30 client and the older core client."""

import json
import urllib.error
import urllib.request  # noqa: TID251 - a request that no SDK would send
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_imm20200930 import models
from alibabacloud_imm20200930.client import Client
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from alibabacloud_tea_util.models import RuntimeOptions
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

from localyun.clock import HostClock
from localyun.imm.http.routes import ImmEndpoint
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.http.signatures import acs3_signature, rpc_signature, rpc_text
from tests.localyun.audio_world import ACCOUNT, REGION, AudioWorld, pcm, served, tone

KEY = Credential("LTAI-test", "secret-test")
ROLE = Credential("STS.role", "secret-role", "token of/the+role", "role/worker")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AudioWorld]:
    """Run a task service with two tones."""
    new = AudioWorld(tmp_path)
    new.upload(*(tone(tmp_path / f"{name}.wav", 440, 0.5, 8000) for name in "ab"))
    new.tasks.start()
    yield new
    new.close()


@pytest.fixture
def host(world: AudioWorld) -> Iterator[str]:
    """Run the HTTP endpoint and return its address."""
    with served(ImmEndpoint(Keyring(KEY, ROLE), HostClock(), world.tasks).answer) as address:
        yield address


def client(host: str, key: Credential = KEY, secret: str = "") -> Client:
    """Return the vendor's client, optionally with another secret."""
    config = Config(
        access_key_id=key.access_key_id,
        access_key_secret=secret or key.access_key_secret,
        security_token=key.security_token or None,
        endpoint=host,
        protocol="http",
        region_id=REGION,
    )
    return Client(config)


def convert(**more: Any) -> models.CreateMediaConvertTaskRequest:
    """Return a request to join two clips as FLAC, the first from 0.1 s for 0.3 s."""
    transcode = models.TargetAudioTranscodeAudio(codec="flac", sample_rate=8000, channel=1, bits_per_sample=16)
    target = models.CreateMediaConvertTaskRequestTargets(
        uri=more.pop("uri", "oss://out/{dirname}/{tags.show}/{barename}.{autoext}"),
        container=more.pop("container", "flac"),
        audio=models.TargetAudio(transcode_audio=transcode),
    )
    source = models.CreateMediaConvertTaskRequestSources
    words = {
        "project_name": "proj",
        "sources": [
            source(uri="oss://media/a.wav", start_time=0.1, duration=0.3),
            source(uri="oss://media/b.wav"),
        ],
        "targets": [target],
        "notification": models.Notification(mns=models.MNS(topic_name="done")),
        "user_data": '{"job": "é 1"}',
        "tags": {"show": "night"},
    }
    return models.CreateMediaConvertTaskRequest(**{**words, **more})


def rejection(call: Callable[[], object]) -> ClientException:
    """Return the error of a rejected call."""
    with pytest.raises(ClientException) as caught:
        call()
    return caught.value


def test_a_task_of_the_sdk_runs_and_can_be_queried(world: AudioWorld, host: str) -> None:
    """GetTask returns ids, user data, tags, times, and the definition of the request."""
    imm = client(host)
    created = imm.create_media_convert_task(convert()).body
    world.finished(created.task_id)
    request = models.GetTaskRequest("proj", True, created.task_id, "MediaConvert")
    task = imm.get_task(request).body

    assert ("Succeeded", "", "", created.event_id) == (task.status, task.code, task.message, task.event_id)
    assert ('{"job": "é 1"}', {"show": "night"}) == (task.user_data, task.tags)
    assert task.start_time.endswith("Z")
    assert task.end_time >= task.start_time[:19]
    definition = json.loads(task.task_request_definition)
    assert ["oss://media/a.wav", "oss://media/b.wav"] == [source["URI"] for source in definition["Sources"]]
    assert (0.1, 0.3) == (definition["Sources"][0]["StartTime"], definition["Sources"][0]["Duration"])
    assert "oss://out/night/a.flac" == definition["Targets"][0]["URI"]
    assert '{"job": "é 1"}' == json.loads(json.loads(world.notifications[0][1])["content"])["UserData"]


def test_a_task_of_the_sdk_has_the_requested_length(world: AudioWorld, host: str) -> None:
    """Seconds with decimals become an exact number of samples."""
    created = client(host).create_media_convert_task(convert(uri="oss://out/x.flac")).body
    world.finished(created.task_id)

    assert 2400 + 4000 == len(pcm(world.objects.head("out", "x.flac").file))


def test_the_definition_of_a_process_string_can_be_queried(world: AudioWorld, host: str) -> None:
    """A task submitted through OSS has the equivalent API request."""
    process = "audio/concat,f_mp3,ab_64000,abopt_1/pre,o_Yi53YXY,ss_100|sys/saveas,o_eC5tcDM/notify,topic_dA"
    accepted = world.tasks.submit_process("media", "a.wav", process)
    world.finished(accepted.task_id)
    task = client(host).get_task(models.GetTaskRequest("proj", True, accepted.task_id, "MediaConvert")).body

    definition = json.loads(task.task_request_definition)
    assert "Succeeded" == task.status
    assert [("oss://media/b.wav", 0.1), ("oss://media/a.wav", 0)] == [
        (source["URI"], source["StartTime"]) for source in definition["Sources"]
    ]
    assert {"Codec": "mp3", "Bitrate": 64000, "BitrateOption": "adaptive"} == definition["Targets"][0]["Audio"][
        "TranscodeAudio"
    ]
    assert {"MNS": {"TopicName": "t"}} == definition["Notification"]


def test_projects_and_attachments_through_the_sdk(world: AudioWorld, host: str) -> None:
    """Projects can be created, returned and listed; buckets can be attached, queried and detached."""
    imm = client(host)
    created = imm.create_project(models.CreateProjectRequest(project_name="second", description="two")).body.project
    listed = imm.list_projects(models.ListProjectsRequest(max_results=1)).body
    rest = imm.list_projects(models.ListProjectsRequest(next_token=listed.next_token)).body
    imm.attach_ossbucket(models.AttachOSSBucketRequest(ossbucket="out", project_name="second"))
    found = imm.get_ossbucket_attachment(models.GetOSSBucketAttachmentRequest(ossbucket="out")).body

    assert ("second", "two", "AliyunIMMDefaultRole") == (
        created.project_name,
        created.description,
        created.service_role,
    )
    assert ["proj", "second"] == [one.project_name for page in (listed, rest) for one in page.projects]
    assert "second" == imm.get_project(models.GetProjectRequest(project_name="second")).body.project.project_name
    assert ("second", "second") == (found.project_name, world.tasks.attachment("out"))
    imm.detach_ossbucket(models.DetachOSSBucketRequest(ossbucket="out"))
    assert "ResourceNotFound" == rejection(lambda: imm.detach_ossbucket(models.DetachOSSBucketRequest("out"))).code
    again = rejection(lambda: imm.create_project(models.CreateProjectRequest(project_name="second")))
    assert (409, "ResourceAlreadyExists") == (again.status_code, again.code)


def test_tasks_are_listed_by_status_time_and_page(world: AudioWorld, host: str) -> None:
    """ListTasks filters, sorts and returns pages."""
    imm = client(host)
    ids = [imm.create_media_convert_task(convert(uri=f"oss://out/{n}.flac")).body.task_id for n in range(3)]
    failed = imm.create_media_convert_task(convert(uri="oss://out/f.flac", sources=[
        models.CreateMediaConvertTaskRequestSources(uri="oss://media/missing.wav")])).body.task_id  # fmt: skip
    times = [world.finished(one).started for one in (*ids, failed)]

    def listed(**words: Any) -> list[str]:
        body = imm.list_tasks(models.ListTasksRequest(project_name="proj", **words)).body
        return [task.task_id for task in body.tasks]

    first = imm.list_tasks(models.ListTasksRequest(project_name="proj", sort="StartTime", max_results=2)).body
    assert [*ids, failed] == listed(sort="StartTime")
    assert [failed, *reversed(ids)] == listed(sort="StartTime", order="desc")
    assert sorted([*ids, failed]) == listed()
    assert [failed] == listed(status="Failed")
    assert [] == listed(task_types=["VideoModeration"])
    assert 4 == len(listed(task_types=["MediaConvert"]))
    assert [*ids[2:], failed] == listed(sort="StartTime", next_token=first.next_token)
    later = models.TimeRange(start=f"{times[0] + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}")
    assert [] == listed(start_time_range=later)
    assert 4 == len(listed(end_time_range=models.TimeRange(end=later.start)))
    assert "InvalidArgument" == rejection(lambda: listed(next_token="unknown")).code
    assert "InvalidArgument" == rejection(lambda: listed(start_time_range=models.TimeRange(start="soon"))).code


@pytest.mark.parametrize(
    ("change", "code", "part"),
    [
        ({"project_name": "nope"}, "ResourceNotFound", "Project nope"),
        ({"project_name": None}, "MissingParameter", "ProjectName is mandatory"),
        ({"targets": None}, "MissingParameter", "Targets is mandatory"),
        ({"container": "mp4"}, "InvalidArgument", "this cloud makes audio only"),
        ({"container": "mp3"}, "InvalidArgument", "'flac' does not go into mp3"),
        ({"uri": "s3://x/y"}, "InvalidArgument", "write oss://bucket/key"),
        ({"uri": "oss://nowhere/x"}, "InvalidArgument", "nowhere does not exist"),
        ({"uri": "oss://out/{what}"}, "InvalidArgument", "is not a variable"),
        ({"alignment_index": 2}, "InvalidArgument", "from 0 to 1"),
        ({"sources": []}, "InvalidArgument", "0 sources"),
        ({"user_data": "x" * 2049}, "InvalidArgument", "2048 bytes"),
    ],
)
def test_an_invalid_task_is_rejected_with_place_and_remedy(
    host: str, change: dict[str, Any], code: str, part: str
) -> None:
    """The code is IMM's, in OpenAPI's error document."""
    error = rejection(lambda: client(host).create_media_convert_task(convert(**change)))

    assert (code, True) == (error.code, part in error.message)
    assert error.request_id in error.message


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("CredentialConfig", {"ServiceRole": "r"}),
        ("TargetGroups", [{"URI": "oss://out/g"}]),
        ("Unknown", "x"),
        ("Notification.RocketMQ", {"TopicName": "t"}),
        ("Notification.ExtendedMessageURI", "oss://out/m.json"),
        ("Notification.MNS.QueueName", "q"),
        ("Sources.Subtitles", [{"URI": "oss://media/a.srt"}]),
        ("Sources.Attached", True),
        ("Sources.AlignMode", "loop"),
        ("Sources.DisableAudio", True),
        ("Sources.Volume", 2),
        ("Targets.Segment", {"Format": "hls", "Duration": 10}),
        ("Targets.Speed", 0.5),
        ("Targets.StripMetadata", True),
        ("Targets.Video", {"TranscodeVideo": {"Codec": "h264"}}),
        ("Targets.Subtitle", {"ExtractSubtitle": {"URI": "oss://out/s"}}),
        ("Targets.Image", {"Snapshots": [{"URI": "oss://out/s"}]}),
        ("Targets.AttachedPicture", {"URI": "oss://media/p.jpg"}),
        ("Targets.Data", {"DisableData": True}),
        ("Targets.Bitrate", 64000),
        ("Targets.Audio.DisableAudio", True),
        ("Targets.Audio.FilterAudio", {"Mixing": True}),
        ("Targets.Audio.Stream", [1]),
        ("Targets.Audio.TranscodeAudio.SampleRateOption", "adaptive"),
        ("Targets.Audio.TranscodeAudio.Loudness", -16),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(host: str, place: str, value: object) -> None:
    """Each documented option that is not honoured, and each unknown one; the error names its place."""
    error = rejection(lambda: _convert_with(host, place, value))

    assert (400, "InvalidArgument") == (error.status_code, error.code)
    assert f"[{place}]:" in error.message


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("Targets.Video", {"DisableVideo": True}),
        ("Targets.Subtitle", {"DisableSubtitle": True}),
        ("Targets.Speed", 1.0),
        ("Targets.Image", None),
        ("Targets.StripMetadata", False),
        ("Sources.DisableVideo", True),
        ("Sources.AlignMode", "false"),
        ("Targets.Audio.TranscodeAudio.SampleRateOption", "fixed"),
        ("TargetGroups", []),
    ],
)
def test_an_option_that_asks_for_what_is_done_anyway_is_accepted(host: str, place: str, value: object) -> None:
    """Clients send such values, and the cloud's output is the same with and without them."""
    _convert_with(host, place, value)


def test_tasks_are_listed_by_tags(world: AudioWorld, host: str) -> None:
    """A task must have all the tags of the selector."""
    imm = client(host)
    tagged = {
        name: imm.create_media_convert_task(convert(uri=f"oss://out/{name}.flac", tags={"show": name, "day": "1"}))
        for name in ("a", "b")
    }

    def listed(selector: str) -> list[str]:
        request = models.ListTasksRequest(project_name="proj", tag_selector=selector)
        return [task.task_id for task in imm.list_tasks(request).body.tasks]

    assert [tagged["a"].body.task_id] == listed("show=a")
    assert [tagged["b"].body.task_id] == listed("day=1,show=b")
    assert 2 == len(listed("day=1"))
    assert [] == listed("day=1,show=c")
    assert "InvalidArgument" == rejection(lambda: listed("show")).code


def test_the_media_meta_of_an_object_is_measured(world: AudioWorld, host: str) -> None:
    """The project needs no attached bucket; an object that is not audio, or does not exist, is an error."""
    imm = client(host)
    imm.create_project(models.CreateProjectRequest(project_name="other"))

    def detect(uri: str) -> models.DetectMediaMetaResponseBody:
        return imm.detect_media_meta(models.DetectMediaMetaRequest(project_name="other", source_uri=uri)).body

    found = detect("oss://media/a.wav")
    [stream] = found.audio_streams
    world.objects.put("media", "text.wav", b"no audio")

    assert (0.5, "wav", 1) == (found.duration, found.format_name, found.stream_count)
    assert (8000, "pcm_s16le", 0.5) == (stream.sample_rate, stream.codec_name, stream.duration)
    assert (404, "ResourceNotFound") == _status(lambda: detect("oss://media/none.wav"))
    assert (400, "InvalidArgument") == _status(lambda: detect("oss://media/text.wav"))
    assert (400, "InvalidArgument") == _status(lambda: detect("media/a.wav"))


def test_a_project_is_updated_and_deleted(host: str) -> None:
    """What is not given stays; a project with an attached bucket is not deleted."""
    imm = client(host)
    imm.create_project(models.CreateProjectRequest(project_name="old", description="one", service_role="role-a"))
    imm.update_project(models.UpdateProjectRequest(project_name="old", description="two"))
    updated = imm.update_project(models.UpdateProjectRequest(project_name="old", service_role="role-b")).body.project
    imm.attach_ossbucket(models.AttachOSSBucketRequest(ossbucket="out", project_name="old"))
    delete = partial(imm.delete_project, models.DeleteProjectRequest(project_name="old"))
    attached = _status(delete)
    imm.detach_ossbucket(models.DetachOSSBucketRequest(ossbucket="out"))
    delete()

    assert ("two", "role-b") == (updated.description, updated.service_role)
    assert (400, "StatusConflict") == attached
    assert (404, "ResourceNotFound") == _status(delete)
    limited = models.UpdateProjectRequest(project_name="proj", project_max_dataset_count=5)
    assert (400, "InvalidArgument") == _status(lambda: imm.update_project(limited))


def _status(call: Callable[[], object]) -> tuple[int, str]:
    """Return status and code of the error of a rejected call."""
    error = rejection(call)
    return error.status_code, error.code


def _convert_with(host: str, place: str, value: object) -> None:
    """Request a valid task with one more field, at a place such as `Targets.Audio.Stream`."""
    document = convert().to_map()
    *parents, name = place.split(".")
    inner: Any = document
    for parent in parents:
        inner = inner.setdefault(parent, {})
        inner = inner[0] if isinstance(inner, list) else inner
    inner[name] = value
    query = {key: value if isinstance(value, str) else json.dumps(value) for key, value in document.items()}
    params = Params(
        action="CreateMediaConvertTask", version="2020-09-30", protocol="HTTP", pathname="/", method="POST",
        auth_type="AK", style="RPC", req_body_type="formData", body_type="json",
    )  # fmt: skip
    client(host).call_api(params, OpenApiRequest(query=query), RuntimeOptions())


def test_a_task_of_another_project_or_type_is_not_found(world: AudioWorld, host: str) -> None:
    """GetTask requires the matching project, id and type."""
    imm = client(host)
    task_id = imm.create_media_convert_task(convert()).body.task_id
    world.tasks.create_project("other")

    for words in (("other", task_id, "MediaConvert"), ("proj", "nope", "MediaConvert"), ("proj", task_id, "Other")):
        request = models.GetTaskRequest(project_name=words[0], task_id=words[1], task_type=words[2])
        error = rejection(partial(imm.get_task, request))
        assert (404, "ResourceNotFound") == (error.status_code, error.code)


def test_an_unsupported_action_is_rejected_by_name(host: str) -> None:
    """The error lists the supported actions."""
    error = rejection(lambda: client(host).list_datasets(models.ListDatasetsRequest(project_name="proj")))

    assert (404, "InvalidAction.NotFound") == (error.status_code, error.code)
    assert "GetTask" in error.message


def test_wrong_secrets_and_unknown_keys_are_rejected(host: str) -> None:
    """The signature and the token are checked."""
    request = models.GetProjectRequest(project_name="proj")
    wrong = rejection(lambda: client(host, secret="guess").get_project(request))
    unknown = rejection(lambda: client(host, Credential("LTAI-else", "x")).get_project(request))
    without = rejection(lambda: client(host, Credential("STS.role", "secret-role")).get_project(request))

    assert (400, "SignatureDoesNotMatch") == (wrong.status_code, wrong.code)
    assert (404, "InvalidAccessKeyId.NotFound") == (unknown.status_code, unknown.code)
    assert "InvalidSecurityToken.MismatchWithAccessKey" == without.code


def test_a_role_key_with_its_token_is_accepted(host: str) -> None:
    """Functions have such keys from their roles."""
    found = client(host, ROLE).get_project(models.GetProjectRequest(project_name="proj")).body

    assert "proj" == found.project.project_name


def test_the_allow_hook_decides_about_actions(world: AudioWorld) -> None:
    """It receives the key, the action and the project; the answer names the resource."""
    seen: list[tuple[str, str, str]] = []

    def allow(credential: Credential, action: str, project: str, **_: object) -> bool:
        seen.append((credential.principal, action, project))
        return credential is not ROLE

    with served(ImmEndpoint(Keyring(KEY, ROLE), HostClock(), world.tasks, allow=allow).answer) as host:
        request = models.GetProjectRequest(project_name="proj")
        client(host).get_project(request)
        error = rejection(lambda: client(host, ROLE).get_project(request))

    assert [("root", "imm:GetProject", "proj"), ("role/worker", "imm:GetProject", "proj")] == seen
    assert (403, "NoPermission") == (error.status_code, error.code)
    assert f"imm:GetProject on acs:imm:{REGION}:{ACCOUNT}:project/proj" in error.message


def common(host: str, action: str, **words: str) -> CommonRequest:
    """Return a request of the older core client, which signs with HMAC-SHA1 in the query."""
    request = CommonRequest()
    request.set_domain(host)
    request.set_version("2020-09-30")
    request.set_action_name(action)
    request.set_method("POST")
    request.set_protocol_type("http")
    for name, value in words.items():
        request.add_query_param(name, value)
    return request


def test_the_older_core_client_is_supported(world: AudioWorld, host: str) -> None:
    """The client aliyun-python-sdk-core works with a key and with a role's token, and with special characters."""
    words = {"ProjectName": "a b*~/é+", "Description": "x&y=z"}
    root = AcsClient(KEY.access_key_id, KEY.access_key_secret, REGION)
    made = json.loads(root.do_action_with_exception(common(host, "CreateProject", **words)))
    token = StsTokenCredential(ROLE.access_key_id, ROLE.access_key_secret, ROLE.security_token)
    role = AcsClient(region_id=REGION, credential=token)
    found = json.loads(role.do_action_with_exception(common(host, "GetProject", ProjectName="a b*~/é+")))

    assert "x&y=z" == made["Project"]["Description"] == found["Project"]["Description"]
    assert {"RequestId", "Project"} == made.keys()


def test_the_older_core_client_with_a_wrong_secret_is_rejected(host: str) -> None:
    """The error document has the elements that the client reads: Code, Message, RequestId, HostId."""
    with pytest.raises(ServerException) as caught:
        AcsClient(KEY.access_key_id, "guess", REGION).do_action_with_exception(common(host, "ListProjects"))

    assert (400, "SignatureDoesNotMatch") == (caught.value.get_http_status(), caught.value.get_error_code())
    assert caught.value.get_request_id()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "MissingAuthorization"),
        ({"Authorization": "Basic eDp5"}, "IncompleteSignature"),
        (
            {"Authorization": "ACS3-HMAC-SHA256 Credential=x,SignedHeaders=host,Signature=00", "x-acs-date": "now"},
            "InvalidTimeStamp.Format",
        ),
    ],
)
def test_requests_without_a_valid_signature_are_rejected(host: str, headers: dict[str, str], code: str) -> None:
    """Every request must be signed."""
    call = urllib.request.Request(f"http://{host}/?Action=ListProjects", headers=headers, method="POST")  # noqa: TID251
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(call)  # noqa: TID251
    with caught.value as answer:
        document = json.loads(answer.read())

    assert (400, code) == (caught.value.code, document["Code"])
    assert {"Code", "Message", "RequestId", "HostId"} <= document.keys()


def test_the_signatures_are_the_published_algorithms() -> None:
    """HMAC-SHA1 as in "Request signatures" of the RPC style (2015), and plain HMAC-SHA256."""
    values = {
        "TimeStamp": "2016-02-23T12:46:24Z", "Format": "XML", "AccessKeyId": "testid", "Action": "DescribeRegions",
        "SignatureMethod": "HMAC-SHA1", "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
        "Version": "2014-05-26", "SignatureVersion": "1.0", "Signature": "not signed",
    }  # fmt: skip
    values["Timestamp"] = values.pop("TimeStamp")

    assert "OLeaidS1JvxuMvnyHOwuJ+uX5qY=" == rpc_signature("testsecret", rpc_text("GET", values))
    assert "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8" == acs3_signature(
        "key", "The quick brown fox jumps over the lazy dog"
    )
