"""Clips that do not exist: what the names of a playlist mean, and the hint of an issue."""

import json
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.adapters.memory import tone
from clipstitch.common.errors import AccessDenied, CloudBusy
from clipstitch.common.identifiers import ObjectRef
from clipstitch.manifest.similar_keys import nearest_key
from tests.unit.usecases.harness import failing, plan_of
from tests.world import DOCUMENT, CallCounter, World

PROFILE = settings(database=None, deadline=None, max_examples=100)
NFC, NFD = (unicodedata.normalize(form, "Übung é.mp3") for form in ("NFC", "NFD"))


def playlist(world: World, name: str, key: str = "manifests/shows/ep1.m3u8") -> ObjectRef:
    """Upload an M3U playlist with one clip."""
    return world.put(key, f'# clipstitch: {{"output": {{"key": "episodes/a.mp3"}}}}\n{name}\n'.encode())


def with_clips(*keys: str) -> World:
    """Return a world with these clips."""
    world = World()
    for key in keys:
        world.put(key, tone(1.0, name="c"))
    return world


def hint(world: World, ref: ObjectRef) -> str:
    """Return what the remedy of the only issue adds, after submitting a manifest."""
    decision = world.submit(ref=ref).decision
    assert decision is not None
    (issue,) = decision.issues
    assert "CLIP_NOT_FOUND" == issue.code
    return issue.remedy.partition("spaces.")[2].strip()


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("clips/my%20song.mp3", "clips/my song.mp3"),
        ("my%20songs/a%26b.mp3", "my songs/a&b.mp3"),
        ("a.wav%20", "a.wav "),
        ("%C3%9Cbung%20%C3%A9.mp3", NFD),
        (f"clips/{NFC}", f"clips/{NFD}"),
        (f"clips/{NFD}", f"clips/{NFC}"),
        (f"{NFC}/x.mp3", f"{NFD}/x.mp3"),
        ("song.mp3", "manifests/shows/song.mp3"),
        ("my%20song.mp3", "manifests/shows/my song.mp3"),
        ("sub/song.mp3", "manifests/shows/sub/song.mp3"),
        ("x/../clips/song.mp3", "clips/song.mp3"),
        (r"clips\my%20song.mp3", "clips/my song.mp3"),
        (f"./{NFC}", f"manifests/shows/{NFD}"),
    ],
)
def test_a_name_in_a_playlist_finds_its_object(name: str, key: str) -> None:
    """By another spelling, or in the folder of the playlist, as players read it."""
    world = with_clips(key)
    job = world.submit(ref=playlist(world, name))

    assert [key] == [clip.key for clip in plan_of(job).clips]


def test_a_name_that_is_a_key_means_that_key() -> None:
    """Other spellings are looked for only if there is no such object."""
    world = with_clips("a%20b.mp3", "a b.mp3", "manifests/shows/a b.mp3")
    job = world.submit(ref=playlist(world, "a%20b.mp3"))

    assert ["a%20b.mp3"] == [clip.key for clip in plan_of(job).clips]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="#\\"), min_size=1))
@PROFILE
def test_any_name_of_another_normal_form_finds_its_object(name: str) -> None:
    """A Mac writes names in the decomposed form, most others in the composed one."""
    key = f"clips/x{name.strip()}x"
    world = with_clips(unicodedata.normalize("NFD", key))
    job = world.submit(ref=playlist(world, unicodedata.normalize("NFC", key)))

    assert [unicodedata.normalize("NFD", key)] == [clip.key for clip in plan_of(job).clips]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("clips/Song.mp3", "clips/song.mp3"),
        ("clips/song.MP3", "clips/song.mp3"),
        ("clips/sogn.mp3", "clips/song.mp3"),
        ("song.mp3", "clips/song.mp3"),
        ("home/me/show/clips/song.mp3", "clips/song.mp3"),
        ("clip/song.mp3", "clips/song.mp3"),
        (r"clips\song.mp3", "clips/song.mp3"),
        ("clips/s%6Fng.mp3", "clips/song.mp3"),
        ("c:/music/song.mp3", "clips/song.mp3"),
    ],
)
def test_the_issue_of_a_missing_clip_names_the_nearest_key(name: str, nearest: str) -> None:
    """In a manifest a key is exact, so the author decides."""
    world = with_clips("clips/song.mp3", "clips/drums.mp3", f"clips/{NFD}", "zz/other.wav")

    assert f"The nearest key is `{nearest}`." == hint(world, world.drop({**DOCUMENT, "clips": [name]}))


@pytest.mark.parametrize(("name", "key", "form"), [(NFC, NFD, "NFD"), (NFD, NFC, "NFC")])
def test_the_hint_says_that_a_key_only_looks_the_same(name: str, key: str, form: str) -> None:
    """The letters are different characters."""
    world = with_clips(f"clips/{key}")

    assert f"`clips/{key}`; it looks the same, but its letters are in the normal form {form} of Unicode." in hint(
        world, world.drop({**DOCUMENT, "clips": [f"clips/{name}"]})
    )


def test_an_issue_has_no_hint_if_no_key_is_similar() -> None:
    """Facts, results and manifests are not suggested."""
    world = with_clips("clips/drums.mp3")
    world.put("results/qqqq.wav", b"")

    assert "" == hint(world, world.drop({**DOCUMENT, "clips": ["qqqq.wav"]}))


def test_a_missing_clip_is_an_issue_without_the_right_to_list() -> None:
    """The hint is missing then; a cloud that is busy is asked again."""
    world = with_clips("clips/song.mp3")
    ref = world.drop({**DOCUMENT, "clips": ["clips/Song.mp3"]})
    listing = world.objects
    world.objects = failing(listing, "list", CloudBusy("busy"), lambda _, prefix, *__: prefix == "clips/")
    with pytest.raises(CloudBusy):
        world.submit(ref=ref)
    world.objects = failing(listing, "list", AccessDenied("no"), lambda _, prefix, *__: prefix == "clips/")

    assert "" == hint(world, ref)


def test_nothing_is_listed_while_all_clips_exist() -> None:
    """A manifest that is in order costs no request more; one that is not, a few."""

    def calls(name: str) -> int:
        world, counter = with_clips("clips/song.mp3"), CallCounter()
        world.submit(counter, playlist(world, name))
        return counter.calls

    assert calls("clips/song.mp3") < calls("clips/s%6Fng.mp3") <= calls("clips/song.mp3") + 5


def test_two_thousand_missing_clips_take_little_time() -> None:
    """Hints are for the first ones."""
    world = with_clips(*(f"clips/chapter {number} b.mp3" for number in range(1500)))
    start = time.process_time()
    world.submit(ref=world.drop({**DOCUMENT, "clips": [f"clips/chapter-{number}.mp3" for number in range(2000)]}))

    assert time.process_time() - start < 10
    assert 10 == json.dumps(world.result()).count("The nearest key is")


@given(st.lists(st.text(min_size=1), min_size=1), st.data())
@PROFILE
def test_an_existing_key_is_the_nearest_one_to_itself(keys: list[str], data: st.DataObject) -> None:
    """In another case, too, unless another key is alike."""
    key = data.draw(st.sampled_from(keys))
    found = nearest_key(key.upper(), keys)

    assert found is not None
    assert found in keys
