"""Key files: what is a key, what isn't, and that no message shows one."""

import json
import stat
from pathlib import Path

import pytest

from evmthread.cli import main
from evmthread.commands.keys import read_key, write_encrypted_key, write_key
from evmthread.commit import LocalSigner
from evmthread.errors import BackendError, CryptoError, DecodingError, InvalidInput
from evmthread.primitives.keystore import encrypt_key

KEY = bytes(range(1, 33))


def test_what_was_written_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "x.key"
    write_key(path, KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key(str(path)).address == LocalSigner(KEY).address
    assert capsys.readouterr().err == ""
    with pytest.raises(BackendError, match="exists"):
        write_key(path, KEY)


@pytest.mark.parametrize("text", [KEY.hex(), "0x" + KEY.hex(), f"  {KEY.hex().upper()}\n\n"])
def test_spaces_case_and_prefix_are_no_matter(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.key"
    path.write_text(text)
    path.chmod(0o600)
    assert read_key(str(path)).address == LocalSigner(KEY).address


def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.key"
    path.write_text(KEY.hex())
    path.chmod(0o644)
    read_key(str(path))
    assert "can be read by others" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (KEY.hex()[:-1].encode(), "odd number of hex digits"),
        (KEY.hex()[:-2].encode(), "31 bytes where 32"),
        (KEY.hex().encode() + b"00", "33 bytes where 32"),
        (b"", "0 bytes where 32"),
        (b"zz" * 32, "not hex"),
        (b"\xff" * 64, "not hex"),
        (bytes(32).hex().encode(), "from 1 to the order"),
        (b"ff" * 32, "from 1 to the order"),
        (b"0" * 5000, "more than 1024 bytes"),
        (b"0" * 70_000, "more than 1024 bytes"),
    ],
)
def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises((InvalidInput, CryptoError)) as caught:
        read_key(str(path))
    assert message in str(caught.value)
    assert KEY.hex()[:16] not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or isinstance(caught.value, CryptoError)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(BackendError, match="key file"):
            read_key(str(path))


LIGHT = json.dumps(encrypt_key(KEY, "sesame", n=16)).encode()


@pytest.fixture
def encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key file of version 3 that others may read, as they may; and no password anywhere."""
    for variable in ("EVMTHREAD_PASSWORD", "EVMTHREAD_PASSWORD_FILE"):
        monkeypatch.delenv(variable, raising=False)
    path = tmp_path / "v3.key"
    path.write_bytes(b"\n " + LIGHT)
    path.chmod(0o644)
    return path


def test_an_encrypted_file_is_read_with_its_password(
    encrypted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVMTHREAD_PASSWORD", "sesame")
    assert read_key(str(encrypted)).address == LocalSigner(KEY).address
    assert capsys.readouterr().err == ""
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_bytes(b"sesame\r\nanother line\n")
    wrong.write_bytes(b"simsim\n")
    for each in (right, wrong):
        each.chmod(0o600)
    monkeypatch.setenv("EVMTHREAD_PASSWORD_FILE", str(wrong))
    assert read_key(str(encrypted), password_file=str(right)).address == LocalSigner(KEY).address
    with pytest.raises(CryptoError, match="wrong password") as caught:
        read_key(str(encrypted))
    assert "simsim" not in str(caught.value)
    assert str(encrypted) in str(caught.value)
    assert capsys.readouterr().err == ""


def test_a_broken_encrypted_file_is_refused(encrypted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVMTHREAD_PASSWORD", "sesame")
    for content in (LIGHT[:-1], b"{}", b"{" * 10_000, LIGHT + b" " * 70_000):
        encrypted.write_bytes(content)
        with pytest.raises(DecodingError, match=r"v3\.key"):
            read_key(str(encrypted))


def test_an_encrypted_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "x.key"
    write_encrypted_key(path, KEY, "sesame")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY.hex() not in path.read_text()
    monkeypatch.setenv("EVMTHREAD_PASSWORD", "sesame")
    assert read_key(str(path)).address == LocalSigner(KEY).address
    with pytest.raises(BackendError, match="exists"):
        write_encrypted_key(path, KEY, "sesame")


def test_games_are_played_and_resumed_with_encrypted_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    word = tmp_path / "password"
    word.write_text("open sesame\n")
    word.chmod(0o600)
    keys, out = str(tmp_path / "keys"), str(tmp_path / "draw.thread")
    given = ["--password-file", str(word)]
    play = ["play", "morpion-draw", "--moves", "4,0,draw", "--save-keys", keys, "--encrypt-keys", "--out", out]
    assert main([*play, *given]) == 0
    for name in ("x", "o"):
        assert json.loads(Path(keys, f"{name}.key").read_text())["version"] == 3
    assert main(["resume", out, "--answer", "yes", "--keys", keys, *given]) == 0
    word.write_text("another\n")
    assert main(["resume", out, "--answer", "yes", "--keys", keys, *given]) == 2
    assert "wrong password" in capsys.readouterr().err
