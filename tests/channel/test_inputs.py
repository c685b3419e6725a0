"""The rules that only running an input can check: each broken one names the input and leaves the thread as it was."""

import pytest

from evmthread.channel.errors import InvalidBatch, MissingAccount
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.party import SignedInput
from evmthread.channel.thread import Thread
from evmthread.commit import BREAKPOINT_TOPIC, DIALECT, EMPTY_TRIE_ROOT, TRAP_ADDRESS, InputKind
from evmthread.commit.refusals import IllFormedBatch, IllFormedTerms, Refusal, WrongSignature
from evmthread.primitives.keccak import keccak256
from evmthread.state.memory import MemoryState
from tests.assembler import assemble
from tests.channel.games import CREATE_GAS, DEPOSIT, START, Match, ruleset
from tests.channel.independent import receipts_root, state_root

STORE = assemble("PUSH 32 CALLDATALOAD PUSH 0 CALLDATALOAD SSTORE STOP")
ABSENT = "0x" + "ab" * 20
TRAP = "0x" + TRAP_ADDRESS.hex()


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


def opened(program: str | bytes, **rules: object) -> Match:
    """A thread on this code whose genesis is agreed."""
    match = Match(assemble(program) if isinstance(program, str) else program, rules=ruleset(**rules))
    match.agree()
    return match


def refused(match: Match, *inputs: SignedInput, kind: type[Refusal] = InvalidBatch) -> Refusal:
    """The refusal of a batch; the thread is as it was."""
    before = match.thread.execute(match.batch([]))
    with pytest.raises(kind) as caught:
        match.thread.prepare(match.batch(inputs))
    assert match.thread.prepared is None
    assert match.thread.execute(match.batch([])) == before
    return caught.value


# Transactions -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"nonce": 1}, "nonce too high: expected 0: got 1"),
        ({"gas": 21_020}, "gas limit below the calldata floor"),
        ({"gas": 20_999}, "gas limit below the intrinsic gas"),
        ({"gas": 2**24 + 1}, "gas limit above the transaction cap"),
        ({"value": DEPOSIT + 1}, "can't pay"),
    ],
)
def test_what_no_transaction_may_be_makes_the_batch_invalid(changes: dict[str, object], rule: str) -> None:
    match = opened("STOP")
    data = b"" if changes.get("gas") == 20_999 else b"\1"
    error = refused(match, match.input(0), match.input(1, data, **changes))
    assert isinstance(error, InvalidBatch)
    assert (error.index, error.nonce, error.ends_batch) == (1, 1, False)
    assert rule in str(error)


def test_a_used_nonce_makes_the_batch_invalid() -> None:
    match = opened("STOP")
    match.call(0)
    assert "input 0: nonce too low: expected 1: got 0" in str(refused(match, match.input(0, nonce=0)))


@pytest.mark.parametrize("gas", [30_000_001, 2**64 - 1])
def test_input_gas_is_at_most_batch_gas(gas: int) -> None:
    match = opened("STOP")
    assert "batchGas" in str(refused(match, match.input(0, gas=gas), kind=IllFormedBatch))


def test_running_out_of_gas_is_a_valid_input() -> None:
    match = opened("loop: PUSH @loop JUMP")
    commitment = match.call(0, gas=100_000).commitment
    assert commitment.gas_used == 100_000
    assert commitment.receipts_root == receipts_root([(0, 100_000, [])])


def test_the_gas_of_a_batch_is_what_its_inputs_used() -> None:
    # Each input may use 60,000 of the batch's 130,000; together two of them fit, three don't.
    match = opened("loop: PUSH @loop JUMP", batch_gas=130_000)
    inputs = [match.input(0, nonce=number, gas=60_000) for number in range(3)]
    assert match.thread.execute(match.batch(inputs[:2])).gas_used == 120_000
    error = refused(match, *inputs)
    assert isinstance(error, InvalidBatch)
    assert (error.index, error.got, error.ends_batch) == (2, 180_000, True)
    full = opened("STOP", batch_gas=42_000)
    inputs = [full.input(0, nonce=number, gas=21_000) for number in range(2)]
    assert full.agree(*inputs).commitment.gas_used == 42_000, "all of it"


def test_an_owner_who_begins_with_nothing_has_no_account() -> None:
    """Before Spurious Dragon an empty account would stay, and be in the root."""
    match = Match(STORE, rules=ruleset(fork="Homestead"), operator=b"\x0f" * 20, max_fee=100, deposits=(DEPOSIT, 50))
    first = match.terms.owners[0]
    root = state_root({first: (0, DEPOSIT - 50, {}, b""), match.thread.address: (1, 0, {}, STORE)})
    assert match.agree().commitment.state_root == root


def test_the_limits_of_the_form_of_a_batch() -> None:
    match = opened("STOP", batch_inputs=2, batch_bytes=900)
    inputs = [match.input(0, nonce=number) for number in range(3)]
    assert "at most 2 inputs" in str(refused(match, *inputs, kind=IllFormedBatch))
    assert "bytes with signatures" in str(refused(match, match.input(0, bytes(900)), kind=IllFormedBatch))
    match.agree(*inputs[:2])


def test_inputs_are_signed_by_their_actors() -> None:
    match = opened("STOP")
    own, other = match.input(0), match.input(1)
    assert "signature 0" in str(refused(match, SignedInput(own.input, other.signature), kind=WrongSignature))


# Environment --------------------------------------------------------------------------------------------------------
def test_number_and_time_never_run_backwards() -> None:
    match = opened("STOP")
    match.agree(match.input(0), environment=match.environment(START + 5, number=8))
    for environment, name in (
        (match.environment(START + 4, number=8), "timestamp"),
        (match.environment(START + 5, number=7), "number"),
    ):
        with pytest.raises(IllFormedBatch, match=name):
            match.thread.prepare(match.batch([match.input(0)], environment))
    match.agree(match.input(0), environment=match.environment(START + 5, number=8))


def test_an_empty_batch_repeats_the_environment() -> None:
    match = opened("STOP")
    for environment in (match.environment(START + 1), match.environment(number=1)):
        with pytest.raises(IllFormedBatch, match="empty batch repeats"):
            match.thread.prepare(match.batch([], environment))


# Storage slots ------------------------------------------------------------------------------------------------------
def test_the_root_contract_has_at_most_so_many_slots() -> None:
    match = opened(STORE, storage_slots=3)
    inputs = [match.input(0, words(slot, 1), nonce=slot) for slot in range(4)]
    error = refused(match, *inputs)
    assert isinstance(error, InvalidBatch)
    assert (error.index, error.got) == (3, 4)
    match.agree(*inputs[:3])
    assert "at most 3 non-zero slots: got 4" in str(refused(match, match.input(0, words(9, 1))))
    match.call(0, words(1, 2))  # another value in a slot that counts already
    match.agree(match.input(0, words(1, 0)), match.input(1, words(9, 1)))  # one freed, one taken
    refused(match, match.input(0, words(1, 1)))


def test_slots_are_counted_after_each_input() -> None:
    match = opened(STORE, storage_slots=1)
    over = [match.input(0, words(1, 1)), match.input(0, words(2, 1), nonce=1), match.input(0, words(2, 0), nonce=2)]
    assert "input 1" in str(refused(match, *over))


def test_slots_that_are_freed_in_the_input_itself_do_not_count() -> None:
    match = opened("PUSH 1 PUSH 1 SSTORE PUSH 1 PUSH 2 SSTORE PUSH 0 PUSH 1 SSTORE", storage_slots=1)
    match.call(0)
    assert match.thread.storage(2) == 1


def test_a_root_contract_that_is_gone_has_no_slots() -> None:
    match = opened("CALLDATASIZE PUSH @end JUMPI PUSH 1 PUSH 1 SSTORE STOP end: CALLER SELFDESTRUCT", fork="London")
    match.call(0, value=9)
    match.thread.prepare(match.batch([match.input(1, b"\1")]))
    prepared = match.thread.prepared
    assert prepared is not None
    assert prepared.outcome.slots == 0
    assert prepared.commitment.storage_root == EMPTY_TRIE_ROOT
    first, second = match.terms.owners
    assert prepared.commitment.balances == (DEPOSIT - 9, DEPOSIT + 9)
    owners: dict[bytes, tuple[int, int, dict[int, int], bytes]] = {
        first: (1, DEPOSIT - 9, {}, b""),
        second: (1, DEPOSIT + 9, {}, b""),
    }
    assert prepared.commitment.state_root == state_root(owners)


class Unlisted:
    """A backend that can't list an account's slots, so that a wiped storage is only said to be wiped."""

    def __init__(self) -> None:
        inner = MemoryState()
        self.account, self.code, self.slot = inner.account, inner.code, inner.slot
        self.block_hash, self.apply = inner.block_hash, inner.apply


def test_a_root_contract_that_is_gone_has_no_slots_whatever_the_backend() -> None:
    match = opened("CALLDATASIZE PUSH @end JUMPI PUSH 1 PUSH 1 SSTORE STOP end: CALLER SELFDESTRUCT", fork="London")
    match.call(0)
    thread = Thread.open(LOCAL_DOMAIN, match.terms, match.rules, code=match.code, state=Unlisted())
    for agreement, batch in match.line:
        thread.prepare(batch)
        thread.adopt(agreement)
    last = match.batch([match.input(1, b"\1")])
    assert thread.prepare(last) == match.thread.prepare(last)
    assert thread.prepared is not None
    assert thread.prepared.outcome.slots == 0


# Creations ----------------------------------------------------------------------------------------------------------
CREATE = "PUSH 0 PUSH 0 PUSH 0 CREATE POP"


def test_nothing_is_created_unless_the_ruleset_says_so() -> None:
    match = opened(CREATE)
    assert "nothing is created" in str(refused(match, match.input(0)))
    allowed = opened(CREATE, create=True)
    commitment = allowed.call(0).commitment
    first, second = allowed.terms.owners
    root = allowed.thread.address
    child = keccak256(b"\xd6\x94" + root + b"\x01")[12:]
    assert commitment.state_root == state_root(
        {
            first: (1, DEPOSIT, {}, b""),
            second: (0, DEPOSIT, {}, b""),
            root: (2, 0, {}, allowed.code),
            child: (1, 0, {}, b""),
        }
    )


def test_a_creation_that_did_not_stand_creates_nothing() -> None:
    match = opened(CREATE + " PUSH 0 PUSH 0 REVERT")
    match.call(0)
    failing = opened("PUSH 0xfe PUSH 0 MSTORE8 PUSH 1 PUSH 0 PUSH 0 CREATE POP")  # init code: INVALID
    failing.call(0)


# Missing accounts ---------------------------------------------------------------------------------------------------
def calling(kind: str, target: str, data_size: int) -> str:
    value = "PUSH 0 " if kind in ("CALL", "CALLCODE") else ""
    return f"PUSH 0 PUSH 0 PUSH {data_size} PUSH 0 {value}PUSH {target} GAS {kind} POP"


@pytest.mark.parametrize(
    ("kind", "data_size", "missing"),
    [
        ("CALL", 1, True),
        ("STATICCALL", 1, True),
        ("CALL", 0, False),
        ("STATICCALL", 0, False),
        ("DELEGATECALL", 0, True),
        ("CALLCODE", 0, True),
    ],
)
def test_calls_of_accounts_that_the_thread_does_not_hold(kind: str, data_size: int, missing: bool) -> None:
    program = calling(kind, ABSENT, data_size)
    match = opened(program)
    if missing:
        error = refused(match, match.input(0), match.input(1), kind=MissingAccount)
        assert isinstance(error, MissingAccount)
        assert (error.index, error.got) == (0, b"\xab" * 20)
        match = opened(program, empty_calls=True)
    match.call(0)


def test_a_missing_account_in_a_reverted_frame_counts() -> None:
    match = opened(calling("CALL", ABSENT, 4) + " PUSH 0 PUSH 0 REVERT")
    refused(match, match.input(0), kind=MissingAccount)


def test_a_missing_account_below_other_calls_counts() -> None:
    # The contract calls itself with one byte less of data each time; the last call goes to the absent account.
    program = f"""
        CALLDATASIZE PUSH 2 LT PUSH @deeper JUMPI
        {calling("CALL", ABSENT, 1)} STOP
        deeper: PUSH 0 PUSH 0 PUSH 1 CALLDATASIZE SUB PUSH 0 PUSH 0 ADDRESS GAS CALL STOP
    """
    match = opened(program)
    refused(match, match.input(0, bytes(40)), kind=MissingAccount)


@pytest.mark.parametrize("target", ["0x" + "00" * 19 + "04", "0x" + "00" * 18 + "0100"])
@pytest.mark.parametrize("kind", ["CALL", "DELEGATECALL"])
def test_precompiles_are_no_missing_accounts(kind: str, target: str) -> None:
    opened(calling(kind, target, 1)).call(0)


@pytest.mark.parametrize("kind", ["CALL", "STATICCALL", "DELEGATECALL", "CALLCODE"])
def test_owners_are_no_missing_accounts(kind: str) -> None:
    opened(f"PUSH 0 PUSH 0 PUSH 4 PUSH 0 {'PUSH 0 ' * (kind in ('CALL', 'CALLCODE'))}CALLER GAS {kind} POP").call(0)


def test_an_input_itself_calls_no_missing_account() -> None:
    match = opened("STOP")
    refused(match, match.input(0, b"\1", to=b"\xab" * 20), kind=MissingAccount)
    match.call(0, to=b"\xab" * 20, value=3)  # without data: a payment
    match.call(0, b"\1", to=match.terms.owners[1])


@pytest.mark.parametrize("kind", ["DELEGATECALL", "CALLCODE"])
def test_code_of_the_trap_address_is_empty(kind: str) -> None:
    value = "PUSH 0 " * (kind == "CALLCODE")
    match = opened(
        f"PUSH 0 PUSH 0 PUSH 4 PUSH 0 {value}PUSH {TRAP} GAS {kind} PUSH 0 SSTORE RETURNDATASIZE PUSH 1 SSTORE"
    )
    match.call(0)
    assert (match.thread.storage(0), match.thread.storage(1)) == (1, 0)


def test_the_trap_address_is_warm_from_the_start() -> None:
    def gas(address: str) -> int:
        return opened(f"PUSH {address} BALANCE POP").call(0).commitment.gas_used

    assert gas(ABSENT) - gas(TRAP) == 2_500  # EIP-2929: a cold account


def test_before_byzantium_there_is_no_trap() -> None:
    match = opened(calling("CALL", TRAP, 64), fork="SpuriousDragon")
    match.call(0)


# Memory -------------------------------------------------------------------------------------------------------------
def test_the_memory_of_all_open_frames_is_bounded() -> None:
    match = opened("PUSH 1 PUSH 0 CALLDATALOAD MSTORE8", memory_bytes=4096)
    match.call(0, words(4095))
    assert "input 0: at most 4096 bytes" in str(refused(match, match.input(0, words(4096))))
    # One frame with 2,048 bytes calls itself; the inner one touches the byte that the calldata names.
    program = """
        CALLDATASIZE PUSH @inner JUMPI
        PUSH 1 PUSH 2047 MSTORE8 PUSH 0 PUSH 0 PUSH 32 PUSH 0 PUSH 0 ADDRESS GAS CALL POP STOP
        inner: PUSH 1 PUSH 2047 {} ADD MSTORE8
    """
    opened(program.format("PUSH 0"), memory_bytes=4096).call(0)
    nested = opened(program.format("PUSH 1"), memory_bytes=4096)
    refused(nested, nested.input(0))


# BREAKPOINT ---------------------------------------------------------------------------------------------------------
def breaking(topic: bytes = BREAKPOINT_TOPIC) -> str:
    """Emits the log when there is calldata."""
    return f"CALLDATASIZE PUSH @emit JUMPI STOP emit: PUSH 0x{topic.hex()} PUSH 0 PUSH 0 LOG1"


def test_a_breakpoint_ends_the_batch_after_its_input() -> None:
    match = opened(breaking())
    quiet, loud, after = match.input(0), match.input(0, b"\1", nonce=1), match.input(0, nonce=2)
    error = refused(match, quiet, loud, after)
    assert isinstance(error, InvalidBatch)
    assert error.index == 2
    assert "BREAKPOINT" in str(error)
    match.agree(quiet, loud)


def test_the_topic_of_the_breakpoint_is_the_rulesets() -> None:
    match = opened(breaking(), breakpoint_topic=b"\7" * 32)
    match.agree(match.input(0, b"\1"), match.input(0, nonce=1))
    other = opened(breaking(b"\7" * 32), breakpoint_topic=b"\7" * 32)
    refused(other, other.input(0, b"\1"), other.input(0, nonce=1))


def test_a_reverted_breakpoint_ends_nothing() -> None:
    match = opened(breaking() + " PUSH 0 PUSH 0 REVERT")
    match.agree(match.input(0, b"\1"), match.input(0, nonce=1))


def test_a_breakpoint_that_is_not_the_first_topic_ends_nothing() -> None:
    topic = BREAKPOINT_TOPIC.hex()
    match = opened(f"PUSH 0x{topic} PUSH 5 PUSH 0 PUSH 0 LOG2")
    match.agree(match.input(0, b"\1"), match.input(0, nonce=1))


def test_another_contracts_log_is_no_breakpoint() -> None:
    emitter = assemble(f"PUSH 0x{BREAKPOINT_TOPIC.hex()} PUSH 0 PUSH 0 LOG1")
    store = " ".join(f"PUSH {byte} PUSH {index} MSTORE8" for index, byte in enumerate(emitter))
    match = opened(f"{store} PUSH {len(emitter)} PUSH 0 PUSH 0 CREATE POP", create=True)
    match.agree(match.input(0), match.input(0, nonce=1))  # the constructor of the child emits it


# The genesis creation -----------------------------------------------------------------------------------------------
def creating(runtime: bytes, constructor: str = "") -> bytes:
    """Init code: runs `constructor`, then returns the runtime code."""
    head = assemble(constructor)
    tail = assemble(f"PUSH2 {len(runtime)} PUSH2 {len(head) + 15} PUSH 0 CODECOPY PUSH2 {len(runtime)} PUSH 0 RETURN")
    assert len(tail) == 15
    return head + tail + runtime


def genesis_input(match: Match, init_code: bytes, **changes: object) -> SignedInput:
    return match.input(0, init_code, **({"kind": InputKind.CREATE, "gas": CREATE_GAS} | changes))


def test_the_genesis_batch_creates_the_contract() -> None:
    constructor = (
        "CALLER PUSH 0 SSTORE ORIGIN PUSH 1 SSTORE CALLVALUE PUSH 2 SSTORE ADDRESS PUSH 3 SSTORE GAS PUSH 4 SSTORE"
    )
    match = Match(STORE)
    each = genesis_input(match, creating(STORE, constructor), value=9, gas=1_000_000)
    genesis = match.agree(each).commitment
    first, second = match.terms.owners
    actor, root = int.from_bytes(first, "big"), match.thread.address
    # The constructor begins with exactly the input's gas; each of its SSTOREs costs 22,100, before it 2 and 3.
    seen = 1_000_000 - 4 * (22_100 + 2 + 3) - 2
    slots = {0: actor, 1: actor, 2: 9, 3: int.from_bytes(root, "big"), 4: seen}
    assert genesis.state_root == state_root(
        {first: (1, DEPOSIT - 9, {}, b""), second: (0, DEPOSIT, {}, b""), root: (1, 9, slots, STORE)}
    )
    code_copy, deposit = 3 + 3 + 3, 200 * len(STORE)
    tail = 3 + 22_100 + 3 * 3 + code_copy + 2 * 3 + deposit
    assert genesis.gas_used == 1_000_000 - seen + tail
    assert genesis.receipts_root == receipts_root([(1, genesis.gas_used, [])])


def test_the_creation_gives_back_refunds_up_to_the_forks_share() -> None:
    # Twelve slots are set and cleared again: 19,900 each would come back, a fifth of what was used does.
    churn = " ".join(f"PUSH 1 PUSH {slot} SSTORE PUSH 0 PUSH {slot} SSTORE" for slot in range(12))
    match = Match(STORE)
    genesis = match.agree(genesis_input(match, creating(STORE, churn))).commitment
    plain = Match(STORE)
    bare = plain.agree(genesis_input(plain, creating(STORE))).commitment
    before_refund = bare.gas_used + 12 * (22_100 + 100 + 4 * 3)
    assert genesis.gas_used == before_refund - before_refund // 5


@pytest.mark.parametrize("fork", ["Frontier", "Homestead", "SpuriousDragon", "Osaka"])
def test_the_root_contract_has_nonce_1_before_it_runs(fork: str) -> None:
    match = Match(STORE, rules=ruleset(fork=fork, create=True))
    init_code = creating(STORE, "PUSH 0 PUSH 0 PUSH 0 CREATE PUSH 7 SSTORE")
    match.agree(genesis_input(match, init_code))
    child = keccak256(b"\xd6\x94" + match.thread.address + b"\x01")[12:]
    assert match.thread.storage(7) == int.from_bytes(child, "big")


@pytest.mark.parametrize(
    ("init_code", "changes", "rule"),
    [
        (creating(STORE + b"\0"), {}, "the created code hashes to codeHash"),
        (assemble("PUSH 0 PUSH 0 REVERT"), {}, "the contract is created"),
        (assemble("STOP"), {}, "the created code hashes to codeHash"),
        (creating(STORE), {"nonce": 1}, "the actor's nonce is 0: got 1"),
        (creating(STORE), {"value": DEPOSIT + 1}, "insufficient balance"),
        (creating(STORE), {"gas": 100}, "out of gas"),
        (creating(STORE) + bytes(49_152), {}, "creation code at most 49152 bytes"),
        (creating(STORE, CREATE), {}, "nothing is created"),
        (creating(STORE, calling("CALL", ABSENT, 1)), {}, "the thread doesn't hold"),
    ],
)
def test_a_genesis_creation_that_is_refused(init_code: bytes, changes: dict[str, object], rule: str) -> None:
    match = Match(STORE)
    with pytest.raises(InvalidBatch) as caught:
        match.thread.prepare(match.batch([genesis_input(match, init_code, **changes)]))
    assert rule in str(caught.value)
    assert caught.value.index == 0
    match.agree()  # the thread is still to be begun, without a creation this time


def test_the_genesis_creation_respects_the_slot_limit() -> None:
    match = Match(STORE, rules=ruleset(storage_slots=1))
    init_code = creating(STORE, "PUSH 1 PUSH 1 SSTORE PUSH 1 PUSH 2 SSTORE")
    with pytest.raises(InvalidBatch, match="at most 1 non-zero slots: got 2"):
        match.thread.prepare(match.batch([genesis_input(match, init_code)]))


def test_a_breakpoint_of_the_constructor_ends_the_genesis_batch() -> None:
    match = Match(STORE)
    create = genesis_input(match, creating(STORE, f"PUSH 0x{BREAKPOINT_TOPIC.hex()} PUSH 0 PUSH 0 LOG1"))
    follower = match.input(0, words(1, 1), nonce=1)
    with pytest.raises(InvalidBatch, match="BREAKPOINT") as caught:
        match.thread.prepare(match.batch([create, follower]))
    assert caught.value.ends_batch
    match.agree(create)


def test_what_the_creation_only_touched_is_gone() -> None:
    match = Match(STORE)
    genesis = match.agree(genesis_input(match, creating(STORE, calling("CALL", ABSENT, 0)))).commitment
    first, second = match.terms.owners
    assert genesis.state_root == state_root(
        {first: (1, DEPOSIT, {}, b""), second: (0, DEPOSIT, {}, b""), match.thread.address: (1, 0, {}, STORE)}
    )


def test_calls_follow_the_creation_in_the_genesis_batch() -> None:
    match = Match(STORE)
    match.agree(
        genesis_input(match, creating(STORE)), match.input(0, words(1, 5), nonce=1), match.input(1, words(2, 6))
    )
    assert (match.thread.storage(1), match.thread.storage(2)) == (5, 6)


def test_a_creation_later_or_second_is_refused() -> None:
    match = Match(STORE)
    create = genesis_input(match, creating(STORE))
    with pytest.raises(IllFormedBatch, match="first input of the genesis batch"):
        match.thread.prepare(match.batch([create, genesis_input(match, creating(STORE), nonce=1)]))
    match.agree(create)
    refused(match, genesis_input(match, creating(STORE), nonce=1), kind=IllFormedBatch)


def test_created_code_that_could_not_go_on_chain_is_refused() -> None:
    code = b"\xef" + STORE
    match = Match(b"", rules=ruleset(fork="Berlin"), code_hash=keccak256(code))
    thread = match.thread
    with pytest.raises(IllFormedTerms, match="0xef"):
        thread.prepare(match.batch([genesis_input(match, creating(code))]))


def test_a_creation_neither_asks_nor_stops() -> None:
    match = Match(STORE, rules=ruleset(dialect=DIALECT))
    other = "0x" + match.terms.owners[1].hex()
    asks = genesis_input(match, creating(STORE, f"PUSH {other} PUSH 0 PUSH 0 DUP3 DATA 0xb1"))
    plain = genesis_input(match, creating(STORE))
    expected = match.thread.execute(match.batch([plain]))
    for each, steps in ((asks, 0), (plain, 3)):
        with pytest.raises(InvalidBatch, match="the genesis batch doesn't suspend") as caught:
            match.thread.prepare(match.batch([each]), steps=steps)
        assert caught.value.index == 0
        assert match.thread.execute(match.batch([plain])) == expected, "nothing of it is left"


def test_creation_code_may_have_just_as_many_bytes_as_the_fork_allows() -> None:
    match = Match(STORE)
    most = 49_152
    for size in (most, most + 1):
        each = genesis_input(match, creating(STORE).ljust(size, b"\0"))
        if size > most:
            with pytest.raises(InvalidBatch, match=f"at most {most} bytes"):
                match.thread.prepare(match.batch([each]))
        else:
            match.thread.execute(match.batch([each]))


def test_a_creation_begins_as_a_transaction_does() -> None:
    """EIP-3651: the coinbase is warm."""

    def gas(constructor: str) -> int:
        match = Match(STORE, operator=b"\x0f" * 20)
        return match.thread.execute(match.batch([genesis_input(match, creating(STORE, constructor))])).gas_used

    once, twice = (gas("COINBASE BALANCE POP " * times) for times in (1, 2))
    assert once - gas("") == twice - once


def test_a_root_contract_that_destroys_itself_while_it_is_made_is_none() -> None:
    match = Match(STORE)
    with pytest.raises(InvalidBatch, match="codeHash"):
        match.thread.prepare(match.batch([genesis_input(match, assemble("PUSH 0 SELFDESTRUCT"))]))


def test_without_a_topic_no_log_ends_a_batch() -> None:
    match = opened("PUSH 0 PUSH 0 PUSH 0 LOG1", breakpoint_topic=bytes(32))
    match.agree(match.input(0), match.input(1))
    assert match.thread.account_nonce(match.terms.owners[1]) == 1
