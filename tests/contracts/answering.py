"""A contract that stands at the trap address and answers at once: what follows an answer, without a thread around it.

It fails what is no question and a question to somebody whom nobody knows, as a thread does.
"""

from collections.abc import Sequence

from evmthread.commit import TRAP_ADDRESS
from evmthread.contracts.abi import Parameter, encode_values
from evmthread.execution.result import CallResult
from tests.assembler import assemble

QUESTION = (Parameter("who", "address"), Parameter("question", "bytes"))
YES, NO = (1).to_bytes(32, "big"), bytes(32)


def answering_code(answer: bytes, owners: Sequence[bytes]) -> bytes:
    """Code that gives this answer to every question to one of these addresses, and reverts otherwise."""
    known = " ".join(f"PUSH 0 CALLDATALOAD PUSH 0x{owner.hex()} EQ PUSH @answer JUMPI" for owner in owners)
    return assemble(
        f"""
        CALLDATASIZE ISZERO PUSH @fail JUMPI
        CALLVALUE PUSH @fail JUMPI
        {known}
        fail: PUSH 0 PUSH 0 REVERT
        answer: PUSH {len(answer)} PUSH 1 PUSH @data ADD PUSH 0 CODECOPY PUSH {len(answer)} PUSH 0 RETURN
        data: {"DATA 0x" + answer.hex() if answer else ""}
        """
    )


def question_data(who: bytes, question: bytes) -> bytes:
    """The calldata of a question, by another encoder than Solidity's."""
    return encode_values(QUESTION, (who, question), what="question")


def asked(result: CallResult) -> list[bytes]:
    """The calldata of every call of the trap address in a tree of calls, in order."""
    own = [bytes(result.message.data)] if result.message.code_address == TRAP_ADDRESS else []
    return own + [data for child in result.children for data in asked(child)]
