"""Settings from an environment: one error names everything that is invalid, and secrets are not shown."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from clipstitch.common.credentials import AccessKey, read_access_key
from clipstitch.common.errors import InvalidSettings
from clipstitch.manifest.model import Limits
from clipstitch.usecases.settings import REQUIRED, SINK_KINDS, Settings, Sink, read_settings
from localyun.deploy.project import read
from tests.receiver import SECRET

SMALLEST = {
    "OSS_ENDPOINT": "https://oss-cn-hangzhou-internal.aliyuncs.com",
    "OSS_REGION": "cn-hangzhou",
    "MNS_ENDPOINT": "https://1.mns.cn-hangzhou.aliyuncs.com",
    "CLIPSTITCH_BUCKET": "acme",
    "CLIPSTITCH_COMPLETION_TOPIC": "done",
}
ALIBABA = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "fc-id",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "fc-secret",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "fc-token",
}
OSS = {"OSS_ACCESS_KEY_ID": "oss-id", "OSS_ACCESS_KEY_SECRET": "oss-secret", "OSS_SESSION_TOKEN": "oss-token"}
CONTEXT = SimpleNamespace(
    credentials=SimpleNamespace(access_key_id="ctx-id", access_key_secret="ctx-secret", security_token="ctx-token")
)


def settings_error(**env: str) -> str:
    """Return the error of the smallest environment with these variables added."""
    with pytest.raises(InvalidSettings) as caught:
        read_settings({**SMALLEST, **env})
    return str(caught.value)


def test_the_times_and_limits_in_s_yaml_are_the_defaults() -> None:
    """A deployment without these variables has the same settings."""
    deployed = read(Path(__file__).parents[3], {}).functions[0].environment
    without = {name: value for name, value in deployed.items() if not name.endswith(("_S", "_RETRIES"))}

    assert read_settings(without) == read_settings(deployed)
    assert len(without) + 4 == len(deployed)


def test_the_smallest_environment_gives_the_defaults() -> None:
    """Five variables are required."""
    assert Settings(
        oss_endpoint="https://oss-cn-hangzhou-internal.aliyuncs.com",
        oss_region="cn-hangzhou",
        mns_endpoint="https://1.mns.cn-hangzhou.aliyuncs.com",
        bucket="acme",
        completion_topic="done",
        sinks=(),
        state_bucket=None,
        state_prefix="_clipstitch/",
        manifest_prefix="manifests/",
        result_prefix="results/",
        output_buckets=(),
        output_prefixes=("",),
        source_prefixes=("",),
    ) == read_settings(SMALLEST)


@pytest.mark.parametrize("prefixes", ["*", " * ", "episodes/ *"])
def test_an_asterisk_allows_every_prefix(prefixes: str) -> None:
    """So that a deployment can say any: a variable may not be empty there. Reserved prefixes stay reserved."""
    settings = read_settings({**SMALLEST, "CLIPSTITCH_OUTPUT_PREFIXES": prefixes})

    assert settings.limits.against_key("other-team/index.mp3") is None
    assert settings.limits.against_key("manifests/index.mp3") is not None


def test_the_bucket_itself_is_no_further_bucket() -> None:
    """A deployment without a second bucket names the bucket itself."""
    both = {**SMALLEST, "CLIPSTITCH_OUTPUT_BUCKETS": f"{SMALLEST['CLIPSTITCH_BUCKET']} other"}

    assert ("other",) == read_settings(both).output_buckets


def test_every_variable_is_read() -> None:
    """The items of a list are separated by spaces."""
    settings = read_settings(
        {
            **SMALLEST,
            "CLIPSTITCH_SINKS": "events=topic:clip-events  queue=queue:a:b",
            "CLIPSTITCH_STATE_BUCKET": "acme-state",
            "CLIPSTITCH_STATE_PREFIX": "state/",
            "CLIPSTITCH_MANIFEST_PREFIX": "in/",
            "CLIPSTITCH_RESULT_PREFIX": "out/",
            "CLIPSTITCH_OUTPUT_BUCKETS": "b1 b2",
            "CLIPSTITCH_OUTPUT_PREFIXES": "episodes/ trailers/",
            "CLIPSTITCH_SOURCE_PREFIXES": "clips/",
        }
    )

    assert (Sink("events", "topic", "clip-events"), Sink("queue", "queue", "a:b")) == settings.sinks
    assert "acme-state" == settings.state_bucket
    assert (
        Limits(
            output_buckets=("b1", "b2"),
            output_prefixes=("episodes/", "trailers/"),
            source_prefixes=("clips/",),
            reserved=("in/", "state/", "out/"),
            sinks=("events", "queue"),
        )
        == settings.limits
    )


def test_one_error_names_everything_that_is_missing_or_invalid() -> None:
    """One deployment is enough to see all of it."""
    env = {
        "CLIPSTITCH_SINKS": "nonsense",
        "CLIPSTITCH_STATE_PREFIX": "/x",
        "OSS_REGION": "",
        "CLIPSTITCH_MAX_CLIPS": "many",
        "CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE": "yes",
    }
    with pytest.raises(InvalidSettings) as caught:
        read_settings(env)

    assert [] == [name for name in (*REQUIRED.values(), *env) if name not in str(caught.value)]
    assert "CLIPSTITCH_MAX_CLIPS='many' must be an integer of at most seven digits" in str(caught.value)


@pytest.mark.parametrize(
    "item", ["events", "events=", "events=topic", "events=topic:", "=topic:x", "events=mail:x", "events=Topic:x", "a:b"]
)
def test_a_sink_is_a_name_a_kind_and_a_target(item: str) -> None:
    """The message shows the form; a sink of an unknown kind is not built."""
    form = "write name=topic:NAME, name=queue:NAME or name=webhook:NAME"

    assert f"CLIPSTITCH_SINKS has {item!r}; {form}" == settings_error(CLIPSTITCH_SINKS=item)


def test_the_name_of_a_sink_is_unique() -> None:
    """A duplicate is refused, and so is the name of the result object."""
    assert "CLIPSTITCH_SINKS has the duplicate name 'a'" == settings_error(CLIPSTITCH_SINKS="a=topic:x a=queue:y")
    reserved = "CLIPSTITCH_SINKS has the name 'result', which is reserved for the result object"
    assert reserved == settings_error(CLIPSTITCH_SINKS="result=topic:x")


def test_the_kinds_of_sinks_are_those_of_their_type() -> None:
    """Settings accept no other kind, and mypy checks that deliveries handle each of these."""
    settings = read_settings(
        {
            **SMALLEST,
            "CLIPSTITCH_SINKS": " ".join(f"{kind}={kind}:TARGET" for kind in SINK_KINDS),
            "CLIPSTITCH_WEBHOOK_TARGET_URL": "https://partner.example/",
            "CLIPSTITCH_WEBHOOK_TARGET_SECRET": SECRET,
        }
    )

    assert ("topic", "queue", "webhook") == SINK_KINDS == tuple(sink.kind for sink in settings.sinks)


@pytest.mark.parametrize("name", ["STATE", "MANIFEST", "RESULT"])
@pytest.mark.parametrize("value", ["", "x", "/", "/x/", "x/y"])
def test_a_prefix_ends_with_a_slash_and_does_not_begin_with_one(name: str, value: str) -> None:
    """It would match other keys that begin alike, or none."""
    assert f"CLIPSTITCH_{name}_PREFIX={value!r} must end with a slash" in settings_error(
        **{f"CLIPSTITCH_{name}_PREFIX": value}
    )


@pytest.mark.parametrize(
    "env",
    [
        {"CLIPSTITCH_RESULT_PREFIX": "manifests/results/"},
        {"CLIPSTITCH_STATE_PREFIX": "manifests/"},
        {"CLIPSTITCH_MANIFEST_PREFIX": "results/in/"},
    ],
)
def test_nested_prefixes_are_refused(env: dict[str, str]) -> None:
    """A result below the prefix of the manifests would trigger the submit function."""
    assert "contains the other, so that the functions would trigger themselves" in settings_error(**env)


def test_a_sink_is_found_by_name() -> None:
    """None if the operator has removed it."""
    settings = read_settings({**SMALLEST, "CLIPSTITCH_SINKS": "events=topic:x"})

    assert Sink("events", "topic", "x") == settings.sink("events")
    assert settings.sink("gone") is None


@pytest.mark.parametrize(
    ("env", "context", "key"),
    [
        ({**ALIBABA, **OSS}, CONTEXT, AccessKey("fc-id", "fc-secret", "fc-token")),
        (OSS, CONTEXT, AccessKey("oss-id", "oss-secret", "oss-token")),
        ({}, CONTEXT, AccessKey("ctx-id", "ctx-secret", "ctx-token")),
        ({**OSS, "ALIBABA_CLOUD_ACCESS_KEY_ID": "fc-id"}, None, AccessKey("oss-id", "oss-secret", "oss-token")),
        ({**OSS, "OSS_SESSION_TOKEN": ""}, None, AccessKey("oss-id", "oss-secret")),
    ],
    ids=["names of FC first", "then those of OSS", "then the context", "never half a pair", "without a token"],
)
def test_the_access_key_comes_from_the_environment_first_and_from_the_context_second(
    env: dict[str, str], context: object, key: AccessKey
) -> None:
    """The context of the Python 3.12 runtime has none."""
    assert key == read_access_key(env, context)


@pytest.mark.parametrize(
    "context",
    [
        None,
        SimpleNamespace(),
        SimpleNamespace(credentials=None),
        SimpleNamespace(credentials=SimpleNamespace(access_key_id="", access_key_secret="", security_token="")),
    ],
)
def test_without_an_access_key_the_error_names_the_variables(context: object) -> None:
    """Both pairs of them."""
    with pytest.raises(
        InvalidSettings, match=r"ALIBABA_CLOUD_ACCESS_KEY_ID with .* nor OSS_ACCESS_KEY_ID with .*SECRET"
    ):
        read_access_key({}, context)


def test_a_secret_is_not_shown() -> None:
    """Neither in a log nor in a traceback."""
    key = AccessKey("id", "the-secret", "the-token")

    assert "the-" not in repr(key)
    assert "the-" not in f"{key}"
