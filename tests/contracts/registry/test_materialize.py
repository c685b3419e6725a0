"""Return to chain (C28): the contract with its code, all its storage and its balance, and on it goes."""

import pytest

from evmthread.commit import Commitment, thread_address, thread_id
from evmthread.merkle.accounts import StateRoots, hash_slot
from evmthread.merkle.proofs import prove_account
from evmthread.primitives.keccak import keccak256
from tests.commit.commit_samples import ETHER, ORIGIN_CODE
from tests.contracts.registry.chains import transact
from tests.contracts.registry.deployed import STRANGER, Deployed, key_of
from tests.contracts.registry.games import CALL_GAS, Game, contract, morpion


def check_returned(game: Game, commitment: Commitment, *, extra: int = 0) -> None:
    """Code hash, storage root, address and balance are those of the thread."""
    chain = game.registry.chain
    keys = [key for key, _ in game.states[0].slots(game.address)]
    root, proof = chain.proof(game.address, tuple(keys))
    assert proof.verify(root) == proof.account
    assert proof.account.storage_root == commitment.storage_root
    assert proof.account.code_hash == game.terms.code_hash
    assert proof.account.nonce == 1
    assert proof.account.balance == game.thread.account_balance(game.address) + extra
    assert game.registry.balance() == game.registry.thread(game.terms).held


def test_c28_morpion_returns_and_is_played_on(registry: Deployed) -> None:
    game = morpion(registry)
    for number, cell in enumerate((0, 3, 1, 4)):
        game.call(number % 2, "play", cell)
    commitment = game.settle_by_challenge()
    receipt = game.materialize(commitment)
    assert registry.events(receipt) == ["MATERIALIZED"]
    check_returned(game, commitment)
    assert registry.balance() == 0
    assert game.read_on_chain("board") == game.read("board")
    before = registry.chain.balance(game.terms.owners[0])
    assert game.transact(0, "play", 2).success
    assert game.read_on_chain("winner") == game.terms.owners[0]
    assert game.transact(0, "withdraw").success
    assert registry.chain.balance(game.terms.owners[0]) - before == ETHER


def test_c28_an_openzeppelin_token_returns(registry: Deployed) -> None:
    game = Game(registry, contract("Coin"), 10**24)
    owners = game.terms.owners
    game.call(0, "transfer", owners[1], 10**20)
    game.call(1, "transfer", bytes(19) + b"\x42", 7)
    game.call(1, "approve", owners[0], 10**18)
    commitment = game.settle_by_challenge()
    game.materialize(commitment)
    check_returned(game, commitment)
    for name, arguments in [
        ("name", ()),
        ("symbol", ()),
        ("totalSupply", ()),
        ("balanceOf", (owners[0],)),
        ("balanceOf", (owners[1],)),
        ("allowance", (owners[1], owners[0])),
    ]:
        assert game.read_on_chain(name, *arguments) == game.read(name, *arguments) != 0
    assert game.transact(0, "transferFrom", owners[1], owners[0], 10**18).success
    assert game.read_on_chain("balanceOf", owners[1]) == 10**20 - 7 - 10**18


def filled(registry: Deployed) -> Game:
    """The contract of every kind of storage, with wei of its own."""
    game = Game(registry, contract("Layout"))
    game.call(0, "fill", 250, value=5 * ETHER // 10)
    game.call(1, "fill", 3)
    return game


def test_c28_mappings_arrays_and_packed_slots_return(registry: Deployed) -> None:
    game = filled(registry)
    commitment = game.settle_by_challenge()
    game.materialize(commitment)
    check_returned(game, commitment)
    owners = game.terms.owners
    for name, arguments in [
        *((name, ()) for name in ("small", "signed", "last", "counter", "shortText", "longText")),
        *(("packed", (index,)) for index in range(5)),
        *(("bytesInARow", (index,)) for index in range(10)),
        *(("list", (index,)) for index in range(10)),
        ("numbers", (owners[0],)),
        ("numbers", (game.address,)),
        ("nested", (250, keccak256((250).to_bytes(32, "big")))),
        ("entryAt", (0,)),
        ("entryAt", (1,)),
    ]:
        assert game.read_on_chain(name, *arguments) == game.read(name, *arguments)
    assert game.transact(1, "clear").success
    assert game.read_on_chain("counter") == 3
    assert game.transact(0, "pay", owners[1], ETHER // 2).success
    assert registry.chain.balance(game.address) == 0


def test_c28_a_contract_without_storage_returns(registry: Deployed) -> None:
    game = Game(registry, contract("Checks"))
    final = game.settle_final()
    assert game.returning().keys == ()
    game.materialize(final)
    check_returned(game, final)


def test_c28_a_left_out_slot_is_refused(registry: Deployed) -> None:
    game = filled(registry)
    final = game.settle_final()
    given = game.returning()
    for place in (0, len(given.keys) // 2, len(given.keys) - 1):
        keys = given.keys[:place] + given.keys[place + 1 :]
        values = given.values[:place] + given.values[place + 1 :]
        arguments = game.materialize_arguments(final, keys=keys, values=values)
        registry.refused("WrongStorageRoot", STRANGER, "materialize", *arguments)
    nothing = game.materialize_arguments(final, keys=(), values=())
    registry.refused("WrongStorageRoot", STRANGER, "materialize", *nothing)


def test_c28_slots_that_are_not_the_threads_are_refused(registry: Deployed) -> None:
    game = filled(registry)
    final = game.settle_final()
    given = game.returning()

    def refused(error: str, **changes: object) -> None:
        registry.refused(error, STRANGER, "materialize", *game.materialize_arguments(final, **changes))

    other = (given.values[0][:-1] + bytes([given.values[0][-1] ^ 1]), *given.values[1:])
    refused("WrongStorageRoot", values=other)
    refused("MisplacedSlot", values=(bytes(32), *given.values[1:]))
    refused("MisplacedSlot", keys=given.keys[::-1], values=given.values[::-1])
    refused("MisplacedSlot", keys=(given.keys[0], *given.keys), values=(given.values[0], *given.values))
    refused("SlotCount", values=given.values[1:])
    refused("SlotCount", keys=given.keys[1:])
    extra = next(key.to_bytes(32, "big") for key in range(10**6) if hash_slot(key) > keccak256(given.keys[-1]))
    refused("WrongStorageRoot", keys=(*given.keys, extra), values=(*given.values, bytes(31) + b"\x01"))


def test_c28_an_account_proof_is_not_optional(registry: Deployed) -> None:
    game = filled(registry)
    final = game.settle_final()
    proof = game.returning().account_proof

    def refused(error: str, **changes: object) -> None:
        registry.refused(error, STRANGER, "materialize", *game.materialize_arguments(final, **changes))

    refused("InvalidProof", account_proof=())
    refused("InvalidProof", account_proof=proof[:-1])
    refused("InvalidProof", account_proof=(*proof, proof[-1]))
    refused("InvalidProof", account_proof=game.account_proof(game.terms.owners[0]))
    refused("WrongAccount", code=game.artifact.runtime_code + b"\x00")
    refused("WrongAccount", code=b"")


def test_c28_a_second_time_is_refused(registry: Deployed) -> None:
    game = morpion(registry)
    final = game.settle_final()
    game.materialize(final)
    registry.refused("AlreadyMaterialized", STRANGER, "materialize", *game.materialize_arguments(final))


def test_c28_only_what_was_settled_returns(registry: Deployed) -> None:
    game = morpion(registry)
    arguments = game.materialize_arguments(game.tip)
    registry.refused("WrongMode", STRANGER, "materialize", *arguments)
    before = game.tip
    game.call(0, "play", 4)
    game.settle_by_challenge()
    registry.refused("NotTheRecord", STRANGER, "materialize", *game.materialize_arguments(before))


def test_c28_a_wei_sent_there_before_stays(registry: Deployed) -> None:
    game = morpion(registry)
    assert transact(registry.chain, STRANGER, game.address, value=3, gas=50_000).success
    commitment = game.settle_by_challenge()
    game.materialize(commitment)
    check_returned(game, commitment, extra=3)


def test_c28_too_little_gas_changes_nothing(registry: Deployed) -> None:
    game = filled(registry)
    final = game.settle_final()
    arguments = game.materialize_arguments(final)
    start = registry.chain.snapshot()
    needed = registry.done(STRANGER, "materialize", *arguments).gas_used
    registry.chain.restore(start)
    before = registry.picture(game.terms)
    refusals = 0
    for gas in range(needed // 10 * 4, needed + needed // 10, needed // 20):
        receipt = registry.send(STRANGER, "materialize", *arguments, gas=gas)
        if receipt.success:
            check_returned(game, final)
        else:
            refusals += 1
            assert registry.picture(game.terms) == before
            assert registry.chain.code(game.address) == b""
        registry.chain.restore(start)
    assert refusals > 0
    registry.done(STRANGER, "materialize", *arguments)


def test_c28_a_contract_that_was_never_there(registry: Deployed) -> None:
    """The state root proves that the thread's account is absent."""
    game = morpion(registry)
    game.settle_final()
    elsewhere = registry.opened(salt=77)
    other = registry.commitment(elsewhere, status=2, state_root=game.tip.state_root)
    registry.done(STRANGER, "settle", *registry.signed(elsewhere, other))
    place = thread_address(registry.address, thread_id(registry.domain, elsewhere))
    arguments = (elsewhere, other, (), (), b"", game.account_proof(place))
    registry.refused("NoSuchAccount", STRANGER, "materialize", *arguments)


@pytest.mark.parametrize("wrong", ["nothing", "nonce", "code", "storage root"])
def test_c28_an_account_that_is_not_the_threads_contract(registry: Deployed, wrong: str) -> None:
    """State roots that signers made up: everything is proven, and yet it isn't the contract of the terms."""
    terms = registry.opened()
    home = thread_address(registry.address, thread_id(registry.domain, terms))
    code = ORIGIN_CODE + b"\x00" if wrong == "code" else ORIGIN_CODE
    roots = StateRoots()
    roots.set_account(home, 0 if wrong == "nonce" else 1, 5, keccak256(code))
    roots.set_slot(home, 1, 2)
    storage_root = keccak256(b"another") if wrong == "storage root" else roots.storage_root(home)
    final = registry.final(terms, state_root=roots.root(), storage_root=storage_root)
    registry.done(STRANGER, "settle", *registry.signed(terms, final))
    words = tuple((each.to_bytes(32, "big"),) for each in (1, 2))
    arguments = (terms, final, *words, code, prove_account(roots, home))
    if wrong == "nothing":
        registry.done(STRANGER, "materialize", *arguments)
    else:
        registry.refused("WrongAccount", STRANGER, "materialize", *arguments)


def test_c26_a_suspended_thread_returns_as_before_its_open_call(registry: Deployed) -> None:
    game = filled(registry)
    before = game.tip
    data = game.artifact.function("fill").encode(9)
    game.agree(game.parties[0].sign_input(data, gas=CALL_GAS), steps=400)
    assert game.tip.status == 1
    assert (game.tip.storage_root, game.tip.balances) == (before.storage_root, before.balances)
    commitment = game.settle_by_challenge()
    assert commitment.status == 1
    game.materialize(commitment)
    check_returned(game, commitment)
    assert game.read_on_chain("counter") == 2


def test_c26_settled_while_suspended_pays_the_balances_before_the_call(registry: Deployed) -> None:
    game = filled(registry)
    data = game.artifact.function("pay").encode(game.terms.owners[1], ETHER // 2)
    before = [registry.chain.balance(owner) for owner in game.terms.owners]
    game.agree(game.parties[0].sign_input(data, gas=CALL_GAS), steps=60)
    assert game.tip.status == 1
    game.settle_by_challenge()
    gained = [registry.chain.balance(o) - had for o, had in zip(game.terms.owners, before, strict=True)]
    assert gained == [ETHER // 2, ETHER]


def test_c31_i_challenge_settle_materialize_and_move_in_time(registry: Deployed) -> None:
    """The peer goes silent on my turn; the contract's own clock keeps running meanwhile."""
    game = morpion(registry, turn_seconds=1000, challenge_period=300)
    game.call(0, "play", 4)
    game.call(1, "play", 0)
    deadline = game.read("deadline")
    assert isinstance(deadline, int)
    commitment = game.settle_by_challenge(actor=0)
    game.materialize(commitment)
    receipt = game.transact(0, "play", 8)
    assert receipt.success
    assert receipt.timestamp <= deadline
    registry.chain.wait_until(deadline + 2000)
    assert game.transact(0, "claimTimeout").success  # now the silent peer's clock ran out
    assert game.read_on_chain("winner") == game.terms.owners[0]


def test_c14_materialize_by_somebody_else_first_changes_nothing(registry: Deployed) -> None:
    game = morpion(registry)
    final = game.settle_final()
    arguments = game.materialize_arguments(final)
    registry.done(key_of(game.terms, 1), "materialize", *arguments)
    check_returned(game, final)
    registry.refused("AlreadyMaterialized", key_of(game.terms, 0), "materialize", *arguments)
