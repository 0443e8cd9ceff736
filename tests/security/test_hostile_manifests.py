"""Hostile manifests: an author may upload manifests and clips, and must not write, read or start anything else."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from clipstitch.adapters.memory import tone
from tests.security.product import BUCKET, CLIP, ROOT, Product, running
from tests.world import World

# Names that look like a path, an OSS variable, a part of a process string, a header, a shell command, or are invisible.
NAMES = (
    "..", ".", "../x", "a/../b", "a//b", "a\nb", "a\r\nx-oss-object-acl: public-read-write\r\n", "a\0b", "a?b", "a#b",
    "%2e%2e%2fx", "..%2fx", "a\\..\\b", "{key}", "{bucket}/{key}", "{{autoext}}", "{}", "{tags.secret}", "a,o_YQ",
    "a,b_dGhlaXI,o_YQ", "a/pre,o_YQ", "a/sur,o_YQ", "a|sys/saveas,o_YQ", "a/notify,topic_dGhlaXI", "a|image/resize,w_1",
    "\u202egnp", "\ufeff", "é\u0301", "🎧", "'\"<&>", "$(id)", "`id`", "-i", "a\x1b[31m", "\u0085\u2028",
)  # fmt: skip
LABELS = [name.encode("unicode_escape").decode() for name in NAMES]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Run the product for all tests of this module."""
    with running(tmp_path_factory.mktemp("hostile-manifests")) as product:
        yield product


def document(**fields: Any) -> dict[str, Any]:
    """Return a valid manifest with changed fields."""
    output = {"key": "out/x.flac", "format": "flac", **fields.pop("output", {})}
    return {"version": 1, "output": output, "clips": ["clips/a.wav"], "notify": [], **fields}


@pytest.mark.parametrize(("number", "name"), list(enumerate(NAMES)), ids=LABELS)
def test_a_hostile_name_is_only_a_name(product: Product, number: int, name: str) -> None:
    """As clip, output and manifest: the task reads and writes exactly these objects, and no other is created."""
    before = {key for key in product.listed() if not key.startswith(("_clipstitch/", "results/"))}
    clip, output, manifest = f"clips/{name}", f"out/{number}/{name}", f"manifests/{number}/{name}.json"
    product.put(clip, CLIP)
    product.drop(document(output={"key": output}, clips=[clip, "clips/a.wav"]), manifest)
    result = product.result(manifest)
    after = {key for key in product.listed() if not key.startswith(("_clipstitch/", "results/"))}
    (task,) = product.tasks(result["job"])

    assert "succeeded" == result["state"], result
    assert {clip, output, manifest} == after - before | {clip}
    assert [(BUCKET, clip), (BUCKET, "clips/a.wav")] == [(one.bucket, one.key) for one in task.spec.sources]
    work = f"_clipstitch/work/{result['job']}/"
    assert (BUCKET, work, "clipstitch-completions") == (task.spec.bucket, task.spec.key[: len(work)], task.spec.topic)
    created = product.cloud.services.objects.head(BUCKET, output)
    assert "x-oss-object-acl" not in created.headers


# Forbidden places to write or read; each would be possible without the limits of the operator or of the product.
FORBIDDEN: dict[str, tuple[dict[str, Any] | bytes, str]] = {
    "an output outside the prefix": (document(output={"key": "elsewhere/x.flac"}), "OUTPUT_NOT_ALLOWED"),
    "an output named like the prefix": (document(output={"key": "out"}), "OUTPUT_NOT_ALLOWED"),
    "an output with another capitalisation": (document(output={"key": "Out/x"}), "OUTPUT_NOT_ALLOWED"),
    "an output with a dot segment": (document(output={"key": "./out/x"}), "OUTPUT_NOT_ALLOWED"),
    "an output under the manifest prefix": (document(output={"key": "manifests/x.json"}), "OUTPUT_KEY_RESERVED"),
    "an output under the result prefix": (document(output={"key": "results/x.flac"}), "OUTPUT_KEY_RESERVED"),
    "an output under the state prefix": (document(output={"key": "_clipstitch/open/x"}), "OUTPUT_KEY_RESERVED"),
    "an output in another bucket": (document(output={"bucket": "their"}), "OUTPUT_NOT_ALLOWED"),
    "an output with a prefix in the bucket name": (document(output={"bucket": "clipstitch/out"}), "OUTPUT_NOT_ALLOWED"),
    "an output with an empty bucket name": (document(output={"bucket": ""}), "OUTPUT_NOT_ALLOWED"),
    "a clip outside the prefix": (document(clips=["private/a.wav"]), "SOURCE_NOT_ALLOWED"),
    "a clip under the state prefix": (document(clips=["_clipstitch/work/x"]), "SOURCE_NOT_ALLOWED"),
    "a clip in another bucket": (document(clips=["oss://their/clips/a.wav"]), "SOURCE_NOT_ALLOWED"),
    "a clip that is a URL": (document(clips=["https://their/clips/a.wav"]), "SOURCE_NOT_ALLOWED"),
    "a clip that is a file": (document(clips=[{"key": "file:///etc/passwd"}]), "SOURCE_NOT_ALLOWED"),
    "a glob without a prefix": (document(clips=[{"glob": "**/*.wav"}]), "SOURCE_NOT_ALLOWED"),
    "a glob that starts like the prefix": (document(clips=[{"glob": "clips*/../private/*"}]), "SOURCE_NOT_ALLOWED"),
    "a glob with a character class": (document(clips=[{"glob": "[cp]*/a.wav"}]), "SOURCE_NOT_ALLOWED"),
    "a sink that is a topic": (document(notify=["topic:their"]), "SINK_UNKNOWN"),
    "a sink that is a URL": (document(notify=["https://their.example/hook"]), "SINK_UNKNOWN"),
    "a sink named like a secret setting": (document(notify=["${CLIPSTITCH_WEBHOOK_HOOK_SECRET}"]), "SINK_UNKNOWN"),
    "a field of the product's requests": (document(topic="their"), "FIELD_UNKNOWN"),
    "a playlist with parent folders": (b"ffconcat version 1.0\nfile ../../private/a.wav\n", "SOURCE_NOT_ALLOWED"),
    "a playlist with file URLs": (b"ffconcat version 1.0\nfile file:private/a.wav\n", "SOURCE_NOT_ALLOWED"),
    "a playlist with options": (b"ffconcat version 1.0\nfile clips/a.wav\noption x y\n", "PLAYLIST_LINE"),
    "a playlist with FFmpeg protocols": (
        b"ffconcat version 1.0\nfile 'concat:clips/a.wav|/etc/passwd'\n",
        "SOURCE_NOT_ALLOWED",
    ),
    "a playlist comment with a reserved output": (
        b'ffconcat version 1.0\n# clipstitch: {"output": {"key": "manifests/x.json"}}\nfile clips/a.wav\n',
        "OUTPUT_KEY_RESERVED",
    ),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forbidden_manifest_is_rejected_without_a_task(product: Product, name: str) -> None:
    """No task is started, and no object but the result is created."""
    body, code = FORBIDDEN[name]
    before = {key for key in product.listed() if not key.startswith("_clipstitch/")}
    manifest = f"manifests/{name}.{'ffconcat' if isinstance(body, bytes) else 'json'}"
    product.drop(body, manifest)
    result = product.result(manifest)
    after = {key for key in product.listed() if not key.startswith("_clipstitch/")}

    assert "rejected" == result["state"], result
    assert code in {issue["code"] for issue in result["issues"]}, result
    assert {manifest, f"results/{manifest}.json"} == after - before
    assert [] == product.tasks(result["job"])


@pytest.mark.parametrize("pattern", ["**/*", "*/**/*", "[!a]*/**/*", "_clipstitch/**/*", "results/*", "manifests/*"])
def test_a_glob_never_matches_a_reserved_prefix(pattern: str) -> None:
    """Reserved prefixes are skipped even if the operator allows every source."""
    world = World()
    for key in ("other/c.mp3", "_clipstitch/work/x/step-000.flac", "results/x.mp3", "manifests/x.mp3"):
        world.put(key, tone(1.0))
    world.drop(document(clips=["a.mp3", {"glob": pattern}]))
    job = world.submit()
    assert job
    clips = [clip.key for clip in job.plan.clips] if job.plan else []

    assert {key.partition("/")[0] for key in clips} <= {"a.mp3", "b.wav", "other"}
    assert bool(clips) == ("*/" in pattern and "_" not in pattern)


def test_an_output_that_looks_like_a_manifest_starts_no_job(product: Product) -> None:
    """Outputs are under no prefix with a trigger, so there are as many jobs as manifests."""
    for number, key in enumerate(
        ("out/x.json", "out/manifests/x.json", "out/../manifests/y.json", "out/manifests/z.m3u")
    ):
        product.drop(document(output={"key": key}), f"manifests/loop-{number}.json")
        assert "succeeded" == product.result(f"manifests/loop-{number}.json")["state"]
    jobs = {key.split("/")[3] for key in product.listed("_clipstitch/jobs/")}

    assert len(product.listed("manifests/")) == len(jobs)


# Manifests that try to exhaust memory or time.
MAX_BYTES = 256 * 1024
_LEVELS = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 9))
BOMBS = {
    "YAML aliases": (".yaml", f"l0: &l0 [x]\n{_LEVELS}".encode()),
    "YAML anchors": (".yaml", b"&a " * (MAX_BYTES // 3)),
    "YAML merge keys": (".yaml", b"a: &a {b: 1}\nc: {<<: *a}\n"),
    "YAML tags": (".yaml", b"!!python/object/apply:os.system ['id']\n"),
    "YAML, deep lists": (".yaml", b"[" * MAX_BYTES),
    "YAML, deep mappings": (".yaml", b"{a: " * (MAX_BYTES // 4)),
    "YAML, deep keys": (".yaml", b"? " * (MAX_BYTES // 2)),
    "YAML, a list": (".yaml", b"- a\n" * (MAX_BYTES // 4)),
    "YAML, empty lists": (".yaml", b"[" + b"[]," * (MAX_BYTES // 3 - 1) + b"]"),
    "YAML, documents": (".yaml", b"--- a\n" * (MAX_BYTES // 6)),
    "YAML, many fields": (".yaml", b"".join(b"f%d: 1\n" % n for n in range(20_000))),
    "JSON, deep lists": (".json", b"[" * MAX_BYTES),
    "JSON, deep mappings": (".json", b'{"a":' * (MAX_BYTES // 5)),
    "JSON, 21 levels": (".json", b'{"a":' * 20 + b"[1]" + b"}" * 20),
    "JSON, a long number": (".json", b'{"version":' + b"9" * (MAX_BYTES - 12) + b"}"),
    "JSON, an infinite number": (".json", b'{"version": 1e999999}'),
    "JSON, a long string": (".json", b'{"gap":"' + b"1h" * (MAX_BYTES // 2 - 5) + b'"}'),
    "JSON, many fields": (".json", json.dumps({f"f{n}": 1 for n in range(20_000)}).encode()),
    "JSON, many sinks": (".json", json.dumps({"notify": ["x"] * 50_000}).encode()),
    "JSON, many labels": (".json", json.dumps({"labels": {f"l{n}": 1 for n in range(19_000)}}).encode()),
    "JSON, large labels": (
        ".json",
        json.dumps(
            document(labels={"🎧" * 254 + str(n): "🎧" * 256 for n in range(10, 42)}), ensure_ascii=False
        ).encode(),
    ),
    "JSON, clips with many errors": (".json", json.dumps({"clips": [{"a": 1, "b": 2, "c": 3}] * 2000}).encode()),
    "JSON, a million clips": (".json", b'{"clips":[' + b'"",' * (MAX_BYTES // 3 - 8) + b'""]}'),
    "globs of stars": (".json", json.dumps(document(clips=[{"glob": "clips/" + "*a" * 500 + "b"}] * 100)).encode()),
    "globs of folders": (".json", json.dumps(document(clips=[{"glob": "clips/" + "**/a/" * 200 + "b"}] * 20)).encode()),
    "globs of double stars": (
        ".json",
        json.dumps(document(clips=[{"glob": "clips/" + "**/" * 330 + "b"}] * 20)).encode(),
    ),
    "ffconcat, lines": (".ffconcat", b"ffconcat version 1.0\n" + b"x\n" * 125_000),
    "ffconcat, a quote": (".ffconcat", b"ffconcat version 1.0\nfile " + b"'" * 250_000),
    "ffconcat, folders": (".ffconcat", b"ffconcat version 1.0\nfile ./" + b"a/" * 120_000),
    "ffconcat, a time": (".ffconcat", b"ffconcat version 1.0\nfile a\ninpoint 1." + b"9" * 250_000),
    "M3U, directives": (".m3u", b"#EXTX\n" * 40_000),
    "M3U, a title": (".m3u", b"#EXTINF:1," + b"t" * 250_000 + b"\nclips/a.wav\n"),
    "one byte too many": (".json", b" " * (MAX_BYTES + 1)),
    "far too many bytes": (".json", b" " * (16 << 20)),
    "bytes that are not UTF-8": (".yaml", b"\xff" * MAX_BYTES),
    "only a byte order mark": (".json", b"\xef\xbb\xbf"),
    "an empty manifest": (".json", b""),
}
# Limits: the memory of a function, and a tenth of its time limit, on one core.
_CHILD = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))

import json, sys
from tests.world import BUCKET, World
from clipstitch.common.identifiers import ObjectRef

world = World()
for depth in range(1, 40):
    world.put("clips/" + "a/" * (12 * depth) + "y", b"x")
suffix, body = sys.argv[1], sys.stdin.buffer.read()
ref = ObjectRef(BUCKET, "manifests/bomb" + suffix)
world.put(ref.key, body)
world.clock.advance(600)  # an empty manifest is not a job before
job = world.submit(ref=ref)
if job.decision is None:
    job = world.complete(world.run())
largest = max(found.size for found in world.objects.list(BUCKET, "") if found.key != ref.key)
event = max((len(text.encode()) for _, _, text in world.messages.said), default=0)
print(json.dumps({"state": job.state, "closed": job.closed, "largest": largest, "event": event}))
"""


@pytest.mark.parametrize("name", BOMBS)
def test_a_manifest_bomb_is_processed_within_the_limits_of_a_function(name: str) -> None:
    """Its job ends within 512 MB and 20 s on one core, and the objects and events of the job are small."""
    suffix, body = BOMBS[name]
    command = [sys.executable, "-c", _CHILD, suffix]
    done = subprocess.run(command, cwd=ROOT, input=body, capture_output=True, check=False)

    assert 0 == done.returncode, done.stderr.decode()[-2000:]
    outcome = json.loads(done.stdout)
    assert (outcome["state"], outcome["closed"]) in {("rejected", True), ("succeeded", True)}
    assert outcome["largest"] < 4 * MAX_BYTES
    assert outcome["event"] <= 60 * 1024
