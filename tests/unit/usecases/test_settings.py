"""Configuration from an environment: everything that is wrong with it in one error, and secrets kept."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from clipstitch.common.credentials import AccessKey, read_access_key
from clipstitch.common.errors import InvalidSettings
from clipstitch.manifest.model import Limits
from clipstitch.usecases.settings import REQUIRED, Settings, Sink, read_settings
from localyun.deploy.project import read

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


def problems(**env: str) -> str:
    """Return what is wrong with the smallest environment and these variables."""
    with pytest.raises(InvalidSettings) as caught:
        read_settings({**SMALLEST, **env})
    return str(caught.value)


def test_what_s_yaml_says_of_patience_is_what_would_count_anyway():
    """Whoever deploys and says nothing gets the defaults of docs/settings.md."""
    deployed = read(Path(__file__).parents[3], {}).functions[0].environment
    unsaid = {name: value for name, value in deployed.items() if not name.endswith(("_S", "_RETRIES"))}

    assert read_settings(unsaid) == read_settings(deployed)
    assert len(unsaid) + 4 == len(deployed)


def test_the_smallest_environment_gives_the_defaults():
    """Five variables; the prefixes are those of the design."""
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


def test_every_variable_arrives():
    """Lists are separated by blanks."""
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


def test_everything_that_is_missing_is_named_at_once():
    """One deployment, one error."""
    with pytest.raises(InvalidSettings) as caught:
        read_settings({"CLIPSTITCH_SINKS": "nonsense", "CLIPSTITCH_STATE_PREFIX": "/x", "OSS_REGION": ""})

    assert [] == [
        name for name in (*REQUIRED, "CLIPSTITCH_SINKS", "CLIPSTITCH_STATE_PREFIX") if name not in str(caught.value)
    ]


@pytest.mark.parametrize(
    "item", ["events", "events=", "events=topic", "events=topic:", "=topic:x", "events=mail:x", "a:b"]
)
def test_a_sink_is_a_name_a_kind_and_a_target(item: str):
    """The remedy shows the form."""
    form = "write name=topic:NAME, name=queue:NAME or name=webhook:NAME"

    assert f"CLIPSTITCH_SINKS has {item!r}; {form}" == problems(CLIPSTITCH_SINKS=item)


@pytest.mark.parametrize("text", ["a=topic:x a=queue:y", "result=topic:x"])
def test_the_name_of_a_sink_is_its_own(text: str):
    """Not twice, and not the one of the result object."""
    assert "twice, or it is taken" in problems(CLIPSTITCH_SINKS=text)


@pytest.mark.parametrize("name", ["STATE", "MANIFEST", "RESULT"])
@pytest.mark.parametrize("value", ["", "x", "/", "/x/", "x/y"])
def test_a_prefix_ends_and_does_not_begin_with_a_slash(name: str, value: str):
    """It would match keys beside it, or none."""
    assert f"CLIPSTITCH_{name}_PREFIX={value!r} must end" in problems(**{f"CLIPSTITCH_{name}_PREFIX": value})


@pytest.mark.parametrize(
    "env",
    [
        {"CLIPSTITCH_RESULT_PREFIX": "manifests/results/"},
        {"CLIPSTITCH_STATE_PREFIX": "manifests/"},
        {"CLIPSTITCH_MANIFEST_PREFIX": "results/in/"},
    ],
)
def test_prefixes_that_lie_in_each_other_are_refused(env: dict[str, str]):
    """A result among the manifests would be taken for one, and make the functions trigger themselves."""
    assert "lie in each other" in problems(**env)


def test_a_sink_is_found_by_name():
    """None when the operator removed it."""
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
    ids=["function first", "then OSS", "then context", "never half a pair", "without a token"],
)
def test_the_access_key_comes_from_the_environment_first_and_from_the_context_second(
    env: dict[str, str], context: object, key: AccessKey
):
    """The Python 3.12 runtime's context has none."""
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
def test_without_an_access_key_the_error_names_where_it_was_looked_for(context: object):
    """Both pairs of names."""
    with pytest.raises(
        InvalidSettings, match=r"ALIBABA_CLOUD_ACCESS_KEY_ID with .* nor OSS_ACCESS_KEY_ID with .*SECRET"
    ):
        read_access_key({}, context)


def test_a_secret_is_not_shown():
    """Not even by accident, in a log or a traceback."""
    key = AccessKey("id", "the-secret", "the-token")

    assert "the-" not in repr(key)
    assert "the-" not in f"{key}"
