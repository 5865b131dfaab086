"""A plugin as its author would ship it: a wheel of its own, installed by pip beside hooknet.

The wheel is written by hand (PEP 427: a zip with metadata), because building one would fetch a build
backend from the network. pip installs it into a folder of its own, which a daemon sees by PYTHONPATH:
hooknet's environment stays as it is.
"""

from __future__ import annotations

import base64
import hashlib
import sys
import zipfile
from typing import TYPE_CHECKING

from lab.process import run

if TYPE_CHECKING:
    from pathlib import Path

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: hooknet-lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def make_wheel(folder: Path, name: str, source: str) -> Path:
    """A wheel with one module `name` that registers itself as a plugin of hooknet."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": METADATA.format(name=name),
        f"{info}/WHEEL": WHEEL,
        f"{info}/entry_points.txt": f"[hooknet]\n{name} = {name}\n",
    }
    record = "".join(f"{path},{digest(text)},{len(text.encode())}\n" for path, text in files.items())
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return wheel


def digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def pip_install(wheel: Path, target: Path) -> Path:
    """Install the wheel, and nothing else, into `target`."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    run([*pip, "--no-deps", f"--target={target}", wheel])
    return target
