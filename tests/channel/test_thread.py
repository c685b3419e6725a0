"""Threads: the genesis world, every field of a commitment, prepare, adopt and discard."""

from dataclasses import replace

import pytest

from evmthread.channel.errors import InvalidBatch, LocalProtocolError, NotSupported
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.thread import Thread
from evmthread.commit import (
    EMPTY_TRIE_ROOT,
    FORKS,
    Agreement,
    InputKind,
    SignatureSet,
    SignedBatch,
    Status,
    TypedData,
    signature,
    thread_address,
    thread_id,
)
from evmthread.commit.refusals import (
    IllFormedBatch,
    IllFormedRuleset,
    IllFormedTerms,
    NonceOrder,
    ParentIsFinal,
    SignatureCount,
    WrongHash,
    WrongSignature,
)
from evmthread.state.memory import MemoryState
from tests.assembler import assemble
from tests.channel.games import CALL_GAS, DEPOSIT, START, Match, ruleset, terms_of
from tests.channel.independent import receipts_root, state_root, storage_root

STORE = assemble("PUSH 32 CALLDATALOAD PUSH 0 CALLDATALOAD SSTORE STOP")
"""Slot (first word of the calldata) := second word."""
OPERATOR = bytes.fromhex("0f" * 20)


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


def test_the_thread_knows_its_id_and_address() -> None:
    match = Match(STORE)
    thread = match.thread
    assert thread.thread_id == thread_id(LOCAL_DOMAIN, match.terms)
    assert thread.address == thread_address(LOCAL_DOMAIN.verifying_contract, thread.thread_id)
    assert thread.agreement is None
    assert thread.parent == bytes(32)
    assert thread.next_nonce == 0


def test_the_genesis_world_is_the_contract_and_the_deposits_less_reserves() -> None:
    match = Match(STORE, operator=OPERATOR, max_fee=101, deposits=(DEPOSIT, 50))
    genesis = match.agree().commitment
    first, second = match.terms.owners
    root = match.thread.address
    assert genesis.state_root == state_root({first: (0, DEPOSIT - 51, {}, b""), root: (1, 0, {}, STORE)})
    assert match.thread.account_balance(second) == 0
    assert genesis.storage_root == EMPTY_TRIE_ROOT
    assert genesis.receipts_root == EMPTY_TRIE_ROOT
    assert genesis.balances == (DEPOSIT, 50)
    assert (genesis.nonce, genesis.parent, genesis.status, genesis.gas_used, genesis.fee) == (0, bytes(32), 0, 0, 0)
    assert genesis.awaiting == bytes(20)
    assert genesis.machine_hash == bytes(32)


@pytest.mark.parametrize("fork", FORKS)
def test_every_field_after_two_calls_under_every_fork(fork: str) -> None:
    rules = ruleset(fork=fork, fee_per_gigagas=10**9 * 10**3)
    match = Match(STORE, rules=rules, operator=OPERATOR, max_fee=10**9, deposits=(10**9, 10**9))
    genesis = match.agree()
    first, second = match.terms.owners
    root = match.thread.address
    signed = match.batch([match.input(0, words(3, 9)), match.input(1, words(4, 7), value=5)])
    thread = match.open()
    replayed = thread.prepare(match.line[0][1])
    assert replayed == genesis.commitment
    thread.adopt(genesis)
    commitment = thread.prepare(signed)
    assert thread.prepared is not None
    gas = [outcome.gas_used for outcome in thread.prepared.outcome.inputs]
    reserve = 10**9 // 2
    fee = sum(gas) * 1000
    assert commitment.thread_id == thread.thread_id
    assert (commitment.nonce, commitment.parent, commitment.status) == (1, genesis.digest, Status.REST)
    assert commitment.state_root == state_root(
        {
            first: (1, 10**9 - reserve, {}, b""),
            second: (1, 10**9 - reserve - 5, {}, b""),
            root: (1, 5, {3: 9, 4: 7}, STORE),
        }
    )
    assert commitment.storage_root == storage_root({3: 9, 4: 7})
    assert commitment.receipts_root == receipts_root([(1, gas[0], []), (1, sum(gas), [])])
    assert commitment.batch_hash == signed.batch.hash_struct()
    assert commitment.gas_used == sum(gas)
    assert all(41_000 < used < 47_000 for used in gas)
    assert commitment.fee == fee
    assert commitment.balances == (10**9 - fee // 2 - fee % 2, 10**9 - 5 - fee // 2)
    assert sum(commitment.balances) + commitment.fee + 5 == sum(match.terms.deposits)


def test_gas_and_fee_are_cumulative_and_the_fee_is_capped() -> None:
    match = Match(
        STORE, rules=ruleset(fee_per_gigagas=10**9), operator=OPERATOR, max_fee=70_001, deposits=(10**6, 10**6)
    )
    match.agree()
    first = match.call(0, words(1, 1)).commitment
    second = match.call(0, words(1, 2)).commitment
    assert 0 < first.fee == first.gas_used < 70_001
    assert second.gas_used > first.gas_used
    assert second.fee == min(70_001, second.gas_used)
    third = [match.call(1, words(slot, 1)).commitment for slot in range(2, 4)][-1]
    assert third.gas_used > 70_001 == third.fee
    assert third.balances == (10**6 - 35_001, 10**6 - 35_000)


def test_a_reverted_call_is_a_valid_input_that_changes_only_the_nonce() -> None:
    match = Match(assemble("PUSH 1 PUSH 1 SSTORE PUSH 0 PUSH 0 REVERT"))
    before = match.agree().commitment
    after = match.call(1, b"junk", value=3).commitment
    first, second = match.terms.owners
    assert after.storage_root == before.storage_root == EMPTY_TRIE_ROOT
    assert after.balances == before.balances
    assert after.state_root == state_root(
        {first: (0, DEPOSIT, {}, b""), second: (1, DEPOSIT, {}, b""), match.thread.address: (1, 0, {}, match.code)}
    )
    assert after.receipts_root == receipts_root([(0, after.gas_used, [])])


def test_an_empty_account_never_enters_the_root_before_spurious_dragon() -> None:
    # The coinbase is touched by each transaction, and in Frontier an empty account then stays in the state.
    match = Match(STORE, rules=ruleset(fork="Frontier"), operator=OPERATOR, max_fee=10)
    match.agree()
    commitment = match.call(0, words(1, 1)).commitment
    first, second = match.terms.owners
    assert commitment.state_root == state_root(
        {
            first: (1, DEPOSIT - 5, {}, b""),
            second: (0, DEPOSIT - 5, {}, b""),
            match.thread.address: (1, 0, {1: 1}, STORE),
        }
    )
    paid = match.call(1, to=OPERATOR, value=7).commitment  # now it isn't empty any more
    assert paid.state_root == state_root(
        {
            first: (1, DEPOSIT - 5, {}, b""),
            second: (1, DEPOSIT - 12, {}, b""),
            OPERATOR: (0, 7, {}, b""),
            match.thread.address: (1, 0, {1: 1}, STORE),
        }
    )


def test_final_repeats_the_state_with_an_empty_batch() -> None:
    match = Match(STORE)
    match.agree()
    parent = match.call(0, words(1, 1)).commitment
    final = match.agree(final=True).commitment
    assert final.status == Status.FINAL
    repeated = {"nonce", "parent", "status", "batch_hash", "receipts_root"}
    assert replace(final, **{name: getattr(parent, name) for name in repeated}) == parent
    assert final.receipts_root == EMPTY_TRIE_ROOT
    with pytest.raises(ParentIsFinal):
        match.thread.prepare(match.batch([]))


def test_a_final_batch_with_inputs_is_refused() -> None:
    match = Match(STORE)
    match.agree()
    with pytest.raises(IllFormedBatch, match="final commitment is empty"):
        match.thread.prepare(match.batch([match.input(0, words(1, 1))]), final=True)


def test_an_empty_batch_at_rest_counts_the_nonce_up() -> None:
    match = Match(STORE)
    genesis = match.agree().commitment
    empty = match.agree().commitment
    assert empty.state_root == genesis.state_root
    assert (empty.nonce, empty.status) == (1, 0)


def test_nonces_may_be_skipped_but_not_used_again() -> None:
    match = Match(STORE)
    match.agree()
    assert match.thread.execute(match.batch([]), nonce=9).nonce == 9
    match.agree()
    with pytest.raises(NonceOrder):
        match.thread.execute(match.batch([]), nonce=1)


def test_the_genesis_has_nonce_0_and_is_at_rest() -> None:
    thread = Match(STORE).thread
    match = Match(STORE)
    for options in ({"nonce": 1}, {"final": True}):
        with pytest.raises(LocalProtocolError, match="genesis"):
            thread.prepare(match.batch([]), **options)


def test_prepare_discard_adopt() -> None:
    match = Match(STORE)
    match.agree()
    thread = match.thread
    batch = match.batch([match.input(0, words(1, 5))])
    first = thread.prepare(batch)
    assert thread.storage(1) == 5
    assert thread.account_nonce(match.terms.owners[0]) == 1
    thread.discard()
    assert thread.prepared is None
    assert thread.storage(1) == 0
    assert thread.account_nonce(match.terms.owners[0]) == 0
    other = thread.prepare(match.batch([]))
    assert thread.prepare(batch) == first != other  # preparing again forgets what was prepared
    assert thread.execute(batch) == first
    assert thread.prepared is None


def test_adopt_takes_the_agreement_on_what_is_prepared_only() -> None:
    match = Match(STORE)
    match.agree()
    thread = match.thread
    with pytest.raises(LocalProtocolError, match="nothing is prepared"):
        thread.adopt(match.tip)
    commitment = thread.prepare(match.batch([match.input(0, words(1, 5))]))
    with pytest.raises(LocalProtocolError, match="prepared is"):
        thread.adopt(match.tip)
    with pytest.raises(LocalProtocolError, match="an Agreement is adopted, not a Prepared"):
        thread.adopt(thread.prepared)  # type: ignore[arg-type] # it has the right digest, but nobody's signature
    signatures = {index: signer.sign(TypedData(LOCAL_DOMAIN, commitment)) for index, signer in enumerate(match.signers)}
    agreement = Agreement(LOCAL_DOMAIN, match.terms, commitment, SignatureSet.of(signatures))
    thread.adopt(agreement)
    assert thread.agreement is agreement
    assert thread.storage(1) == 5
    assert thread.next_nonce == 2


def test_a_batch_whose_signatures_do_not_hold_is_refused_each_time() -> None:
    match = Match(STORE)
    match.agree()
    good = match.batch([match.input(0, words(1, 5)), match.input(1, words(2, 6))])
    match.thread.check_input_signatures(good, nonce=1)
    for bad in (replace(good, signatures=good.signatures[::-1]), replace(good, signatures=good.signatures[:1])):
        for _ in range(2):
            with pytest.raises((WrongSignature, SignatureCount)) as caught:
                match.thread.check_input_signatures(bad, nonce=1)
            assert caught.value.nonce == 1
            with pytest.raises((WrongSignature, SignatureCount)):
                match.thread.prepare(bad)


def test_the_signatures_of_a_batch_are_gone_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    match = Match(STORE)
    match.agree()
    thread, batch = match.thread, match.batch([match.input(0, words(1, 5))])
    thread.check_input_signatures(batch, nonce=1)

    class Shifting(SignedBatch):
        """Could show other inputs, or signatures, the next time."""

    shifting = Shifting(batch.batch, batch.signatures)
    thread.check_input_signatures(shifting, nonce=1)
    monkeypatch.setattr(thread, "recoveries", None)
    recovered = []
    monkeypatch.setattr(signature, "recover_address", lambda *asked: recovered.append(asked) or bytes(20))
    thread.check_input_signatures(batch, nonce=1)
    assert not recovered
    with pytest.raises(WrongSignature):
        thread.check_input_signatures(shifting, nonce=1)
    with pytest.raises(WrongSignature):
        thread.check_input_signatures(replace(batch), nonce=1)
    assert len(recovered) == 2


def test_a_failed_batch_leaves_the_thread_as_it_was() -> None:
    match = Match(STORE)
    match.agree()
    good = match.batch([match.input(0, words(1, 5))])
    expected = match.thread.execute(good)
    bad = match.batch([match.input(0, words(1, 6)), match.input(0, words(1, 7))])  # the second one's nonce is used
    for _ in range(3):
        with pytest.raises(Exception, match="input 1"):
            match.thread.prepare(bad)
        assert match.thread.prepared is None
        assert match.thread.agreement is match.parties[0].agreement
        assert match.thread.storage(1) == 0
    assert match.thread.execute(good) == expected


def test_a_state_of_ones_own_is_written_when_an_agreement_is_adopted() -> None:
    match = Match(STORE)
    state = MemoryState()
    thread = Thread.open(LOCAL_DOMAIN, match.terms, match.rules, code=STORE, state=state)
    match.agree()
    match.call(0, words(8, 9))
    for agreement, batch in match.line:
        thread.prepare(batch)
        root_before = state.roots().root()
        assert thread.agreement is None or root_before == thread.agreement.commitment.state_root
        thread.adopt(agreement)
    assert state.roots().root() == match.tip.commitment.state_root
    assert state.storage(thread.address) == {8: 9}


def test_call_keeps_nothing_and_sees_the_state() -> None:
    match = Match(assemble("CALLER PUSH 0 SSTORE NUMBER PUSH 0 MSTORE PUSH 32 PUSH 0 RETURN"))
    match.agree(environment=match.environment(number=5))
    thread = match.thread
    assert thread.call(b"").output == words(5)
    later = match.environment(number=6)
    assert thread.call(b"", environment=later, sender=match.terms.owners[1]).output == words(6)
    assert thread.storage(0) == 0


def test_what_the_contract_sees_of_block_and_transaction() -> None:
    names = "ORIGIN CALLER ADDRESS NUMBER TIMESTAMP COINBASE GASLIMIT PREVRANDAO CHAINID BASEFEE GASPRICE BLOBBASEFEE"
    tricks = {"BLOCKHASH": "PUSH 2 BLOCKHASH", "BLOBHASH": "PUSH 0 BLOBHASH", "SELFBALANCE": "SELFBALANCE"}
    programs = {name: name for name in names.split()} | tricks
    text = " ".join(f"{program} PUSH {slot + 1} SSTORE" for slot, program in enumerate(programs.values()))
    match = Match(assemble(text), operator=OPERATOR)
    match.agree(environment=match.environment(number=3))
    match.agree(match.input(1, value=77), environment=match.environment(START + 9, number=4))
    seen = {name: match.thread.storage(slot + 1) for slot, name in enumerate(programs)}
    owner = int.from_bytes(match.terms.owners[1], "big")
    assert seen == {
        "ORIGIN": owner,
        "CALLER": owner,
        "ADDRESS": int.from_bytes(match.thread.address, "big"),
        "NUMBER": 4,
        "TIMESTAMP": START + 9,
        "COINBASE": int.from_bytes(OPERATOR, "big"),
        "GASLIMIT": match.rules.batch_gas,
        "PREVRANDAO": 0,
        "CHAINID": 31337,
        "BASEFEE": 0,
        "GASPRICE": 0,
        "BLOBBASEFEE": 1,
        "BLOCKHASH": 0,
        "BLOBHASH": 0,
        "SELFBALANCE": 77,
    }


def test_opening_refuses_what_does_not_belong_together() -> None:
    rules = ruleset()
    terms = terms_of(STORE, rules)
    with pytest.raises(WrongHash, match="codeHash"):
        Thread.open(LOCAL_DOMAIN, terms, rules, code=STORE + b"\0")
    with pytest.raises(WrongHash, match="ruleset"):
        Thread.open(LOCAL_DOMAIN, terms, ruleset(batch_gas=7), code=STORE)
    with pytest.raises(IllFormedTerms, match="threshold"):
        Thread.open(LOCAL_DOMAIN, replace(terms, threshold=1), rules, code=STORE)


def test_opening_refuses_what_this_version_cannot_execute() -> None:
    rules = ruleset(base_number=7, base_hash=b"\1" * 32)
    with pytest.raises(NotSupported):
        Thread.open(LOCAL_DOMAIN, terms_of(STORE, rules), rules, code=STORE)


def test_opening_refuses_a_trap_that_is_a_precompile_or_an_owner() -> None:
    for trap in ((1).to_bytes(20, "big"), terms_of(STORE, ruleset()).owners[1]):
        rules = ruleset(trap=trap)
        with pytest.raises(IllFormedRuleset, match="trap"):
            Thread.open(LOCAL_DOMAIN, terms_of(STORE, rules), rules, code=STORE)


def test_a_genesis_without_create_needs_the_code() -> None:
    match = Match(STORE)
    thread = Thread.open(LOCAL_DOMAIN, match.terms, match.rules)
    with pytest.raises(LocalProtocolError, match="code"):
        thread.prepare(match.batch([]))


@pytest.mark.parametrize("kind", [InputKind.ANSWER, InputKind.ABORT])
def test_answers_and_aborts_want_an_open_call(kind: InputKind) -> None:
    match = Match(STORE)
    match.agree()
    answer = match.input(0, bytes(32), kind=kind, nonce=0, gas=CALL_GAS)
    with pytest.raises(InvalidBatch, match="no call is open") as caught:
        match.thread.prepare(match.batch([answer]))
    assert caught.value.index == 0
    assert match.thread.prepared is None
