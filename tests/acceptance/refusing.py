"""What "refuse" means where bytes are concerned: a typed error on every way in, and what was right stays right."""

import copy
import pickle
from collections.abc import Iterator
from dataclasses import replace

import pytest

from evmthread.commit import (
    Agreement,
    Commitment,
    Domain,
    SignatureSet,
    SignedCommitment,
    Terms,
    check_signatures,
    verify,
    verify_chain,
)
from evmthread.commit.records import Record
from evmthread.errors import EvmthreadError
from tests.commit import commit_samples as samples
from tests.commit import vector_forms

DOMAIN = samples.DOMAIN
VECTORS = vector_forms.VECTORS


def every_bit(record: Record) -> Iterator[tuple[str, Record]]:
    """The record with one bit of one member changed, for each bit of each, and the member's name.

    Of arrays each item; of integers the bits of its width; of a string those that leave it ASCII.
    """
    for member in record.STRUCT.members:
        value = getattr(record, member.attribute)
        items = value if isinstance(value, tuple) else (value,)
        for place, item in enumerate(items):
            for changed in _bits(item, member.type_name.removesuffix("[]")):
                whole = (*items[:place], changed, *items[place + 1 :]) if isinstance(value, tuple) else changed
                yield member.name, replace(record, **{member.attribute: whole})  # type: ignore[type-var]


def _bits(value: object, type_name: str) -> Iterator[object]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value ^ 1 << bit for bit in range(int(type_name.removeprefix("uint"))))
    elif isinstance(value, str):
        for place, letter in enumerate(value):
            yield from (value[:place] + chr(ord(letter) ^ 1 << bit) + value[place + 1 :] for bit in range(7))
    else:
        assert isinstance(value, bytes)
        number, size = int.from_bytes(value, "big"), len(value)
        yield from ((number ^ 1 << bit).to_bytes(size, "big") for bit in range(8 * size))


class Case:
    """A commitment that all parties signed, and ways to offer it, or something like it, as an agreement."""

    def __init__(
        self, parties: int, threshold: int | None = None, *, domain: Domain = DOMAIN, **changes: object
    ) -> None:
        self.domain = domain
        self.terms = samples.terms_of(parties, threshold=parties if threshold is None else threshold)
        self.commitment = samples.commitment_of(domain, self.terms, **changes)
        self.full = samples.sign_all(domain, self.terms, self.commitment)
        self.good = Agreement(domain, self.terms, self.commitment, self.full)

    def refused(
        self,
        refusal: type[EvmthreadError] | tuple[type[EvmthreadError], ...],
        signatures: SignatureSet | None = None,
        *,
        domain: Domain | None = None,
        terms: Terms | None = None,
        commitment: Commitment | None = None,
    ) -> None:
        """Every way to make an Agreement of this ends in the same typed error; what is right stays so."""
        where = self.domain if domain is None else domain
        under = self.terms if terms is None else terms
        signed = SignedCommitment(
            self.commitment if commitment is None else commitment, self.full if signatures is None else signatures
        )
        errors = []
        for attempt in (
            lambda: Agreement(where, under, signed.commitment, signed.signatures),
            lambda: verify(where, under, signed),
            lambda: Agreement.decode(where, under, signed.encode()),
            lambda: Agreement.from_json(where, under, signed.to_json()),
            lambda: verify_chain(where, under, [signed], bytes(32)),
            lambda: replace(
                self.good, domain=where, terms=under, commitment=signed.commitment, signatures=signed.signatures
            ),
        ):
            with pytest.raises(refusal) as caught:
                attempt()
            errors.append((type(caught.value), str(caught.value)))
            again = pickle.loads(pickle.dumps(caught.value))
            assert (type(again), str(again)) == errors[-1]
        assert len(set(errors)) == 1
        assert copy.copy(self.good).digest == self.good.digest
        check_signatures(self.terms, self.good.digest, self.full, len(self.terms.keys))
