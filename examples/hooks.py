"""Two hooks: one answers in the place of a price oracle, one collects what is hashed, so that slots have names.

Run it: python examples/hooks.py
"""

from evmthread import Answer, Frame, Hook, Message, World

CONTRACT, ORACLE, ALICE = (bytes.fromhex(byte * 20) for byte in ("c0", "0c", "a1"))
LATEST_ANSWER = bytes.fromhex("50d25bcd")  # the selector of latestAnswer()

# function note() { priceSeenBy[msg.sender] = oracle.latestAnswer(); }, with the mapping at slot 7
NOTE_PRICE = bytes.fromhex(
    "6350d25bcd60e01b600052"  # the selector to memory
    "6020600060046000730c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c5afa50"  # STATICCALL of the oracle
    "600051"  # its answer
    "3360005260076020526040600020"  # keccak(msg.sender, 7)
    "55"  # SSTORE
)


class MockOracle(Hook):
    """Says a price where nobody has deployed an oracle."""

    def __init__(self, price: int) -> None:
        self.price = price

    def call(self, caller: Frame | None, message: Message) -> Answer | None:  # noqa: ARG002
        if message.address != ORACLE:
            return None
        if message.data[:4] != LATEST_ANSWER:
            return Answer(success=False)
        return Answer(self.price.to_bytes(32, "big"), gas_used=700)


class Preimages(Hook):
    """Remembers what was hashed."""

    def __init__(self) -> None:
        self.of: dict[int, bytes] = {}

    def keccak(self, frame: Frame, preimage: bytes, digest: int) -> None:  # noqa: ARG002
        self.of[digest] = preimage


def main() -> None:
    preimages = Preimages()
    world = World(hooks=[MockOracle(2_500), preimages])
    world.set_code(CONTRACT, NOTE_PRICE)
    result = world.call(CONTRACT, sender=ALICE)
    (asked,) = result.children
    print(f"the oracle was asked for {asked.message.data.hex()} and said {int.from_bytes(asked.output, 'big')}")
    for slot, (before, after) in world.changes().accounts[CONTRACT].slots.items():
        owner, mapping = preimages.of[slot][12:32], int.from_bytes(preimages.of[slot][32:], "big")
        print(f"slot {mapping}, key 0x{owner.hex()}: {before} -> {after}")


if __name__ == "__main__":
    main()
