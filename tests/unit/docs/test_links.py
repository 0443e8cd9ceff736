"""The pages are consistent with the repository: links, headings, make targets and paths exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")])


def names(path: Path) -> str:
    """Return the name of a page for the test's id."""
    return str(path.relative_to(ROOT))


def headings(page: Path) -> set[str]:
    """Return the anchors of a page, as GitHub derives them from the headings."""
    lines = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_links_lead_somewhere(page: Path) -> None:
    """To an existing file, and within a page to an existing heading."""
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text("utf-8"))
    targets = [((page.parent / file).resolve() if file else page, anchor) for file, anchor in links]

    assert [] == [str(target) for target, _ in targets if not target.exists()]
    assert [] == [anchor for target, anchor in targets if anchor and anchor not in headings(target)]


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_make_targets_exist(page: Path) -> None:
    """Those in commands and in running text."""
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    used = re.findall(r"(?:^|`)make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE)

    assert set(used) <= set(targets)


def test_the_paths_in_contributing_exist() -> None:
    """Recipes and figures name files relative to the repository or, in short, to shared/clipstitch."""
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    paths = {path for path in re.findall(r"`([\w./]+/[\w./]*)`", page) if not path.startswith(".venv")}

    assert paths
    assert [] == [
        path for path in sorted(paths) if not any((base / path).exists() for base in (ROOT, ROOT / "shared/clipstitch"))
    ]
