"""The hosts mode: one file in hosts format per network, in a folder that everybody may read.

For DNS servers that read such files by themselves: dnsmasq (`hostsdir`, from 2.88 on also what was removed), CoreDNS
(`hosts`), systemd-resolved's and libc's /etc/hosts by inclusion. A file is written whole beside its place and moved
there, so no reader ever sees half of it; its name begins with a dot until then, which dnsmasq does not read. Files
are written from the registry inside its transaction, so what stands in a file is what is registered, and a file that
can't be written leaves the registration undone. Leases that have run out are left out.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

from hooknet_dns.registry import Registration, Rows

SUFFIX = ".hosts"
HEADER = "# Written by hooknet's dns plugin, which replaces this file whenever a lease comes or goes.\n"
READABLE = 0o644
FOLDER_MODE = 0o755
WRITABLE_BY_OTHERS = 0o022


def write(rows: Rows, folder: str, network: str) -> None:
    """Make the file of one network what the registry says. Raises OSError."""
    now = time.time()
    lines = dict.fromkeys(line(row) for row in rows.of_file(folder, network) if not row.expired(now))
    replace(Path(folder) / file_name(network), HEADER + "".join(lines))


def sweep(rows: Rows, folders: Iterable[str]) -> None:
    """What a former run left: its files are brought up to date, and the rests of a write are removed."""
    files = rows.files()
    for folder in {*folders, *(folder for folder, _ in files)}:
        prepare(Path(folder))
        for path in Path(folder).glob(f".*{SUFFIX}.tmp"):
            path.unlink(missing_ok=True)
        for path in Path(folder).glob(f"*{SUFFIX}"):
            if is_ours(path):
                files.add((folder, network_of(path)))
    for folder, network in sorted(files):
        write(rows, folder, network)


def prepare(folder: Path) -> None:
    """Make the folder, or refuse one in which others could put files in our place. Raises OSError."""
    with suppress(FileExistsError):
        folder.mkdir(mode=FOLDER_MODE)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(f"{folder} is not a folder")
    if status.st_uid != os.geteuid() or status.st_mode & WRITABLE_BY_OTHERS:
        raise PermissionError(f"{folder} can be written by others: give it to root, mode 0755")
    folder.chmod(FOLDER_MODE)


def line(row: Registration) -> str:
    return f"{row.address}\t{row.name}\n"


def replace(path: Path, text: str) -> None:
    """Write the file atomically, unless it says the same already."""
    if path.is_file() and not path.is_symlink() and path.read_bytes() == text.encode():
        return
    prepare(path.parent)
    draft = path.with_name(f".{path.name}.tmp")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, READABLE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), READABLE)  # whatever the umask is
        file.write(text)
    draft.replace(path)


def is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(HEADER)) == HEADER.encode()


def file_name(network: str) -> str:
    """A network's file: its name, with whatever can't be part of a file name quoted."""
    quoted = quote(network, safe="")
    return f"{'%2E' + quoted[1:] if quoted.startswith('.') else quoted}{SUFFIX}"


def network_of(path: Path) -> str:
    return unquote(path.name.removesuffix(SUFFIX))
