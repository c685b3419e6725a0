"""`evmthread statetest`: what it prints, where, and how it ends, whatever it is fed."""

import copy
import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.cli import main
from tests.conformance.test_sample import SAMPLE
from tests.testing.samples import CONTRACT, state_test, write_json, write_lines

Captured = pytest.CaptureFixture[str]
VALID = state_test()


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_json(tmp_path / "good.json", {"one": VALID, "two": VALID})


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    test = copy.deepcopy(VALID)
    test["post"]["Cancun"][0]["hash"] = "0x" + "11" * 32
    return write_json(tmp_path / "bad.json", {"wrong": test})


def test_the_array_is_geths(good: Path, capsys: Captured) -> None:
    assert main(["statetest", str(good), "--fork", "Cancun", "--index", "0", "--run", "^o"]) == 0
    output, errors = capsys.readouterr()
    root = VALID["post"]["Cancun"][0]["hash"]
    # Go's json.MarshalIndent with two spaces, fields in the order of the struct, empty ones left out.
    assert output == (
        f'[\n  {{\n    "name": "one",\n    "pass": true,\n    "stateRoot": "{root}",\n    "fork": "Cancun"\n  }}\n]\n'
    )
    # As geth's, the root also goes to whoever reads standard error; then comes our summary.
    assert errors.startswith(f'{{"stateRoot": "{root}"}}\n1 cases: 1 passed, 0 failed')


def test_a_failure_has_its_error_and_exit_code_1(bad: Path, capsys: Captured) -> None:
    assert main(["statetest", str(bad)]) == 1
    output, errors = capsys.readouterr()
    results = json.loads(output)
    assert [result["pass"] for result in results] == [False, True, True]
    assert list(results[0]) == ["name", "pass", "stateRoot", "fork", "error"]
    got = results[0]["stateRoot"].removeprefix("0x")
    assert results[0]["error"] == f"post state root mismatch: got {got}, want {'11' * 32}"
    assert "FAILED" in errors
    assert main(["statetest", str(bad), "--exit-zero"]) == 0


def test_jsonl_has_a_line_for_each_case_and_the_counts(good: Path, bad: Path, capsys: Captured) -> None:
    assert main(["statetest", "--jsonl", str(good), str(bad)]) == 1
    *cases, counts = map(json.loads, capsys.readouterr().out.splitlines())
    assert len(cases) == 9
    assert set(cases[0]) == {
        *("name", "file", "suite", "fork", "index", "pass", "stateRoot", "logsHash", "gasUsed", "error"),
    }
    assert (cases[0]["name"], cases[0]["file"], cases[0]["gasUsed"]) == ("one", str(good), 23845)
    assert (counts["cases"], counts["passed"], counts["failed"], counts["unreadable"]) == (9, 8, 1, 0)


def test_workers_print_the_same(good: Path, bad: Path, capsys: Captured) -> None:
    arguments = ["statetest", str(good.parent)]
    assert main(arguments) == 1
    alone = capsys.readouterr().out
    assert main([*arguments, "--workers", "2"]) == 1
    assert capsys.readouterr().out == alone


def test_names_fork_aliases_and_nothing_at_all(good: Path, capsys: Captured) -> None:
    assert main(["statetest", str(good), "--name", "two", "--fork", "BERLIN"]) == 0
    assert [case["name"] for case in json.loads(capsys.readouterr().out)] == ["two"]
    assert main(["statetest", str(good), "--name", "tw"]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_the_dump_is_the_state_afterwards(tmp_path: Path, capsys: Captured) -> None:
    test = copy.deepcopy(VALID)
    test["pre"][CONTRACT]["storage"] = {"0x07": "0x05", "0x08": "0x0100"}
    path = write_json(tmp_path / "a.json", {"one": test})
    assert main(["statetest", str(path), "--name", "one", "--fork", "Cancun", "--index=0", "--dump"]) == 1
    (result,) = json.loads(capsys.readouterr().out)
    state = result["state"]
    assert "0x" + state["root"] == result["stateRoot"]
    # Addresses with their checksums, in the order of their text; balances in decimals; values of storage as bytes.
    assert list(state["accounts"]) == sorted(state["accounts"])
    account = state["accounts"]["0x095E7BAea6a6c7c4c2DfeB977eFac326aF552d87"]
    assert list(account) == ["balance", "nonce", "root", "codeHash", "code", "storage", "address", "key"]
    assert account["balance"] == "1"
    assert account["code"] == VALID["pre"][CONTRACT]["code"]
    assert account["address"] == CONTRACT
    assert account["storage"] == {"0x" + "00" * 31 + "07": "05", "0x" + "00" * 31 + "08": "0100"}


def test_traces_are_eip_3155_lines_on_standard_error(good: Path, capsys: Captured) -> None:
    driver = ["statetest", "--trace", "--trace.format=json", "--trace.nomemory=true", "--trace.noreturndata=true"]
    assert main([*driver, "--name", "one", "--statetest.fork=Cancun", "--statetest.index=0", str(good)]) == 0
    output, errors = capsys.readouterr()
    *steps, end, root = map(json.loads, errors.splitlines())
    assert [step["opName"] for step in steps] == [
        *("CALLDATASIZE", "PUSH1", "SSTORE", "PUSH1", "PUSH1", "LOG0", "STOP"),
    ]
    assert list(steps[0]) == ["pc", "op", "gas", "gasCost", "memSize", "stack", "depth", "refund", "opName"]
    assert steps[2] == {
        "pc": 3,
        "op": 0x55,
        "gas": hex(100_000 - 21_000 - 5),
        "gasCost": hex(2_200),
        "memSize": 0,
        "stack": ["0x0", "0x0"],
        "depth": 1,
        "refund": 0,
        "opName": "SSTORE",
    }
    assert end == {"output": "", "gasUsed": hex(23_845 - 21_000)}
    assert root == {"stateRoot": json.loads(output)[0]["stateRoot"]}


def test_file_names_from_standard_input(good: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{good}\n{good}\n\nnever read\n"))
    assert main(["statetest", "--name", "one", "--fork", "Berlin"]) == 0
    output, errors = capsys.readouterr()
    assert output.count('"name": "one"') == 2
    assert errors.count('{"stateRoot": "0x') == 2


def test_a_driver_of_geths_evm_can_drive_it(good: Path, bad: Path) -> None:
    """As goevmlab does: one process, file names in, trace lines until a state root comes, then the next file."""
    command = [sys.executable, "-m", "evmthread", "statetest", "--trace", "--trace.format=json",
               "--trace.nomemory=true", "--trace.noreturndata=true", "--exit-zero"]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for path, fork in ((good, "Cancun"), (bad, "Cancun"), (good, "Cancun")):
            process.stdin.write(f"{path}\n".encode())
            process.stdin.flush()
            lines = []
            while "stateRoot" not in (line := json.loads(process.stderr.readline())):
                lines.append(line)
            assert line == {"stateRoot": VALID["post"][fork][0]["hash"]}
            assert [step.get("opName") for step in lines] == [
                *("CALLDATASIZE", "PUSH1", "SSTORE", "PUSH1", "PUSH1", "LOG0", "STOP", None),
            ]
            # The roots of the other cases of the file, which such a driver's own files don't have.
            for _ in range(2 if path == bad else 5):
                while "stateRoot" not in json.loads(process.stderr.readline()):
                    pass
        process.stdin.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait() == 0


def test_the_root_of_one_file_goes_to_standard_error_too(good: Path, tmp_path: Path, capsys: Captured) -> None:
    lines = write_lines(tmp_path / "x.jsonl.gz", [{"name": "a", "file": "f", "suite": "s"} | VALID])
    for arguments, roots in (([good], 6), ([good, good], 0), ([good, "--jsonl"], 0), ([lines], 0), ([good.parent], 0)):
        assert main(["statetest", *map(str, arguments)]) == 0
        assert capsys.readouterr().err.count('{"stateRoot": "0x') == roots, arguments


def test_the_flags_of_geth_mean_what_they_mean_there(good: Path, capsys: Captured) -> None:
    everything = ["--statetest.index", "-1", "--trace.format", "json", "--nostorage"]
    assert main(["statetest", *everything, str(good)]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 6
    with pytest.raises(SystemExit, match="2"):
        main(["statetest", "--trace", "--trace.format=struct", str(good)])
    assert "invalid choice: 'struct'" in capsys.readouterr().err


def test_a_failing_instruction_in_a_trace_is_told_in_geths_words(tmp_path: Path, capsys: Captured) -> None:
    test = copy.deepcopy(VALID)
    test["pre"][CONTRACT]["code"] = "0x600101"
    test["post"] = {"Cancun": test["post"]["Cancun"][:1]}
    assert main(["statetest", "--trace", str(write_json(tmp_path / "a.json", {"a": test}))]) == 1
    *_, step, end, _root = map(json.loads, capsys.readouterr().err.splitlines())
    assert step["error"] == end["error"] == "stack underflow (1 <=> 2)"
    assert (step["opName"], step["gasCost"], end["gasUsed"]) == ("ADD", "0x3", hex(100_000 - 21_000))


def test_hostile_folders(tmp_path: Path, capsys: Captured) -> None:
    good = write_json(tmp_path / "good.json", {"one": VALID})
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "nowhere.json").symlink_to("none")
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(good.read_bytes())[:-9])
    (tmp_path / "latin.json").write_bytes(b'{"a": "\xe9"}')
    for workers in ("1", "2"):
        assert main(["statetest", str(tmp_path), "--workers", workers]) == 2
        output, errors = capsys.readouterr()
        assert len(json.loads(output)) == 3
        complaints = [line for line in errors.splitlines() if line.startswith("evmthread: ")]
        assert sorted(line.removeprefix(f"evmthread: {tmp_path}/").partition(": ")[2][:19] for line in complaints) == [
            *("No such file or dir", "no regular file", "not JSON: 'utf-8' c", "truncated gzip file"),
        ]


def test_file_names_that_are_no_text_and_lines_that_are_too_long(good: Path) -> None:
    command = [sys.executable, "-m", "evmthread", "statetest", "--name", "one"]
    names = b"\xff\xfe.json\n" + b"x" * 5000 + b"\n" + b"a\0b\n" + str(good).encode() + b"\n"
    done = subprocess.run(command, input=names, capture_output=True, timeout=60)
    assert done.returncode == 2
    assert done.stdout.count(b'"name": "one"') == 3
    assert done.stderr.count(b"evmthread: ") == 3
    assert b"Traceback" not in done.stderr


def test_what_a_fixture_says_is_cut_short(tmp_path: Path, capsys: Captured) -> None:
    test = copy.deepcopy(VALID)
    test["transaction"]["nonce"] = "0x" + "f" * 10**5
    test["post"]["Cancun"][0]["indexes"]["data"] = "9" * 10**5
    name = "n" * 10**5
    assert main(["statetest", str(write_json(tmp_path / "a.json", {name: test})), "--progress"]) == 2
    output, errors = capsys.readouterr()
    assert "internal error" not in output
    assert max(map(len, errors.splitlines())) < 2500
    assert len(errors.splitlines()) < 10


def test_a_sample_of_every_kind_passes(capsys: Captured) -> None:
    paths = [str(SAMPLE / f"{suite}.jsonl.gz") for suite in ("rlp", "trie", "abi", "vm", "transaction")]
    assert main(["statetest", *paths]) == 0
    assert len(json.loads(capsys.readouterr().out)) > 2000


def test_a_folder_may_hold_other_json(good: Path, capsys: Captured) -> None:
    write_json(good.parent / "index.json", {"a": {"tests": 3}, "b": {"tests": 4}})
    assert main(["statetest", str(good.parent)]) == 0
    assert "2 tests of other kinds passed over" in capsys.readouterr().err
    assert main(["statetest", str(good.parent / "index.json")]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["statetest", "none.json"],
        ["statetest", ".", "--fork", "Atlantis"],
        ["statetest", ".", "--run", "("],
        ["statetest", ".", "--workers", "0"],
        ["statetest", ".", "--workers", "99999"],
    ],
)
def test_what_can_not_be_read_is_one_line_and_exit_code_2(arguments: list[str], tmp_path: Path, capsys: Captured,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    complaints = [line for line in capsys.readouterr().err.splitlines() if line.startswith("evmthread: ")]
    assert len(complaints) == 1


def test_one_broken_test_hides_no_other(tmp_path: Path, capsys: Captured) -> None:
    lines = [{"name": name, "file": "f", "suite": "s"} | VALID for name in ("a", "b", "c")]
    del lines[1]["pre"]
    assert main(["statetest", str(write_lines(tmp_path / "x.jsonl.gz", lines))]) == 2
    output, errors = capsys.readouterr()
    assert {case["name"] for case in json.loads(output)} == {"a", "c"}
    assert "b: a state test without pre" in errors


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**300),
    st.floats(),
    st.sampled_from(["", "0x", "0x0", "0xzz", "-0x1", "0x" + "ff" * 40, "\ud800", "Cancun", CONTRACT]),
    st.sampled_from(["9" * 900, "9" * 5000, "0x" + "f" * 10**5, " 5", "1_0"]),
    st.text(max_size=5),
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to everything in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, child in inner for place in places(child, (*path, key))]


@settings(max_examples=300)
@given(data=st.data())
def test_no_fixture_however_hostile_brings_more_than_one_line(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    test = copy.deepcopy(VALID)
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(places(test)))
        parent: Any = test
        for key in path:
            parent = parent[key]
        change = data.draw(st.sampled_from(["replace", "delete"]))
        if change == "replace":
            parent[last] = data.draw(JSON)
        else:
            del parent[last]
        if not places(test):
            break
    path = tmp_path_factory.mktemp("hostile") / "x.json"
    path.write_text(json.dumps({"hostile": test}))
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        patch.setattr(sys, "stderr", errors)
        code = main(["statetest", str(path)])
    assert code in (0, 1, 2)
    assert "internal error" not in output.getvalue()
    assert "Traceback" not in errors.getvalue()
    assert (code == 2) == ("evmthread: " in errors.getvalue())


def test_an_interrupted_pipe_is_no_traceback(good: Path) -> None:
    command = [sys.executable, "-m", "evmthread", "statetest", str(SAMPLE / "transaction.jsonl.gz")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
