"""Key files: what is a key, what isn't, and that no message shows one."""

import stat
from pathlib import Path

import pytest

from evmthread.commands.keys import read_key, write_key
from evmthread.commit import LocalSigner
from evmthread.errors import BackendError, CryptoError, InvalidInput

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


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(BackendError, match="key file"):
            read_key(str(path))
