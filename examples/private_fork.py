"""A private fork in five lines: Osaka with cheaper storage and larger contracts; and a contract that feels it.

Run it: python examples/private_fork.py
"""

from evmthread import World, fork_named

OSAKA = fork_named("Osaka")
CHEAP_STORAGE = OSAKA.evolve(
    "CheapStorage",
    prices={"slot_set": 5_000},
    limits={"code_size": 2**16, "init_code_size": 2**17},
)

STORE_CALLER = bytes.fromhex("33600055")  # CALLER PUSH1 0 SSTORE
LARGE_CONTRACT = bytes.fromhex("619c406000f3")  # PUSH2 40000 PUSH1 0 RETURN: a code of 40,000 zero bytes


def main() -> None:
    contract, sender = bytes.fromhex("c0" * 20), bytes.fromhex("5e" * 20)
    for fork in (OSAKA, CHEAP_STORAGE):
        world = World(fork=fork)
        world.set_code(contract, STORE_CALLER)
        stored = world.call(contract, sender=sender)
        created = world.create(LARGE_CONTRACT, sender=sender)
        print(f"{fork.name}: storing costs {stored.gas_used} gas; 40,000 bytes of code: {created.reason or 'accepted'}")


if __name__ == "__main__":
    main()
