"""What pip would fetch to install hooknet, as wheels: packed again from what this run has installed.

A lab has no network, and what people type to install hooknet has to be tried all the same. A wheel is a zip with
metadata (PEP 427), and an installed package still has all of it but for the archive itself.
"""

from __future__ import annotations

import base64
import hashlib
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.tags import sys_tags
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.metadata import Distribution

PYPROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"
OF_THE_INSTALLATION = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}


def wheelhouse(folder: Path, *extras: str) -> Path:
    """A folder for `pip --find-links` with all that hooknet needs: to be built, and to run with these extras."""
    folder.mkdir()
    data = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    wanted = [*data["build-system"]["requires"], *data["project"]["dependencies"]]
    for extra in extras:
        wanted += data["project"]["optional-dependencies"][extra]
    for name in sorted(needed(wanted)):
        pack(distribution(name), folder)
    return folder


def needed(wanted: Iterable[str]) -> set[str]:
    """The packages behind these requirements, and behind theirs."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in wanted]
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name not in found:
            found.add(name)
            waiting += requirements(distribution(name), one.extras)
    return found


def requirements(package: Distribution, extras: set[str]) -> Iterator[Requirement]:
    """What a package needs on this machine, with these of its extras."""
    for text in package.requires or []:
        one = Requirement(text)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield one


def pack(package: Distribution, folder: Path) -> None:
    """Write the wheel of an installed package. Scripts are left out: pip makes them from the entry points."""
    name = f"{package.name.replace('-', '_')}-{package.version}"
    info = f"{name}.dist-info"
    record = []
    with zipfile.ZipFile(folder / f"{name}-{tag(package)}.whl", "w") as archive:
        for path in package.files or []:
            if ".." in path.parts or "__pycache__" in path.parts or path.name in OF_THE_INSTALLATION:
                continue
            place = Path(str(path.locate()))
            info = path.parts[0] if path.name == "WHEEL" else info
            content = place.read_bytes()
            archive.writestr(str(path), content)
            record.append(f"{path},{digest(content)},{len(content)}\n")
        archive.writestr(f"{info}/RECORD", "".join([*record, f"{info}/RECORD,,\n"]))


def tag(package: Distribution) -> str:
    """One tag of the wheel that this Python takes."""
    lines = (package.read_text("WHEEL") or "").splitlines()
    has = {line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: ")}
    return next(str(one) for one in sys_tags() if str(one) in has)


def digest(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
