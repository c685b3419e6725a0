"""Vectors of batches: their bytes, the rules that need no execution, and what may follow what."""

from collections.abc import Iterable
from dataclasses import replace

import commit_samples as samples
from vector_forms import hexed, verdict

from evmthread.commit import (
    EMPTY_TRIE_ROOT,
    Batch,
    Commitment,
    Domain,
    Environment,
    Input,
    LocalSigner,
    Ruleset,
    SignedBatch,
    Suspension,
    Terms,
    TypedData,
    check_environment,
    check_signed_batch,
    check_succession,
    check_successor,
    digest,
    thread_id,
)
from evmthread.commit.commitment import MAX_SUSPENSION_BYTES, check_suspension_fits
from evmthread.commit.members import Json
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256

DOMAIN = samples.DOMAIN
RULESETS: dict[str, Ruleset] = {
    "default": samples.RULESET,
    "small": replace(samples.RULESET, batch_inputs=2, batch_bytes=1_100, batch_gas=300_000),
}
MACHINE = keccak256(b"machine")


class _Batches:
    """Collects signed batches with our own verdict."""

    def __init__(self, terms: dict[str, Terms]) -> None:
        self.entries: list[Json] = []
        self._terms = terms

    def add_bytes(self, what: str, name: str, ruleset: str, commitment: Commitment, data: bytes) -> None:
        terms, rules = self._terms[name], RULESETS[ruleset]

        def check() -> None:
            signed = SignedBatch.decode(data, batch_bytes=rules.batch_bytes)
            check_signed_batch(DOMAIN, terms, rules, commitment, signed)

        entry: dict[str, Json] = {"what": what, "terms": name, "ruleset": ruleset, "commitment": commitment.to_json()}
        self.entries.append(entry | {"bytes": hexed(data)} | verdict(check))

    def add(
        self,
        what: str,
        inputs: Iterable[Input],
        *,
        name: str = "two",
        ruleset: str = "default",
        environment: Environment | None = None,
        signatures: Iterable[bytes] | None = None,
        **changes: object,
    ) -> None:
        terms = self._terms[name]
        values = {"gas_limit": RULESETS[ruleset].batch_gas, "coinbase": terms.operator}
        batch = Batch(samples.environment(**values) if environment is None else environment, tuple(inputs))
        given = samples.sign_inputs(DOMAIN, terms, batch).signatures if signatures is None else tuple(signatures)
        commitment = samples.commitment_of(DOMAIN, terms, **({"batch_hash": batch.hash_struct()} | changes))
        self.add_bytes(what, name, ruleset, commitment, SignedBatch(batch, given).encode())


def batches(terms: dict[str, Terms]) -> list[Json]:
    """Signed batches beside the commitment that names them."""
    found = _Batches(terms)
    _valid(found, terms["two"])
    _limits(found, terms["two"])
    _inputs(found, terms["two"])
    _signatures(found, terms)
    _bytes(found, terms["two"])
    return found.entries


def _valid(found: _Batches, two: Terms) -> None:
    parent = keccak256(b"parent")
    call = samples.input_of(DOMAIN, two)
    answer = replace(call, nonce=0, parent=parent, kind=2, data=MACHINE + b"yes", gas=0, to=bytes(20))
    found.add("empty", ())
    found.add("a call", (call,))
    found.add("a call bound to its parent", (replace(call, parent=parent),))
    found.add("calls of both owners", (call, replace(call, actor=two.owners[1], value=(1 << 256) - 1, data=b"")))
    found.add("an answer, and a call behind it", (answer, call))
    found.add("an answer without bytes", (replace(answer, data=MACHINE),))
    found.add("an abort", (replace(answer, kind=3, data=MACHINE),))
    found.add("a create", (replace(call, kind=1, gas=30_000_000),), nonce=0, parent=bytes(32))
    found.add("a call in the genesis", (call,), nonce=0, parent=bytes(32))
    found.add("empty, of a final commitment", (), status=2)
    found.add("a call signed by a session key", (samples.input_of(DOMAIN, _SESSION),), name="session keys")
    found.add("as many and as long as they may be", _filling(two, 1_100), ruleset="small")


_SESSION = replace(
    samples.terms_of(2), keys=tuple([LocalSigner(samples.private_key(index)).address for index in (4, 5)])
)


def _filling(two: Terms, size: int) -> tuple[Input, Input]:
    """Two inputs whose batch has exactly that many bytes with its signatures."""
    first = samples.input_of(DOMAIN, two)
    for length in range(size):
        inputs = first, replace(first, data=bytes(length))
        batch = Batch(samples.environment(gas_limit=300_000), inputs)
        if len(samples.sign_inputs(DOMAIN, two, batch).to_rlp()) == size:
            return inputs
    raise AssertionError(f"no batch of {size} bytes")


def _limits(found: _Batches, two: Terms) -> None:
    call = samples.input_of(DOMAIN, two)
    found.add("batchHash of another batch", (call,), batch_hash=Batch(samples.environment(), ()).hash_struct())
    later = Batch(samples.environment(timestamp=1_760_000_001), (call,))
    found.add("batchHash in another environment", (call,), batch_hash=later.hash_struct())
    for what, other in (("salt", samples.terms_of(2, salt=8)), ("threshold of three", samples.terms_of(3))):
        found.add(f"a commitment of another thread: {what}", (call,), thread_id=thread_id(DOMAIN, other))
        found.add(f"an input of another thread: {what}", (call, replace(call, thread_id=thread_id(DOMAIN, other))))
    for domain in (Domain(2, samples.REGISTRY), Domain(1, samples.OPERATOR)):
        found.add("an input of another chain or registry", (replace(call, thread_id=thread_id(domain, two)),))
    short = replace(call, data=b"")
    for count in (3, 4):
        found.add(f"{count} inputs where 2 may be", (short,) * count, ruleset="small")
        found.add(f"{count} inputs of a final commitment", (call,) * count, status=2)
    found.add("a byte more than batchBytes", _filling(two, 1_101), ruleset="small")
    found.add("twice batchBytes", (replace(call, data=bytes(2_000)),), ruleset="small")
    for changes in (
        {"prev_randao": b"\x01" * 32},
        {"prev_randao": bytes(31) + b"\x01"},
        {"coinbase": bytes(20)},
        {"coinbase": two.owners[0]},
        {"gas_limit": 29_999_999},
        {"gas_limit": 30_000_001},
    ):
        found.add(f"environment: {next(iter(changes))}", (call,), environment=samples.environment(**changes))


def _inputs(found: _Batches, two: Terms) -> None:
    parent = keccak256(b"parent")
    call = samples.input_of(DOMAIN, two)
    create = replace(call, kind=1)
    answer = replace(call, nonce=0, parent=parent, kind=2, data=MACHINE + b"yes")
    abort = replace(answer, kind=3, data=MACHINE)
    genesis: dict[str, object] = {"nonce": 0, "parent": bytes(32)}
    for other in (keccak256(b"grandparent"), bytes(31) + b"\x01"):
        found.add("another parent", (replace(call, parent=other),))
    for gas in (30_000_001, (1 << 64) - 1):
        found.add("more gas than batchGas", (replace(call, gas=gas),))
    for kind in (4, 255):
        found.add(f"kind {kind}", (replace(call, kind=kind),))
    found.add("a create above the genesis", (create,))
    found.add("a create behind a call", (call, create), **genesis)
    for to in (bytes(20), two.owners[1]):
        found.add("a create elsewhere", (replace(create, to=to),), **genesis)
    for each in (answer, abort):
        what = "an answer" if each.kind == 2 else "an abort"
        found.add(f"{what} behind a call", (call, each))
        found.add(f"{what} behind itself", (each, each))
        for nonce in (1, (1 << 64) - 1):
            found.add(f"{what} with nonce {nonce}", (replace(each, nonce=nonce),))
        found.add(f"{what} without a parent", (replace(each, parent=bytes(32)),))
        for size in (0, 31):
            found.add(f"{what} with {size} bytes of data", (replace(each, data=MACHINE[:size]),))
    found.add("an abort with 33 bytes of data", (replace(abort, data=MACHINE + b"\x00"),))
    found.add("an abort with 64 bytes of data", (replace(abort, data=MACHINE * 2),))


def _signatures(found: _Batches, terms: dict[str, Terms]) -> None:
    two = terms["two"]
    call = samples.input_of(DOMAIN, two)
    first, second = samples.signers(2)
    good, theirs = first.sign(TypedData(DOMAIN, call)), second.sign(TypedData(DOMAIN, call))
    wrong: list[tuple[str, tuple[bytes, ...]]] = [
        ("no signature", ()),
        ("two signatures", (good, good)),
        ("signed by the other owner", (theirs,)),
        ("signed by a stranger", (LocalSigner(samples.private_key(9)).sign(TypedData(DOMAIN, call)),)),
        ("signed with another gas", (first.sign(TypedData(DOMAIN, replace(call, gas=1))),)),
        ("signed on another chain", (first.sign(TypedData(Domain(2, samples.REGISTRY), call)),)),
        ("signature empty", (b"",)),
        ("signature cut by one byte", (good[:64],)),
        ("v of 0", (good[:64] + b"\x00",)),
        ("r zero", (bytes(32) + good[32:],)),
    ]
    for what, signatures in wrong:
        found.add(what, (call,), signatures=signatures)
    found.add("two inputs with their signatures swapped", (call, replace(call, actor=two.owners[1])), signatures=(
        second.sign(TypedData(DOMAIN, replace(call, actor=two.owners[1]))), good))  # fmt: skip
    for stranger in (bytes(20), LocalSigner(samples.private_key(9)).address):
        found.add("an actor who is no owner", (replace(call, actor=stranger),), signatures=(good,))
    session = samples.input_of(DOMAIN, _SESSION)
    found.add(
        "signed by the owner where a session key is named",
        (session,),
        name="session keys",
        signatures=(first.sign(TypedData(DOMAIN, session)),),
    )
    for member in Input.STRUCT.members:
        if member.name in ("nonce", "to", "value", "gas", "data"):
            changed = replace(call, **{member.attribute: _other(getattr(call, member.attribute))})
            found.add(f"{member.name} flipped under the same signature", (changed,), signatures=(good,))


def _other(value: object) -> object:
    return value ^ 1 if isinstance(value, int) else value[:-1] + bytes([value[-1] ^ 1])  # type: ignore[index, operator]


def _bytes(found: _Batches, two: Terms) -> None:
    call = samples.input_of(DOMAIN, two)
    commitment, signed = samples.committed_batch(DOMAIN, two, (call,))
    data = signed.encode()
    environment, inputs = rlp.decode(signed.batch.environment.to_rlp()), [rlp.decode(call.to_rlp())]
    signatures = list(signed.signatures)
    assert isinstance(environment, list)
    fields = inputs[0]
    assert isinstance(fields, list)

    def build(*items: object) -> bytes:
        return b"\x01" + rlp.encode(items)  # type: ignore[arg-type]

    wrong: list[tuple[str, bytes]] = [
        ("version 0", b"\x00" + data[1:]),
        ("version 2", b"\x02" + data[1:]),
        ("no version byte", data[1:]),
        ("cut by one byte", data[:-1]),
        ("a byte behind", data + b"\x00"),
        ("two items", build(environment, inputs)),
        ("four items", build(environment, inputs, signatures, b"")),
        ("an environment of four", build(environment[:4], inputs, signatures)),
        ("an input of eight", build(environment, [fields[:8]], signatures)),
        ("an input of ten", build(environment, [[*fields, b""]], signatures)),
        ("a number with a leading zero", build([b"\x00\x01", *environment[1:]], inputs, signatures)),
        ("kind of two bytes", build(environment, [[*fields[:3], b"\x01\x00", *fields[4:]]], signatures)),
        ("an actor of 19 bytes", build(environment, [[*fields[:4], b"\x01" * 19, *fields[5:]]], signatures)),
        ("data a list", build(environment, [[*fields[:8], []]], signatures)),
        ("signatures not a list", build(environment, inputs, signatures[0])),
    ]
    for what, each in wrong:
        found.add_bytes(what, "two", "default", commitment, each)
    found.add_bytes("longer than batchBytes", "two", "small", commitment, data + bytes(1_101))


# What may follow what -------------------------------------------------------------------------------------------------
def successions(two: Terms) -> list[Json]:
    """A commitment and its batch after another: what must hold between them without an execution."""
    result: list[Json] = []
    rest = samples.commitment_of(DOMAIN, two)
    suspended = replace(rest, status=1, awaiting=two.owners[0], machine_hash=MACHINE)
    before = samples.environment()

    def add(
        what: str, parent: Commitment, child: dict[str, object], inputs: tuple[Input, ...], **environment: object
    ) -> None:
        batch = Batch(samples.environment(**environment), inputs)
        values = {"nonce": 6, "parent": digest(DOMAIN, parent), "batch_hash": batch.hash_struct()}
        after = replace(parent, **(values | child))  # type: ignore[arg-type]

        def check() -> None:
            check_successor(parent, after)
            check_environment(before, batch, nonce=after.nonce)
            check_succession(parent, after, batch)

        entry: dict[str, Json] = {"what": what, "parent": parent.to_json(), "parentEnvironment": before.to_json()}
        entry |= {"commitment": after.to_json(), "batch": hexed(batch.encode())}
        result.append(entry | verdict(check))

    call = samples.input_of(DOMAIN, two)
    answer = replace(call, nonce=0, kind=2, data=MACHINE + b"yes", actor=two.owners[0])
    abort = replace(answer, kind=3, data=MACHINE)
    moved: dict[str, object] = {"state_root": keccak256(b"later"), "gas_used": 2_000_000}
    add("a call", rest, moved, (call,))
    add("a call, a second later", rest, moved, (call,), timestamp=before.timestamp + 1, number=before.number + 1)
    add("an empty batch", rest, {}, ())
    add("an empty batch while suspended", suspended, {}, ())
    add("an answer", suspended, moved | {"status": 0, "awaiting": bytes(20), "machine_hash": bytes(32)}, (answer,))
    add("an abort by the other owner", suspended, moved, (replace(abort, actor=two.owners[1]),))
    add("final", rest, {"status": 2}, ())
    add("final from a suspension", suspended, {"status": 2, "awaiting": bytes(20), "machine_hash": bytes(32)}, ())
    final = replace(rest, status=2)
    add("a call on a final one", final, moved | {"status": 0}, (call,))
    add("final on a final one", final, {}, ())
    for nonce in (5, 4, 0):
        add(f"nonce {nonce} on nonce 5", rest, moved | {"nonce": nonce}, (call,))
    for name in ("gas_used", "fee"):
        for less in (1, getattr(rest, name)):
            add(f"less {name}", rest, moved | {name: getattr(rest, name) - less}, (call,))
    for name, value in (("number", before.number), ("timestamp", before.timestamp)):
        for less in (1, value):
            add(f"an earlier {name}", rest, moved, (call,), **{name: value - less})
            add(f"an empty batch with an earlier {name}", rest, {}, (), **{name: value - less})
        add(f"an empty batch with a later {name}", rest, {}, (), **{name: value + 1})
    for name, changes in _repeated(rest):
        add(f"final with another {name}", rest, {"status": 2} | changes, ())
        add(f"an empty batch with another {name}", rest, changes, ())
    for changes in ({"receipts_root": bytes(32)}, {"receipts_root": keccak256(b"receipts")}):
        add("final with receipts", rest, {"status": 2} | changes, ())
        add("an empty batch with receipts", rest, dict(changes), ())
    woken: dict[str, object] = {"status": 0, "awaiting": bytes(20), "machine_hash": bytes(32)}
    add("an empty batch that suspends", rest, {"status": 1, "awaiting": two.owners[0], "machine_hash": MACHINE}, ())
    add("an empty batch that wakes", suspended, woken, ())
    for other in (two.owners[1], bytes(20)):
        add("an empty batch that awaits another", suspended, {"awaiting": other}, ())
    for machine in (b"\x01" * 32, keccak256(b"other")):
        add("an empty batch with another machine", suspended, {"machine_hash": machine}, ())
    for each in (answer, abort):
        what = "an answer" if each.kind == 2 else "an abort"
        add(f"{what} at rest", rest, moved, (each,))
        add(f"{what} for another machine", suspended, moved, (replace(each, data=keccak256(b"other")),))
        add(f"{what} without its machine", suspended, moved, (replace(each, data=MACHINE[:31]),))
    for batch in ((call,), (call, answer)):
        add("a call first after a suspension", suspended, moved, batch)
    for more in (b"\x00", MACHINE):
        add("an abort with more than the machine", suspended, moved, (replace(abort, data=MACHINE + more),))
    for actor in (two.owners[1], two.origin):
        add("an answer by who isn't awaited", suspended, moved, (replace(answer, actor=actor),))
    return result


def _repeated(rest: Commitment) -> Iterable[tuple[str, dict[str, object]]]:
    for name in ("state_root", "storage_root"):
        yield name, {name: keccak256(b"other")}
        yield name, {name: EMPTY_TRIE_ROOT}
    for name in ("gas_used", "fee"):
        yield name, {name: getattr(rest, name) + 1}
        yield name, {name: getattr(rest, name) + 1000}
    first, *others = rest.balances
    yield "balances", {"balances": (first - 1, *others)}
    yield "balances", {"balances": (first - 1, others[0] + 1)}


def suspensions(two: Terms) -> list[Json]:
    """A Suspension beside its commitment, null for none; `transcript` is the ruleset's.

    `questionZeros` is how many zero bytes the question has, where it isn't written out.
    """
    call = digest(DOMAIN, samples.input_of(DOMAIN, two))
    asked = Suspension(call, (b"", b"yes"), 0, two.owners[0], b"a draw?")
    stepped = replace(asked, answers=(), steps=1234, question=b"")
    result: list[Json] = []

    def add(what: str, given: Suspension | None, *, transcript: bool = True, **changes: object) -> None:
        values: dict[str, object] = {"status": 1, "awaiting": two.owners[0]}
        values["machine_hash"] = MACHINE if given is None else given.hash_struct()
        commitment = samples.commitment_of(DOMAIN, two, **(values | changes))
        entry: dict[str, Json] = {"what": what, "commitment": commitment.to_json(), "transcript": transcript}
        check = verdict(lambda: check_suspension_fits(commitment, given, transcript=transcript))
        zeros = 0
        if given is not None and len(given.question) > 1_000:
            zeros, given = len(given.question), replace(given, question=b"")
        shown: Json = None if given is None else given.to_json()
        result.append(entry | {"suspension": shown} | ({"questionZeros": zeros} if zeros else {}) | check)

    resting: dict[str, object] = {"status": 0, "awaiting": bytes(20), "machine_hash": bytes(32)}
    add("asked", asked)
    add("after a number of steps", stepped)
    add("the machine's own hash", asked, transcript=False, machine_hash=MACHINE)
    add("at rest without one", None, **resting)
    add("suspended without one", None)
    add("suspended without one, no transcript", None, transcript=False)
    add("at rest with one", asked, **resting)
    add("final with one", asked, **(resting | {"status": 2}))
    for other in (two.owners[1], two.origin):
        add("it awaits another than the commitment", replace(asked, awaiting=other))
    others = len(replace(asked, question=bytes(MAX_SUSPENSION_BYTES)).to_rlp()) - MAX_SUSPENSION_BYTES
    longest = MAX_SUSPENSION_BYTES - others
    add("as long as it may be", replace(asked, question=bytes(longest)))
    for more in (1, 1_000):
        add("longer than 32,768 bytes", replace(asked, question=bytes(longest + more)))
    for machine in (MACHINE, replace(asked, steps=1).hash_struct()):
        add("machineHash of another", asked, machine_hash=machine)
    return result
