"""TSIG keys: what is understood, who may read it, and that no secret ever gets into a text."""

from __future__ import annotations

import base64
import os
import traceback
from pathlib import Path

import pytest

from hooknet_dns.keys import Key, KeyFileError, KeySource, parse

SECRET = b"thirty-two bytes that nobody sees"
TEXT = base64.b64encode(SECRET).decode()
BIND = f'key "lan-key" {{\n\talgorithm hmac-sha256;\n\tsecret "{TEXT}";\n}};\n'
KNOT = (
    f"# hmac-sha256:lan-key:{TEXT}\nkey:\n  - id: lan-key\n    algorithm: hmac-sha256\n    secret: {TEXT}\n"
)
OTHER = f'key other {{ algorithm "hmac-sha512"; secret {TEXT}; }};\n'


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "keys"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "text",
    [
        BIND,
        BIND.replace('"', ""),
        BIND.replace("lan-key", "LAN-key."),
        "// made by tsig-keygen\n" + BIND,
        KNOT,
        KNOT.replace("id: lan-key", 'id: "lan-key"'),
        f"lan-key:hmac-sha256:{TEXT}\n",
        f"# of the LAN\n\n  hmac-sha256:lan-key:{TEXT}",
    ],
)
def test_a_key_is_read_however_it_is_written(tmp_path: Path, text: str) -> None:
    assert KeySource(key_file(tmp_path, text)).load() == Key("lan-key", "hmac-sha256", SECRET)


def test_one_of_several_keys_is_chosen_by_its_name(tmp_path: Path) -> None:
    path = key_file(tmp_path, BIND + OTHER)
    assert KeySource(path, key="Other.").load() == Key("other", "hmac-sha512", SECRET)
    with pytest.raises(KeyFileError, match=r"has several keys \(lan-key, other\): choose one"):
        KeySource(path).load()
    with pytest.raises(KeyFileError, match="has no key 'mine'; it has: lan-key, other"):
        KeySource(path, key="mine").load()


def test_a_key_that_is_changed_in_its_file_is_changed_at_once(tmp_path: Path) -> None:
    source = KeySource(key_file(tmp_path, BIND))
    source.load()
    key_file(tmp_path, BIND.replace("sha256", "sha512"))
    assert source.load().algorithm == "hmac-sha512"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no key; make one with: tsig-keygen"),
        ("just a text", "holds no key"),
        ('key "a" { secret "x"; };', "key a needs an algorithm and a secret"),
        (BIND.replace("hmac-sha256", "hmac-md5"), "lan-key has an algorithm that hooknet does not use"),
        (BIND.replace(TEXT, "no-base64!"), "the secret of key lan-key is not base64"),
        (BIND.replace(TEXT, '" "').replace('"" ""', '""'), "needs an algorithm and a secret"),
    ],
)
def test_what_is_wrong_with_a_key_is_said_with_its_place(tmp_path: Path, text: str, why: str) -> None:
    path = key_file(tmp_path, text)
    with pytest.raises(KeyFileError, match=why) as caught:
        KeySource(path).load()
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o610])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(KeyFileError, match=f"mode 0{mode:o}.: chmod 600"):
        KeySource(key_file(tmp_path, BIND, mode)).load()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_belongs_to_someone_else_is_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path, BIND)
    os.chown(path, 1234, 1234)
    with pytest.raises(KeyFileError, match="belongs to uid 1234: chown it to root"):
        KeySource(path).load()


def test_no_link_no_folder_no_pipe_and_no_giant_is_a_key_file(tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(key_file(tmp_path, BIND))
    os.mkfifo(pipe, 0o600)
    giant = tmp_path / "giant"
    giant.write_bytes(b"#" * 70_000)
    giant.chmod(0o600)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    binary.chmod(0o600)
    for path in (link, pipe, tmp_path, giant, binary, tmp_path / "missing"):
        with pytest.raises(KeyFileError, match=str(path)):
            KeySource(path).load()


def test_a_credential_of_systemd_is_read_from_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_file(tmp_path, BIND, 0o440)  # systemd's own mode for a service that is not root's
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert KeySource(credential="keys").load().name == "lan-key"


def test_a_credential_without_systemd_says_what_to_write_into_the_unit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(KeyFileError, match="write LoadCredential=dns-key:"):
        KeySource(credential="dns-key").load()


def test_a_secret_is_in_no_representation_of_a_key() -> None:
    key = parse(BIND, "here")["lan-key"]
    assert TEXT not in f"{key!r} {key}"
    assert repr(SECRET)[2:-1] not in f"{key!r} {key}"


@pytest.mark.parametrize("text", [BIND, KNOT, f"lan-key:hmac-sha256:{TEXT}"])
@pytest.mark.parametrize("spoil", [("hmac-sha256", "hmac-sha2"), (TEXT, f"{TEXT}!"), ("lan-key", "lan key")])
def test_a_secret_is_in_no_error_about_a_key(tmp_path: Path, text: str, spoil: tuple[str, str]) -> None:
    with pytest.raises(KeyFileError) as caught:
        KeySource(key_file(tmp_path, text.replace(*spoil)), key="another").load()
    assert TEXT not in "".join(traceback.format_exception(caught.value))
