"""Passwords: where they come from, in which order, and that they aren't shown."""

import getpass
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from evmthread.commands.passwords import password_of
from evmthread.errors import BackendError, InvalidInput


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("EVMTHREAD_PASSWORD", "EVMTHREAD_PASSWORD_FILE"):
        monkeypatch.delenv(variable, raising=False)


def private(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    path.chmod(0o600)
    return str(path)


def test_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: f"typed at {prompt}")
    assert password_of("x.key") == "typed at Password of x.key: "
    monkeypatch.setenv("EVMTHREAD_PASSWORD", "")
    assert password_of("x.key") == ""
    monkeypatch.setenv("EVMTHREAD_PASSWORD", "from the environment")
    assert password_of("x.key") == "from the environment"
    monkeypatch.setenv("EVMTHREAD_PASSWORD_FILE", private(tmp_path / "a", b"from its file"))
    assert password_of("x.key") == "from its file"
    assert password_of("x.key", password_file=private(tmp_path / "b", b"from a file\n")) == "from a file"


@pytest.mark.parametrize(
    ("content", "password"),
    [(b"", ""), (b"\n", ""), (b" a b \n", " a b "), (b"a\r\nb", "a"), ("p\u00e4ss\n".encode(), "p\u00e4ss")],
)
def test_the_first_line_of_a_file(tmp_path: Path, content: bytes, password: str) -> None:
    assert password_of("x.key", password_file=private(tmp_path / "word", content)) == password


def test_files_that_hold_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BackendError, match="No such file"):
        password_of("x.key", password_file=str(tmp_path / "none"))
    with pytest.raises(InvalidInput, match="not UTF-8") as caught:
        password_of("x.key", password_file=private(tmp_path / "bytes", b"sesame\xff\n"))
    assert "sesame" not in str(caught.value) + repr(caught.value.__context__)
    with pytest.raises(InvalidInput, match="more than 4096"):
        password_of("x.key", password_file=private(tmp_path / "long", b"x" * 4097))
    open_to_all = tmp_path / "open"
    open_to_all.write_bytes(b"word")
    open_to_all.chmod(0o644)
    assert capsys.readouterr().err == ""
    assert password_of("x.key", password_file=str(open_to_all)) == "word"
    assert "can be read by others" in capsys.readouterr().err


def test_a_new_one_is_typed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["one", "one", "one", "two"])
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(typed))
    assert password_of("x.key", new=True) == "one"
    with pytest.raises(InvalidInput, match="differ") as caught:
        password_of("x.key", new=True)
    assert "one" not in str(caught.value)


ASK = "from evmthread.commands.passwords import password_of; print('got', password_of('x.key'))"


def test_without_a_terminal_nobody_is_asked() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK], input="sesame\n", capture_output=True, text=True, start_new_session=True
    )
    assert done.returncode == 1
    assert "no terminal to ask" in done.stderr
    assert "sesame" not in done.stdout + done.stderr


def test_what_is_typed_on_a_terminal_is_not_echoed() -> None:
    child, terminal = pty.fork()
    if not child:
        os.execv(sys.executable, [sys.executable, "-c", ASK.replace("print('got', ", "print(len(") + ")"])
    shown = b""
    while b"Password of x.key: " not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, b"sesame\n")
    try:
        while part := os.read(terminal, 1024):
            shown += part
    except OSError:  # how Linux says that the other side is gone
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert b"sesame" not in shown
    assert shown.split() == [b"Password", b"of", b"x.key:", b"6"]
