"""Who answers at the trap address, without a thread: a contract that answers at once, a hook that suspends the call.

Both fail what is no question and a question to somebody whom nobody knows, as a thread does.
"""

from collections.abc import Sequence

from evmthread.commit import TRAP_ADDRESS
from evmthread.contracts.abi import Parameter, decode_values, encode_values
from evmthread.errors import DecodingError
from evmthread.execution.result import CallResult
from evmthread.isa.frame import Frame
from evmthread.isa.message import Message
from evmthread.machine.hooks import Hook
from evmthread.machine.traps import Answer, Question
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


class Suspending(Hook):
    """Suspends each question to one of these addresses."""

    def __init__(self, *owners: bytes) -> None:
        self.owners = owners

    def call(self, caller: Frame | None, message: Message) -> Question | Answer | None:
        if message.code_address != TRAP_ADDRESS:
            return None
        data = bytes(message.data)
        try:
            who, question = decode_values(QUESTION, data, what="question")
        except DecodingError:
            return Answer(success=False)
        assert isinstance(who, bytes)
        assert isinstance(question, bytes)
        if message.value or data != question_data(who, question) or who not in self.owners:
            return Answer(success=False)
        return Question(bytes(who), question)


def question_data(who: bytes, question: bytes) -> bytes:
    """The calldata of a question, by another encoder than Solidity's."""
    return encode_values(QUESTION, (who, question), what="question")


def asked(result: CallResult) -> list[bytes]:
    """The calldata of every call of the trap address in a tree of calls, in order."""
    own = [bytes(result.message.data)] if result.message.code_address == TRAP_ADDRESS else []
    return own + [data for child in result.children for data in asked(child)]
