"""The last line of a shim: its Python half compiled, so that Python need not do it at every call.

    # compiled cpython-311-a70d0d0a 2774216305 4wAAAAAAAAAA…

That is the interpreter's name with the magic number of its bytecode (as in the head of a .pyc file), a checksum of
everything else in the file, and the code, by marshal and in base64. The interpreter that will run the shim makes it,
in a process of its own: only that one knows its bytecode, and what a process did before shows in what marshal writes.

Where it can't be made there is no such line. Where it does not fit (after an upgrade of Python, or when somebody has
changed the shim by hand) the shim compiles its text at every call. The checksum is against accidents: whoever may
write the line may write the text.
"""

from __future__ import annotations

import subprocess
from binascii import crc32
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MARK = "\n# compiled "
PATIENCE = 10.0  # seconds
NAME = """
import sys
print(sys.implementation.cache_tag + "-" + sys.modules["_frozen_importlib_external"].MAGIC_NUMBER.hex(), end="")
"""
"""What an interpreter of that bytecode says of itself."""
MAKER = f"""{NAME}
from binascii import b2a_base64
from marshal import dumps
code = compile(sys.stdin.buffer.read(), "hooknet shim", "exec", optimize=2)
print("", b2a_base64(dumps(code)).decode(), end="")
"""


def with_compiled(text: str, interpreter: Path) -> str:
    """`text`, and the line where `interpreter` can make it."""
    made = compiled(text, interpreter)
    return text if made is None else ended_by(text, made)


def compiled(source: str, interpreter: Path) -> str | None:
    """The interpreter's name and the code, with a newline at its end. None where there is no such interpreter."""
    try:
        return subprocess.run(  # noqa: S603 - the interpreter of the shims, which runs as root anyway
            [interpreter, "-IS", "-c", MAKER],
            input=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=True,
            encoding="utf-8",
        ).stdout
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def ended_by(text: str, made: str) -> str:
    """`text` with the line that holds what `compiled` has made."""
    python, _, ready = made.partition(" ")
    text = text.removesuffix("\n")
    check = crc32(ready.encode(), crc32(text.encode()))
    return f"{text}{MARK}{python} {check} {ready}"


def is_taken(text: str, python: str) -> bool:
    """Whether a shim of this text takes its last line, where its interpreter is `python` (what `NAME` prints)."""
    above, _, line = text.rpartition(MARK)
    made_by, _, line = line.partition(" ")
    check, _, ready = line.partition(" ")
    return made_by == python and check == str(crc32(ready.encode(), crc32(above.encode())))
