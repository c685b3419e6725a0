"""Hypothesis strategies for the records of evmthread.commit: any values of the right widths."""

from hypothesis import strategies as st

from evmthread.commit import (
    Batch,
    Commitment,
    Domain,
    Environment,
    Input,
    KeyGrant,
    Resume,
    Ruleset,
    Suspension,
    Terms,
)
from evmthread.commit.records import Record

address = st.binary(min_size=20, max_size=20)
hash32 = st.binary(min_size=32, max_size=32)


def uint(bits: int) -> st.SearchStrategy[int]:
    return st.one_of(st.integers(0, 300), st.just((1 << bits) - 1), st.integers(0, (1 << bits) - 1)).filter(
        lambda value: value < 1 << bits
    )


PLAIN: dict[str, st.SearchStrategy[object]] = {
    **{f"uint{bits}": uint(bits) for bits in (8, 32, 64, 256)},
    "address": address,
    "bytes32": hash32,
    "bytes": st.binary(max_size=80),
    "string": st.text(max_size=20),
    "bool": st.booleans(),
}


def records(cls: type[Record], **fixed: st.SearchStrategy[object]) -> st.SearchStrategy[Record]:
    """Any record of a class, from its own list of members."""
    chosen = {}
    for member in cls.STRUCT.members:
        if member.attribute in fixed:
            chosen[member.attribute] = fixed[member.attribute]
        elif member.type_name.endswith("[]"):
            chosen[member.attribute] = st.lists(PLAIN[member.type_name[:-2]], max_size=5).map(tuple)
        else:
            chosen[member.attribute] = PLAIN[member.type_name]
    return st.builds(cls, **chosen)


domains = st.builds(Domain, uint(256), address)
batches = records(Batch, environment=records(Environment), inputs=st.lists(records(Input), max_size=3).map(tuple))
signed_records = st.one_of([records(cls) for cls in (Terms, Commitment, Input, KeyGrant, Resume)])
any_record = st.one_of(signed_records, records(Ruleset), records(Environment), records(Suspension), batches)
