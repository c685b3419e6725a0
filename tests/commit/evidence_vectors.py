"""Vectors of what follows agreements: chains, resumes, evidence, and every subset of signers."""

from collections.abc import Sequence
from dataclasses import replace

import commit_samples as samples
from vector_forms import hexed, verdict

from evmthread.commit import (
    Agreement,
    Commitment,
    Domain,
    Equivocation,
    Input,
    InputEquivocation,
    LocalSigner,
    Resume,
    SignatureSet,
    SignedCommitment,
    Terms,
    TypedData,
    thread_id,
    verify_chain,
    verify_resume,
)
from evmthread.commit.members import Json
from evmthread.commit.records import Record
from evmthread.errors import VerificationError

DOMAIN = samples.DOMAIN


def subsets() -> list[Json]:
    """C29: of 2 to 5 parties and each threshold, the sets of signers (bitmaps) that make an agreement.

    `signatures` are all parties'; the set with bit i is made with signatures[i].
    """
    result: list[Json] = []
    for parties in range(2, 6):
        for threshold in range(parties + 2):
            terms = samples.terms_of(parties, threshold=threshold)
            base = samples.commitment_of(DOMAIN, terms)
            forms = {
                "at rest": base,
                "genesis": replace(base, nonce=0, parent=bytes(32)),
                "final": replace(base, status=2),
            }
            for form, commitment in forms.items():
                signatures = samples.sign_all(DOMAIN, terms, commitment).signatures
                accepted: list[Json] = []
                for bitmap in range(1 << parties):
                    chosen = tuple([each for index, each in enumerate(signatures) if bitmap >> index & 1])
                    try:
                        Agreement(DOMAIN, terms, commitment, SignatureSet(bitmap, chosen))
                    except VerificationError:
                        continue
                    accepted.append(bitmap)
                entry: dict[str, Json] = {"what": f"{form}, {threshold} of {parties}", "terms": terms.to_json()}
                entry |= {"commitment": commitment.to_json(), "signatures": [hexed(each) for each in signatures]}
                result.append(entry | {"accepted": accepted})
    return result


def chains(terms: Terms, name: str) -> list[Json]:
    """Agreements in any order, and the line of parents that ends in `tip`."""
    line = samples.line_of(DOMAIN, terms, (0, 1, 2, 5), final=True)
    tip = line[-1]
    result: list[Json] = []

    def child(parent: Agreement, **changes: object) -> Agreement:
        values: dict[str, object] = {"nonce": parent.commitment.nonce + 1, "parent": parent.digest}
        return samples.agree(DOMAIN, terms, replace(parent.commitment, **(values | changes)))  # type: ignore[arg-type]

    def add(what: str, given: Sequence[Agreement | SignedCommitment], end: bytes) -> None:
        found = verdict(lambda: verify_chain(DOMAIN, terms, given, end))
        parts: dict[str, Json] = {"line": None, "superseded": None}
        if found["check"] is None:
            chain = verify_chain(DOMAIN, terms, given, end)
            parts = {
                "line": [hexed(each.digest) for each in chain.line],
                "superseded": [hexed(each.digest) for each in chain.superseded],
            }
        entry: dict[str, Json] = {"what": what, "terms": name, "agreements": [hexed(each.encode()) for each in given]}
        result.append(entry | {"tip": hexed(end)} | parts | found)

    fork = child(line[1], state_root=bytes(32))
    skipped = child(line[2], nonce=3)
    add("a line in order", line, tip.digest)
    add("backwards, and one twice", [*reversed(line), line[2]], tip.digest)
    add("the genesis alone", line[:1], line[0].digest)
    add("with what was superseded", [skipped, fork, *line], tip.digest)
    add("a fork as tip", [skipped, fork, *line], fork.digest)
    add("no such tip", line, bytes(32))
    add("nothing", [], tip.digest)
    add("a parent is missing", [line[0], *line[2:]], tip.digest)
    add("the genesis is missing", line[1:], tip.digest)
    for wrong in (child(line[2], nonce=2), child(line[2], nonce=1)):
        add("a nonce that isn't above its parent's", [*line, wrong], wrong.digest)
    for wrong in (child(tip), child(tip, status=0)):
        add("on top of a final one", [*line, wrong], wrong.digest)
    for changes in ({"gas_used": 0}, {"fee": 0}, {"gas_used": line[3].commitment.gas_used - 1}):
        wrong = child(line[3], **changes)
        add("a meter runs backwards", [*line, wrong], wrong.digest)
    for changes in ({"state_root": bytes(32)}, {"balances": (0,) * len(terms.owners)}):
        wrong = child(line[3], status=2, **changes)
        add("a final one that changes something", [*line, wrong], wrong.digest)
    for place in (0, 2):
        few = line[place].signatures
        weak = SignedCommitment(line[place].commitment, SignatureSet.of({0: few.signatures[0]}))
        add("too few signatures on one of them", [*line[:place], weak, *line[place + 1 :]], tip.digest)
    other = samples.line_of(Domain(2, samples.REGISTRY), terms, (0,))
    add("one of another chain", [*line, *other], tip.digest)
    salted = samples.terms_of(len(terms.owners), salt=9)
    add("one of another thread", [*line, *samples.line_of(DOMAIN, salted, (0,))], tip.digest)
    return result


def resumes(terms: Terms, name: str) -> list[Json]:
    """All parties' word that a challenged thread goes on."""
    resume = Resume(thread_id(DOMAIN, terms), 1_800_000_000)
    good = samples.sign_record(DOMAIN, terms, resume)
    result: list[Json] = []

    def add(what: str, value: Resume, signatures: SignatureSet) -> None:
        entry: dict[str, Json] = {"what": what, "terms": name, "value": value.to_json(), **signatures.to_json()}
        result.append(entry | verdict(lambda: verify_resume(DOMAIN, terms, value, signatures)))

    first, *others = good.signatures
    add("signed by all", resume, good)
    top = replace(resume, deadline=(1 << 64) - 1)
    add("the last deadline", top, samples.sign_record(DOMAIN, terms, top))
    for missing in range(len(terms.keys)):
        rest = tuple([each for index, each in enumerate(good.signatures) if index != missing])
        add("one is missing", resume, SignatureSet(good.bitmap & ~(1 << missing), rest))
    for deadline in (1_800_000_001, 0):
        add("another deadline", replace(resume, deadline=deadline), good)
    for thread in (thread_id(DOMAIN, samples.terms_of(2, salt=9)), bytes(32)):
        other = replace(resume, thread_id=thread)
        add("another thread", other, samples.sign_record(DOMAIN, terms, other))
    for wrong in (first[:64], first[:64] + b"\x01"):
        add("no signature among them", resume, SignatureSet(good.bitmap, (wrong, *others)))
    add("more signatures than bits", resume, SignatureSet(good.bitmap, (*good.signatures, first)))
    add("fewer signatures than bits", resume, SignatureSet(good.bitmap, good.signatures[:-1]))
    for bit in (len(terms.keys), 15):
        add("a bit above the parties", resume, SignatureSet(good.bitmap | 1 << bit, (*good.signatures, first)))
    commitment = samples.commitment_of(DOMAIN, terms)
    for record in (commitment, samples.input_of(DOMAIN, terms)):
        add("signatures over something else", resume, samples.sign_record(DOMAIN, terms, record))
    return result


def equivocations(terms: Terms, name: str) -> list[Json]:
    """Two commitments with one nonce, both signed by the party `index`, or the operator under the number of parties."""
    base = samples.commitment_of(DOMAIN, terms)
    by_index = [{each.address: each for each in samples.signers(5)}[key] for key in terms.keys]
    result: list[Json] = []

    def add(what: str, index: int, first: Commitment, second: Commitment, *signatures: bytes) -> None:
        signer = by_index[index] if index < len(by_index) else by_index[0]
        given = signatures or tuple([signer.sign(TypedData(DOMAIN, each)) for each in (first, second)])
        value: dict[str, Json] = {"index": index, "first": first.to_json(), "firstSignature": hexed(given[0])}
        value |= {"second": second.to_json(), "secondSignature": hexed(given[1])}
        found = verdict(lambda: Equivocation.from_json(DOMAIN, terms, value))
        result.append({"what": what, "terms": name, "value": value} | found)

    other = replace(base, fee=0)
    for index in range(len(terms.keys)):
        add("two fees", index, base, other)
    add("the second isn't well-formed", 0, base, replace(base, status=77))
    add("two batches", 1, base, replace(base, batch_hash=bytes(32)))
    for nonce in (4, 6):
        add("two nonces", 0, base, replace(base, nonce=nonce))
    for same in (base, other):
        add("one commitment", 0, same, same)
    add("not signed by the operator, who is no party", len(terms.keys), base, other)
    for index in (len(terms.keys) + 1, 255):
        add("a party that isn't there", index, base, other)
    elsewhere = samples.commitment_of(DOMAIN, samples.terms_of(len(terms.keys), salt=9))
    add("the first of another thread", 0, elsewhere, base)
    add("the second of another thread", 0, base, elsewhere)
    good = [by_index[0].sign(TypedData(DOMAIN, each)) for each in (base, other)]
    theirs = [by_index[1].sign(TypedData(DOMAIN, each)) for each in (base, other)]
    add("the first signed by another", 0, base, other, theirs[0], good[1])
    add("the second signed by another", 0, base, other, good[0], theirs[1])
    add("the signatures swapped", 0, base, other, good[1], good[0])
    add("the first is no signature", 0, base, other, good[0][:64], good[1])
    add("the second is no signature", 0, base, other, good[0], good[1][:64] + b"\x1d")
    return result


def input_equivocations(terms: Terms, name: str) -> list[Json]:
    """Two inputs with one actor, kind, nonce and parent, both signed by the actor's key."""
    base = samples.input_of(DOMAIN, terms, parent=b"\x07" * 32)
    keys = dict(zip(terms.owners, samples.signers(len(terms.owners)), strict=True))
    stranger = LocalSigner(samples.private_key(9))
    result: list[Json] = []

    def sign(each: Input) -> bytes:
        return keys.get(each.actor, stranger).sign(TypedData(DOMAIN, each))

    def add(what: str, first: Input, second: Input, *signatures: bytes) -> None:
        given = signatures or (sign(first), sign(second))
        value: dict[str, Json] = {"first": first.to_json(), "firstSignature": hexed(given[0])}
        value |= {"second": second.to_json(), "secondSignature": hexed(given[1])}
        found = verdict(lambda: InputEquivocation.from_json(DOMAIN, terms, value))
        result.append({"what": what, "terms": name, "value": value} | found)

    other = replace(base, data=b"")
    add("two data", base, other)
    add("two values", base, replace(base, value=1))
    add("of the other owner", replace(base, actor=terms.owners[1]), replace(other, actor=terms.owners[1]))
    for same in (base, other):
        add("one input", same, same)
    for name_, values in (
        ("actor", (terms.owners[1], terms.owners[-1])),
        ("kind", (1, 2)),
        ("nonce", (2, 4)),
        ("parent", (b"\x08" * 32, bytes(32))),
    ):
        for value in values:
            add(f"another {name_}", base, replace(other, **{name_: value}))  # type: ignore[arg-type]
    for gas in (1, 2):
        add("no parent", replace(base, parent=bytes(32)), replace(base, parent=bytes(32), gas=gas))
    elsewhere = thread_id(DOMAIN, samples.terms_of(len(terms.keys), salt=9))
    add("the first of another thread", replace(base, thread_id=elsewhere), other)
    add("the second of another thread", base, replace(other, thread_id=elsewhere))
    for actor in (stranger.address, bytes(20)):
        add("an actor who is no owner", replace(base, actor=actor), replace(other, actor=actor))
    theirs = keys[terms.owners[1]]
    add("the first signed by another", base, other, theirs.sign(TypedData(DOMAIN, base)), sign(other))
    add("the second signed by another", base, other, sign(base), theirs.sign(TypedData(DOMAIN, other)))
    add("the first is no signature", base, other, sign(base)[:64], sign(other))
    add("the second is no signature", base, other, sign(base), b"")
    return result


def struct_types(records: Sequence[type[Record]]) -> dict[str, Json]:
    """encodeType of every struct: its members and those of the structs that it refers to."""
    return {
        record.STRUCT.name: record.STRUCT.signature + "".join(each.signature for each in record.STRUCT.referenced)
        for record in records
    }
