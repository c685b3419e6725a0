"""A watchtower holds no party's key, and answers in time: on both chains."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from evmthread.chain.blocks import FINALIZED, block_at
from evmthread.chain.errors import FinalityBroken
from evmthread.chain.events import Challenged, ThreadState
from evmthread.chain.registry import Registry
from evmthread.chain.transactions import Call
from evmthread.chain.watcher import Head, Position, Seen
from evmthread.chain.watchtower import Alarm, Alarmed, Answered, Over, Standing, Watchtower
from evmthread.channel.desk import Mode
from evmthread.commit import Agreement, LocalSigner, SignatureSet, TypedData
from evmthread.errors import BackendError, InvalidInput
from evmthread.execution.transaction import Transaction, decode_transaction
from evmthread.isa.forks import OSAKA
from evmthread.rpc import BadAnswer, Provider
from tests.chain.chains import ETHER, FINALITY, QUICK, account, rich
from tests.chain.conftest import OnChain
from tests.chain.lying import Unreliable
from tests.chain.played import KEYS, Played
from tests.chain.watching import WATCHER, started, words


def test_an_exit_on_nothing_is_answered_too(world: OnChain) -> None:
    game = started(world, 0)
    tower = Watchtower(world.registry, game.tip, WATCHER)
    world.registry.exit(game.owners[1], game.terms)
    assert [type(each) for each in words(tower)] == [Alarmed, Answered]
    assert world.registry.thread(game.thread_id).record == game.tip.digest


def test_with_a_final_agreement_it_settles_at_once(world: OnChain) -> None:
    game = started(world, 0, 3)
    final = game.close()
    tower = Watchtower(world.registry, final, WATCHER)
    world.registry.challenge(game.owners[1], game.line[3])
    assert [type(each) for each in words(tower)] == [Alarmed, Answered]
    state = world.registry.thread(game.thread_id)
    assert (state.mode, state.record) == (Mode.SETTLED, final.digest)


def test_without_an_account_it_warns_and_with_an_empty_one_too(world: OnChain) -> None:
    game = started(world, 0, 3)
    mute = Watchtower(world.registry, game.tip, None)
    poor = Watchtower(world.registry, game.tip, account("penniless"))
    world.registry.challenge(game.owners[1], game.line[3])
    (word,) = words(mute)
    assert isinstance(word, Alarmed)
    assert word.alarm is Alarm.UNANSWERED
    assert words(mute) == []
    told = words(poor)
    assert [each.alarm for each in told if isinstance(each, Alarmed)] == [Alarm.CHALLENGED, Alarm.UNPAID]
    game.past_deadline()
    assert [each.alarm for each in words(mute) if isinstance(each, Alarmed)] == [Alarm.TOO_LATE]
    world.registry.settle_record(WATCHER, game.terms, game.line[3].commitment)
    world.chain.mine(FINALITY)
    told = words(mute)
    assert [type(each) for each in told] == [Alarmed, Over]
    assert isinstance(told[0], Alarmed)
    assert told[0].alarm is Alarm.SETTLED_OLD


def test_what_is_newer_and_what_contradicts(world: OnChain) -> None:
    game = started(world, 0, 3)
    old = Watchtower(world.registry, game.line[3], WATCHER)
    world.registry.challenge(game.owners[1], game.tip)
    assert [each.alarm for each in words(old) if isinstance(each, Alarmed)] == [Alarm.OVERTAKEN]
    old.renew(game.tip)
    assert [type(each) for each in words(old)] == [Standing]
    old.renew(game.line[2])
    assert old.agreement == game.tip

    other = replace(game.tip.commitment, batch_hash=bytes(32))
    signed = SignatureSet.of(
        {index: LocalSigner(key).sign(TypedData(world.registry.domain, other)) for index, key in enumerate(KEYS)}
    )
    twin = Watchtower(world.registry, Agreement(world.registry.domain, game.terms, other, signed), WATCHER)
    assert [each.alarm for each in words(twin) if isinstance(each, Alarmed)] == [Alarm.CONTRADICTED]
    another = Played(world.chain, world.registry)
    with pytest.raises(InvalidInput, match="another thread"):
        old.renew(another.tip)


@pytest.mark.parametrize("tip", [None, "0x0"])
def test_an_answer_that_nobody_includes_is_sent_again_for_more(world: OnChain, tip: str | None) -> None:
    """A node that loses what it is given: after two blocks the same place is taken by one that pays twice as much."""
    game = started(world, 0, 3)
    given: list[Transaction] = []
    real = world.chain.provider

    class Losing:
        def request(self, method: str, *parameters: object) -> object:
            if method == "eth_sendRawTransaction":
                given.append(decode_transaction(bytes.fromhex(str(parameters[0])[2:]), OSAKA.transactions))
                if len(given) == 1:
                    return None
            if method == "eth_maxPriorityFeePerGas" and tip is not None:
                return tip
            if method == "eth_getTransactionReceipt":
                raise BadAnswer("not to be had")
            return real.request(method, *parameters)

    registry = Registry.connect(Losing(), world.registry.address, patience=QUICK)
    tower = Watchtower(registry, game.tip, WATCHER)
    world.registry.challenge(game.owners[1], game.line[3])
    sent = 0
    for _ in range(3):
        sent += len([each for each in tower.look()[1] if isinstance(each, Answered)])
        world.chain.mine()
    assert sent == 2
    assert len({each.nonce for each in given}) == 1
    assert [each.max_priority_fee // given[0].max_priority_fee for each in given] == [1, 2]
    world.chain.mine()
    assert world.registry.thread(game.thread_id).record == game.tip.digest


def test_a_final_agreement_settles_after_the_deadline_too(world: OnChain) -> None:
    """Nobody has settled the stale record yet: a final commitment is paid at any time."""
    game = started(world, 0, 3)
    final = game.close()
    world.registry.challenge(game.owners[1], game.line[3])
    game.past_deadline()
    words(Watchtower(world.registry, final, WATCHER))
    state = world.registry.thread(game.thread_id)
    assert (state.mode, state.record) == (Mode.SETTLED, final.digest)


def test_events_that_can_not_be_read_keep_no_answer_back(world: OnChain) -> None:
    """The challenge's block is made too large to be read, or its events are left out: the proven words are enough."""

    def refuse(logs: object) -> object:
        raise BadAnswer("more than can be read")

    for change in (lambda logs: [], refuse):
        game = started(world, 0, 3)
        node = Unreliable(world.chain.provider, eth_getLogs=change)
        tower = Watchtower(Registry.connect(node, world.registry.address, patience=QUICK), game.tip, WATCHER)
        world.registry.challenge(game.owners[1], game.line[3])
        news, said = tower.look()
        assert [each.head.latest for each in news if isinstance(each, Head)] == [Mode.CHALLENGED]
        assert [type(each) for each in said] == [Alarmed, Answered]
        world.chain.mine()
        assert world.registry.thread(game.thread_id).record == game.tip.digest
        assert [type(each) for each in words(tower)] == [Standing]
        with pytest.raises(BackendError):
            tower.look()


def test_an_answer_that_was_lost_is_sent_again_also_where_there_is_no_money_for_more(world: OnChain) -> None:
    game, poor = started(world, 0, 3), account("nearly penniless")
    rich(world.chain, poor)
    given: list[Transaction] = []

    def lose(method: str, *parameters: object) -> object:
        if method == "eth_sendRawTransaction":
            given.append(decode_transaction(bytes.fromhex(str(parameters[0])[2:]), OSAKA.transactions))
            if len(given) == 1:
                return None
        return world.chain.provider.request(method, *parameters)

    registry = Registry.connect(SimpleNamespace(request=lose), world.registry.address, patience=QUICK)
    tower = Watchtower(registry, game.tip, poor)
    world.registry.challenge(game.owners[1], game.line[3])
    tower.look()
    world.chain.put(poor.address, balance=given[0].gas_limit * given[0].max_fee * 3 // 2)
    word, answer = tower.look()[1]
    assert isinstance(word, Alarmed)
    assert word.alarm is Alarm.UNPAID
    assert isinstance(answer, Answered)
    assert given[-1].gas_limit * given[-1].max_fee <= given[0].gas_limit * given[0].max_fee * 3 // 2
    world.chain.mine()
    assert world.registry.thread(game.thread_id).record == game.tip.digest


def test_who_can_not_pay_the_usual_fees_offers_all_it_has(world: OnChain) -> None:
    """A spike: for the tip that the node wants there is not enough, and for less it may get in all the same."""
    game, poor = started(world, 0, 3), account("with less")
    node = Unreliable(world.chain.provider, eth_maxPriorityFeePerGas=lambda _: hex(ETHER))
    registry = Registry.connect(node, world.registry.address, patience=QUICK)
    world.chain.put(poor.address, balance=ETHER)
    tower = Watchtower(registry, game.tip, poor)
    world.registry.challenge(game.owners[1], game.line[3])
    assert [each.alarm if isinstance(each, Alarmed) else type(each) for each in tower.look()[1]] == [
        Alarm.CHALLENGED, Alarm.UNPAID, Answered,
    ]  # fmt: skip
    world.chain.mine()
    assert world.registry.thread(game.thread_id).record == game.tip.digest


@pytest.mark.parametrize("is_known", [False, True])
def test_a_final_block_that_is_behind_keeps_no_answer_back(world: OnChain, is_known: bool) -> None:
    """A node that has just started may tell an old one, or another node; the latest block is proven all the same."""
    game = started(world, 0, 3)
    old = block_at(world.chain.provider, FINALIZED)
    world.chain.mine(FINALITY)
    behind = []

    def request(method: str, *parameters: object) -> object:
        if behind and parameters[:1] == (FINALIZED,):
            parameters = (hex(old.number), False)
        return world.chain.provider.request(method, *parameters)

    registry = Registry.connect(SimpleNamespace(request=request), world.registry.address, patience=QUICK)
    tower = Watchtower(registry, game.tip, WATCHER)
    if is_known:
        tower.look()
    behind.append(True)
    world.registry.challenge(game.owners[1], game.line[3])
    assert [type(each) for each in words(tower)] == [Alarmed, Answered]
    assert [type(each) for each in words(tower)] == [Standing]
    assert words(tower) == []
    behind.clear()
    assert [type(each) for each in tower.look()[0]][-1] is Head
    assert world.registry.thread(game.thread_id).record == game.tip.digest


def test_what_was_seen_is_told_though_answering_failed(world: OnChain) -> None:
    game = started(world, 0, 3)
    wrong = ["no number"]
    node = Unreliable(world.chain.provider, eth_getBalance=lambda told: wrong.pop() if wrong else told)
    tower = Watchtower(Registry.connect(node, world.registry.address, patience=QUICK), game.tip, WATCHER)
    world.registry.challenge(game.owners[1], game.line[3])
    with pytest.raises(BadAnswer):
        tower.look()
    news, said = tower.look()
    assert [type(each.placed.event) for each in news if isinstance(each, Seen)][-1] is Challenged
    assert isinstance(news[-1], Head)
    assert [type(each) for each in said] == [Alarmed, Answered]


def test_each_alarm_is_told_once(world: OnChain) -> None:
    game = started(world, 0, 3)
    poor = Watchtower(world.registry, game.tip, account("penniless"))
    world.registry.challenge(game.owners[1], game.line[3])
    assert len(words(poor)) == 2
    world.chain.mine()
    assert words(poor) == []


class Holding:
    """A node with a transaction of the watchtower's account that pays too little: what comes behind it waits too."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.given: list[Transaction] = []
        self.is_held = True

    def request(self, method: str, *parameters: object) -> object:
        answer = None if method == "eth_sendRawTransaction" else self.provider.request(method, *parameters)
        if method == "eth_getTransactionCount" and parameters[1] == "pending" and self.is_held:
            return hex(int(str(answer), 16) + 1)
        if method != "eth_sendRawTransaction":
            return answer
        transaction = decode_transaction(bytes.fromhex(str(parameters[0])[2:]), OSAKA.transactions)
        self.given.append(transaction)
        held = self.provider.request("eth_getTransactionCount", "0x" + WATCHER.address.hex(), "latest")
        if transaction.nonce == int(str(held), 16):
            self.is_held = False
            return self.provider.request(method, *parameters)
        return "0x" + transaction.hash().hex()


def test_an_answer_takes_the_place_of_what_holds_it_up(world: OnChain) -> None:
    game = started(world, 0, 3)
    node = Holding(world.chain.provider)
    tower = Watchtower(Registry.connect(node, world.registry.address, patience=QUICK), game.tip, WATCHER)
    world.registry.challenge(game.owners[1], game.line[3])
    for _ in range(3):
        tower.look()
        world.chain.mine()
    first, second = node.given
    assert second.nonce == first.nonce - 1
    assert second.max_fee > first.max_fee
    assert world.registry.thread(game.thread_id).record == game.tip.digest


def test_an_answer_whose_place_was_taken_gets_another(world: OnChain) -> None:
    """The same account sends something else meanwhile, with the nonce that the lost answer had."""
    game = started(world, 0, 3)
    lost: list[object] = []

    def lose(method: str, *parameters: object) -> object:
        if method == "eth_sendRawTransaction" and not lost:
            lost.append(parameters)
            return None
        return world.chain.provider.request(method, *parameters)

    registry = Registry.connect(world.chain.provider, world.registry.address, patience=QUICK)
    registry.transactions.provider = SimpleNamespace(request=lose)
    tower = Watchtower(registry, game.tip, WATCHER)
    world.registry.challenge(game.owners[1], game.line[3])
    assert [type(each) for each in tower.look()[1]] == [Alarmed, Answered]
    world.registry.transactions.send(WATCHER, Call("other", bytes(20)))
    world.chain.mine(2)
    assert [type(each) for each in words(tower)] == [Answered]
    assert world.registry.thread(game.thread_id).record == game.tip.digest


def final_number(world: OnChain) -> int:
    return block_at(world.chain.provider, FINALIZED).number


def test_after_finality_broke_it_begins_at_the_present(world: OnChain) -> None:
    game = started(world, 0)
    tower = Watchtower(
        world.registry, game.tip, WATCHER, position=Position(final_number(world), bytes(32), ThreadState())
    )
    with pytest.raises(FinalityBroken):
        tower.look()
    assert isinstance(tower.look()[0][-1], Head)
