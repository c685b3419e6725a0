"""What is special about states in files: reopening, history, pruning, other writers, damage."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event
from time import sleep

import pytest
import rlp
from trie.hexary import HexaryTrie

from evmthread.errors import BackendError, InvalidInput
from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.world import World
from evmthread.merkle.eip1186 import verify_eth_get_proof
from evmthread.merkle.trie import EMPTY_ROOT, MissingNodeError
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import ZERO_HASH
from evmthread.state.lmdb import LmdbState
from evmthread.state.memory import MemoryState
from evmthread.state.sqlite import SqliteState
from evmthread.state.store import CorruptState, NotAState, StateBusy
from evmthread.state.stored import StateNotKept, StoredState
from evmthread.state.view import Account, AccountChange, ConflictingChanges, StateChanges
from tests.assembler import assemble
from tests.state.changes import ADDRESSES, Told, changes_between, memory_of

A, B = ADDRESSES[:2]
Open = Callable[..., StoredState]


@pytest.fixture(params=[SqliteState, LmdbState])
def kind(request: pytest.FixtureRequest) -> Open:
    return request.param  # type: ignore[no-any-return]


def random_told(generator: random.Random, slots: int = 30) -> dict[bytes, Told]:
    told: dict[bytes, Told] = {}
    for address in ADDRESSES:
        if generator.random() < 0.8:
            account = Account(generator.randrange(5), generator.getrandbits(200), keccak256(b"\x60\x01"))
            keys = generator.sample(range(100), generator.randrange(slots))
            told[address] = (account, {key: generator.getrandbits(256) | 1 for key in keys})
    return told


def fill(state: StoredState, seed: int, steps: int) -> list[dict[bytes, Told]]:
    """Applies random states, one after the other; returns all, the empty one first."""
    generator = random.Random(seed)
    history: list[dict[bytes, Told]] = [{}]
    for _ in range(steps):
        history.append(random_told(generator))
        state.apply(changes_between(history[-2], history[-1]), check=True)
    return history


def assert_is(state: StoredState, told: dict[bytes, Told]) -> None:
    assert dict(state.accounts()) == {address: account for address, (account, _) in told.items()}
    for address in ADDRESSES:
        assert state.account(address) == (told[address][0] if address in told else None)
        slots = told[address][1] if address in told else {}
        assert dict(state.slots(address)) == slots
        assert [state.slot(address, key) for key in range(100)] == [slots.get(key, 0) for key in range(100)]
    assert state.root == memory_of(told).roots().root()


def test_a_state_is_there_again_when_it_is_opened_again(tmp_path: Path, kind: Open) -> None:
    with kind(tmp_path / "state") as state:
        assert (state.root, state.nonce) == (EMPTY_ROOT, 0)
        told = fill(state, 1, 5)[-1]
        state.set_block_hash(7, b"\x07" * 32)
        root = state.root
    with kind(tmp_path / "state") as state:
        assert (state.root, state.nonce) == (root, 5)
        assert (state.block_hash(7), state.block_hash(8)) == (b"\x07" * 32, ZERO_HASH)
        assert_is(state, told)
        counts: dict[str, int] = {}
        state.verify(progress=counts.__setitem__)
        assert counts["accounts verified"] == len(told)
        for number, hashed in ((-1, ZERO_HASH), (2**64, ZERO_HASH), (1, b"")):
            with pytest.raises(InvalidInput):
                state.set_block_hash(number, hashed)
    state.close()


def test_reopening_reads_a_few_nodes_and_no_more(tmp_path: Path) -> None:
    with SqliteState(tmp_path / "state", durable=False) as state:
        slots = {key: (0, key + 1) for key in range(5000)}
        state.apply(StateChanges({A: AccountChange(None, Account(1, 1), slots)}, {}))
    with SqliteState(tmp_path / "state", durable=False) as state:
        change = AccountChange(Account(1, 1), Account(1, 1), {key: (key + 1, 7) for key in range(10)})
        state.apply(StateChanges({A: change}, {}))
        assert state._nodes.read < 100
        memory = MemoryState()
        values = {key: 7 if key < 10 else key + 1 for key in range(5000)}
        memory.set_account(A, nonce=1, balance=1, storage=values)
        assert state.root == memory.roots().root()


def test_memory_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evmthread.state.stored.NODES_IN_MEMORY", 20)
    with SqliteState(tmp_path / "state", durable=False) as state:
        told = fill(state, 2, 6)[-1]
        before = state.roots()
        assert_is(state, told)
        state._nodes.read = 21
        assert state.roots() is not before
        assert state.roots().root() == before.root()
        state.verify()


def test_history(tmp_path: Path, kind: Open) -> None:
    with kind(tmp_path / "state", history=True) as state:
        history = fill(state, 3, 6)
        assert list(state.kept()) == list(range(7))
    with kind(tmp_path / "state", history=True) as state:
        views = [state.at(nonce) for nonce in range(7)]
        state.apply(StateChanges({b"\x77" * 20: AccountChange(None, Account(1, 1))}, {}), nonce=20)
        for nonce, (view, told) in enumerate(zip(views, history, strict=True)):
            assert (view.nonce, view.root) == (nonce, memory_of(told).roots().root())
            for address in ADDRESSES:
                account, slots = told.get(address, (None, {}))
                assert view.account(address) == account
                assert view.has_storage(address) is bool(slots)
                assert [view.slot(address, key) for key in range(100)] == [slots.get(key, 0) for key in range(100)]
                said = view.proof(address, range(0, 100, 9))
                proven = verify_eth_get_proof(said, view.root, address, range(0, 100, 9))  # type: ignore[arg-type]
                assert (proven is None) is (account is None)
            assert view.code(keccak256(b"\x60\x01")) == b"\x60\x01"
            assert view.block_hash(1) == ZERO_HASH
        assert list(state.kept()) == [*range(7), 20]
        for nonce in (7, 19, 21, -1, 2**64):
            with pytest.raises(StateNotKept):
                state.at(nonce)
        for nonce in (20, 3, 2**64):
            with pytest.raises(InvalidInput):
                state.apply(StateChanges({}, {}), nonce=nonce)


def test_proofs_of_a_kept_state_are_those_of_the_trie_package(tmp_path: Path, kind: Open) -> None:
    with kind(tmp_path / "state") as state:
        told = fill(state, 8, 3)[-1]
        reference = HexaryTrie({}, prune=True)
        for address, (account, slots) in told.items():
            storage = HexaryTrie({}, prune=True)
            for key, value in slots.items():
                storage[keccak256(key.to_bytes(32, "big"))] = rlp.encode(value)
            leaf = [account.nonce, account.balance, storage.root_hash, account.code_hash]
            reference[keccak256(address)] = rlp.encode(leaf)
        assert state.root == reference.root_hash
        for address in ADDRESSES:
            nodes = [rlp.encode(node) for node in reference.get_proof(keccak256(address))]
            assert state.proof(address)["accountProof"] == ["0x" + node.hex() for node in nodes]


def test_pruning_leaves_what_is_kept(tmp_path: Path, kind: Open) -> None:
    with kind(tmp_path / "state", history=True) as state:
        history = fill(state, 4, 8)
        old = state.at(2)
        size = sum(1 for _ in state.store.scan("node"))
        assert state.prune(keep_from=5) > 0
        assert list(state.kept()) == [5, 6, 7, 8]
        assert sum(1 for _ in state.store.scan("node")) < size
        for nonce in range(5, 9):
            past = state.at(nonce)
            for address in ADDRESSES:
                account, slots = history[nonce].get(address, (None, {}))
                assert past.account(address) == account
                assert [past.slot(address, key) for key in range(100)] == [slots.get(key, 0) for key in range(100)]
        with pytest.raises(StateNotKept):
            state.at(4)
        with pytest.raises(MissingNodeError):
            [old.slot(address, key) for address in ADDRESSES for key in range(100)]
        assert state.prune() > 0
        assert list(state.kept()) == [8]
        assert state.prune() == 0
        state.verify()
        # The same states again: their nodes are written anew.
        state.apply(changes_between(history[8], history[1]))
        assert_is(state, history[1])
        state.verify()


def test_pruning_does_nothing_when_it_is_cut_off_by_another_writer(tmp_path: Path) -> None:
    with SqliteState(tmp_path / "state") as state:
        told = fill(state, 5, 3)[-1]
        with SqliteState(tmp_path / "state") as other:
            other.apply(StateChanges({b"\x77" * 20: AccountChange(None, Account(1, 1))}, {}))
            with pytest.raises(StateBusy, match="written by another process"):
                state.prune()
            with pytest.raises(StateBusy, match="written by another process"):
                state.apply(changes_between(told, {}))
            other.verify()
            assert other.nonce == 4


def test_a_reader_keeps_what_it_saw(tmp_path: Path) -> None:
    with SqliteState(tmp_path / "state") as state:
        history = fill(state, 6, 3)
        with SqliteState(tmp_path / "state", read_only=True) as reader:
            state.apply(changes_between(history[-1], {}))
            assert_is(reader, history[-1])
            reader.verify()
            with pytest.raises(InvalidInput, match="read only"):
                reader.apply(changes_between(history[-1], {}))
        with SqliteState(tmp_path / "state", read_only=True) as reader:
            assert_is(reader, {})
    with pytest.raises(BackendError, match="No such file"):
        SqliteState(tmp_path / "nothing", read_only=True)
    with pytest.raises(BackendError, match="doesn't exist"):
        LmdbState(tmp_path / "nothing", read_only=True)


def test_threads_read_while_an_lmdb_file_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evmthread.state.lmdb._FIRST_MAP_BYTES", 1 << 17)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    is_over = Event()
    account = Account(1, 1)
    with LmdbState(tmp_path / "state", durable=False) as state, ThreadPoolExecutor(4) as pool:

        def read() -> int:
            most = 0
            while not is_over.is_set():
                assert state.block_hash(1) == ZERO_HASH
                most = max(most, sum(1 for _ in state.store.scan("slot")))
            return most

        readers = [pool.submit(read) for _ in range(4)]
        try:
            for number in range(8):
                slots = {key: (0, key) for key in range(number * 500 + 1, number * 500 + 501)}
                state.apply(StateChanges({A: AccountChange(account if number else None, account, slots)}, {}))
        finally:
            is_over.set()
            sys.setswitchinterval(interval)
        assert all(reader.result() for reader in readers)
        assert state.store._environment.info()["map_size"] > 1 << 20  # type: ignore[attr-defined]


READER = """
import sys
from evmthread.state.lmdb import LmdbState

with LmdbState(sys.argv[1], read_only=sys.argv[2] == "reads") as state:
    for line in sys.stdin:
        if line == "write\\n":
            state.set_block_hash(2, bytes(32))
        print(state.slot(bytes.fromhex(sys.argv[3]), 1), sum(1 for _ in state.store.scan("code")), flush=True)
"""


@pytest.mark.parametrize("asked", ["reads", "write"])
def test_another_process_sees_an_lmdb_file_grow(tmp_path: Path, asked: str) -> None:
    with LmdbState(tmp_path / "state") as state:
        state.apply(StateChanges({A: AccountChange(None, Account(1, 1), {1: (0, 7)})}, {}))
        command = [sys.executable, "-c", READER, str(tmp_path / "state"), asked, A.hex()]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdin is not None
            assert other.stdout is not None
            other.stdin.write("read\n")
            other.stdin.flush()
            assert other.stdout.readline() == "7 0\n"
            codes = [bytes([number]) * (1 << 24) for number in range(1, 6)]  # more than the first map
            state.apply(StateChanges({}, {keccak256(code): code for code in codes}))
            other.stdin.write(asked + "\n")
            other.stdin.close()
            assert other.stdout.readline() == "7 5\n"
        assert other.returncode == 0


@pytest.mark.parametrize("number", [2**64 - 1, 2**64, 2**64 + 1, 2**256 - 1])
def test_blocks_of_any_number_have_a_hash_or_none(tmp_path: Path, kind: Open, number: int) -> None:
    with kind(tmp_path / "state") as state:
        state.set_block_hash(2**64 - 2, b"\x05" * 32)
        kept = state.at(0)
        world = World(view=state, environment=BlockEnvironment(number=number))
        world.set_code(A, assemble("PUSH1 1 NUMBER SUB BLOCKHASH PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN"))
        want = b"\x05" * 32 if number == 2**64 - 1 else ZERO_HASH
        assert (
            world.call(A, b"", sender=B).output == want == state.block_hash(number - 1) == kept.block_hash(number - 1)
        )
        assert state.block_hash(-1) == ZERO_HASH


def test_two_threads_write_one_after_the_other(tmp_path: Path, kind: Open) -> None:
    """On one connection the second would end the transaction of the first, in its middle, or find it in its way."""
    with ThreadPoolExecutor(1) as pool, kind(tmp_path / "state") as state:
        second: list[Future[None]] = []

        def begin_the_second(step: int) -> None:
            if step == 1 and not second:
                second.append(pool.submit(state.set_block_hash, 5, b"\x05" * 32))
                wait(second, 0.2)

        state.store.before_step = begin_the_second
        state.apply(StateChanges({A: AccountChange(None, Account(1, 1), {1: (0, 7)})}, {}))
        second[0].result()
        state.store.before_step = None
        state.verify()
        assert (state.block_hash(5), state.slot(A, 1)) == (b"\x05" * 32, 7)


def test_changes_of_another_state_are_refused(tmp_path: Path, kind: Open) -> None:
    with kind(tmp_path / "state") as state:
        told = fill(state, 7, 2)[-1]
        with pytest.raises(ConflictingChanges):
            state.apply(changes_between({}, told), check=True)
        assert_is(state, told)


@pytest.mark.parametrize("size", [0, 50, 5000])
def test_what_is_no_state_is_refused(tmp_path: Path, kind: Open, size: int) -> None:
    (tmp_path / "state").write_bytes(random.Random(size).randbytes(size))
    with pytest.raises(BackendError):
        kind(tmp_path / "state")
    assert (tmp_path / "state").stat().st_size == size


def test_another_database_is_no_state(tmp_path: Path) -> None:
    import sqlite3

    import lmdb

    connection = sqlite3.connect(tmp_path / "sqlite")
    connection.execute("CREATE TABLE meta (key, value)")
    connection.close()
    with pytest.raises(NotAState):
        SqliteState(tmp_path / "sqlite")
    with lmdb.open(str(tmp_path / "lmdb"), subdir=False) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"a", b"b")
    with pytest.raises(NotAState):
        LmdbState(tmp_path / "lmdb")


def read_all(path: Path, kind: Open, told: dict[bytes, Told]) -> bool:
    """Whether damage was told; fails when something else than what was written is read without an error."""
    try:
        with kind(path) as state:
            assert_is(state, told)
            state.verify()
    except BackendError:
        return True
    return False


def test_a_flipped_byte_never_gives_wrong_data(tmp_path: Path) -> None:
    with SqliteState(tmp_path / "whole") as state:
        told = fill(state, 9, 3)[-1]
        state.prune()
    whole = (tmp_path / "whole").read_bytes()
    generator = random.Random(10)
    found = 0
    for _ in range(80):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        (tmp_path / "state").write_bytes(damaged)
        for rest in ("-wal", "-shm"):
            (tmp_path / f"state{rest}").unlink(missing_ok=True)
        found += read_all(tmp_path / "state", SqliteState, told)
    assert found > 8  # the rest hit free space


@pytest.mark.parametrize("read_only", [False, True])
def test_a_schema_that_is_no_text_is_told(tmp_path: Path, read_only: bool) -> None:
    """SQLite quotes it in its message, which Python then can't read."""
    SqliteState(tmp_path / "state").close()
    data = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(data.replace(b"CREATE TABLE ", b"CREATE TABL\xc5 ", 1))
    with pytest.raises(CorruptState):
        SqliteState(tmp_path / "state", read_only=read_only)


def test_a_lost_record_is_told(tmp_path: Path, kind: Open) -> None:
    with kind(tmp_path / "whole") as state:
        told = fill(state, 11, 3)[-1]
        state.prune()
    address = next(address for address, (_, slots) in told.items() if slots)
    place = address + next(iter(told[address][1])).to_bytes(32, "big")
    losses = [("slot", place), ("account", address), ("meta", b"tip"), ("node", state.root)]
    for table, key in losses:
        shutil.copy(tmp_path / "whole", tmp_path / "state")
        with kind(tmp_path / "state") as state:
            state.store.write([(table, key, None)])
        assert read_all(tmp_path / "state", kind, told), table
        (tmp_path / "state").unlink()


def test_a_changed_record_is_told(tmp_path: Path, kind: Open) -> None:
    with kind(tmp_path / "whole") as state:
        told = fill(state, 12, 3)[-1]
        state.prune()
        rows = [(table, *next(iter(state.store.scan(table)))) for table in ("slot", "account", "meta", "node", "code")]
    for table, key, value in rows:
        shutil.copy(tmp_path / "whole", tmp_path / "state")
        with kind(tmp_path / "state") as state:
            state.store.write([(table, key, value[:-1] + bytes((value[-1] ^ 1,)))])
        assert read_all(tmp_path / "state", kind, told), table
        (tmp_path / "state").unlink()


def test_a_torn_file_is_told(tmp_path: Path, kind: Open) -> None:
    with kind(tmp_path / "whole") as state:
        told = fill(state, 13, 4)[-1]
        state.prune()
    size = (tmp_path / "whole").stat().st_size
    for part in (size - 1, size - 4096, size // 2, 8192, 4096, 100):
        shutil.copy(tmp_path / "whole", tmp_path / "state")
        os.truncate(tmp_path / "state", part)
        assert read_all(tmp_path / "state", kind, told), part
        (tmp_path / "state").unlink()


class OneAtATime:
    """A connection that takes its time, and counts statements that begin before the one before has ended."""

    def __init__(self, connection: object) -> None:
        self.connection = connection
        self.inside = 0
        self.overlaps = 0

    def execute(self, *arguments: object) -> object:
        self.overlaps += self.inside > 0
        self.inside += 1
        try:
            sleep(0.002)
            return self.connection.execute(*arguments)  # type: ignore[attr-defined]
        finally:
            self.inside -= 1


def test_threads_do_not_share_a_statement(tmp_path: Path) -> None:
    """From CPython 3.12 on two that did would find each other's row, or none."""
    state = SqliteState(tmp_path / "state", durable=False)
    codes = {keccak256(code): code for code in (bytes([number]) * 40 for number in range(4))}
    state.apply(StateChanges({A: AccountChange(None, Account(1, 1))}, codes))

    def read(code_hash: bytes) -> set[bytes]:
        return {state.code(code_hash) for _ in range(3000)}

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(read, codes)) == [{code} for code in codes.values()]
    finally:
        sys.setswitchinterval(interval)
    # CPython 3.11 forgives it: so this, too.
    store = state.store
    watched = OneAtATime(store._connection)  # type: ignore[attr-defined]
    store._connection = watched  # type: ignore[attr-defined]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda each: (state.code(each), next(iter(store.scan("code")))[0]), codes))
    assert [code for code, _ in found] == list(codes.values())
    assert watched.overlaps == 0
    store._connection = watched.connection  # type: ignore[attr-defined]
    state.close()
