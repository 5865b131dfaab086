"""Every link of the docs leads somewhere, and no line that people type fetches what nobody has published."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "plugins/**/*.md")
    for path in ROOT.glob(pattern)
)
SOURCES = sorted(path for folder in ("hooknet", "plugins", "script") for path in (ROOT / folder).rglob("*"))
LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+(?:\([^()]*\))?)\)")
CODE = re.compile(r"^(```|~~~).*?^\1|(`+)(?!`).+?(?<!`)\2(?!`)", re.MULTILINE | re.DOTALL)
MEASURED = "docs/benchmarks"
"""What script/bench draws; in a checkout that has not measured yet it may be absent."""


@cache
def prose(path: Path) -> str:
    """A page without its code, in which nothing is a link."""
    return CODE.sub("", path.read_text(encoding="utf-8"))


@cache
def anchors(path: Path) -> frozenset[str]:
    """What a heading is called in a link: lower case, words joined by hyphens, punctuation gone; twice gets -1."""
    found: list[str] = []
    text = re.sub(r"^(```|~~~).*?^\1", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for title in re.findall(r"^#{1,6} +(.+?) *#*$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
        seen = sum(one == name or re.fullmatch(re.escape(name) + r"-\d+", one) is not None for one in found)
        found.append(f"{name}-{seen}" if seen else name)
    return frozenset([*found, *re.findall(r'<a (?:id|name)="([^"]+)"', text)])


def broken(page: Path, target: str) -> str:
    """Why a link leads nowhere; empty when it does not."""
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return ""
    place, _, anchor = target.partition("#")
    path = (page.parent / place).resolve() if place else page
    if not path.is_relative_to(ROOT):
        return "it leaves the repository"
    if str(path.relative_to(ROOT)).startswith(MEASURED):
        return ""
    if not path.exists():
        return "there is no such file"
    if anchor and (path.suffix != ".md" or anchor not in anchors(path)):
        return f"it has no heading {anchor!r}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    problems = [(target, why) for target in LINK.findall(prose(page)) if (why := broken(page, target))]
    assert problems == []


def test_links_are_found_and_broken_ones_are_told() -> None:
    page = ROOT / "docs" / "plugins" / "guide.md"
    assert "reference.md" in LINK.findall(prose(page))
    assert broken(page, "../plugins/dns.md") == ""
    assert broken(page, "no-such-page.md") == "there is no such file"
    assert broken(page, "dns.md#no-such-heading") == "it has no heading 'no-such-heading'"
    assert broken(page, "#settings") == ""


def test_every_page_of_the_docs_is_linked_from_another_or_its_folder_is() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in LINK.findall(prose(page))
    }
    lonely = [path for path in (ROOT / "docs").rglob("*.md") if not {path, path.parent} & linked]
    assert [str(path.relative_to(ROOT)) for path in lonely] == []


UNPUBLISHED = re.compile(
    r"pip3?[ \"',]+install\b(?:[ \"',]+-[-\w=./]+)*[ \"',]+(hooknet[\w\[\]-]*)(?! *@ *file:)(?=[\s\"'`,;=<>~)]|$)"
)
"""`pip install hooknet…` by a name: whoever claims that name in a registry would be installed, as root."""


@pytest.mark.parametrize(
    ("line", "caught"),
    [
        ("pip install hooknet", True),
        ("sudo /opt/hooknet/bin/pip install --upgrade hooknet", True),
        ('pip install "hooknet[dns]"', True),
        ("pip install hooknet==1.0", True),
        ("pip install hooknet-webhook", True),
        ("pip install 'hooknet[dns] @ file:///path/to/the/clone'", False),
        ("pip install ./hooknet-greeter", False),
        ("pip install dnspython beside hooknet", False),
        ("cd hooknet-greeter && /opt/hooknet/bin/pip install '.[test]'", False),
    ],
)
def test_a_line_that_fetches_an_unpublished_name_is_recognised(line: str, caught: bool) -> None:
    assert bool(UNPUBLISHED.search(line)) is caught


def test_nothing_that_people_type_fetches_a_name_that_is_not_published() -> None:
    texts = [path for path in (*PAGES, *SOURCES) if path.is_file() and path.suffix not in {".pyc", ".so"}]
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in texts
        for match in UNPUBLISHED.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "path", [ROOT / "examples/hooknet-webhook/pyproject.toml", ROOT / "hooknet/hooks/scaffold.py"]
)
def test_a_plugins_package_does_not_fetch_hooknet(path: Path) -> None:
    assert not re.search(r"^dependencies = .*[\"']hooknet", path.read_text(encoding="utf-8"), re.MULTILINE)
