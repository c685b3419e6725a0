"""Ethereum's history as deltas, from Frontier to today's mainnet: read it from top to bottom.

A fork is a frozen table of instructions with their base prices, a schedule of dynamic prices, a few rule functions,
limits, precompiles and transaction rules. `evolve` makes the next one from what changes. Compiled code is cached by
the identity of the Fork object, so two private forks of one name never mix.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from evmthread import precompiles as pre
from evmthread.errors import InvalidInput
from evmthread.isa import rules as rule
from evmthread.isa import stack
from evmthread.isa.instruction import Instruction, instruction_of
from evmthread.isa.instructions import (
    accounts,
    arithmetic,
    bitwise,
    calldata,
    calls,
    comparison,
    creates,
    environment,
    halts,
    hashing,
    jumps,
    logs,
    memory,
    storage,
    traps,
)
from evmthread.isa.prices import Prices
from evmthread.isa.rules import Rules
from evmthread.isa.transaction_rules import BlobSchedule, TransactionRules
from evmthread.precompiles.precompile import Precompile
from evmthread.primitives.arguments import instance_of, number_of_bits

UNLIMITED = 2**63

# Base prices by the Yellow Paper's groups (appendix G).
ZERO, JUMPDEST, BASE, VERY_LOW, LOW, MID, HIGH = 0, 1, 2, 3, 5, 8, 10

Opcode = Instruction | Callable[..., object]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one execution. The protocol's are in the fork; a host may set tighter or wider ones."""

    call_depth: int = 1024  # Yellow Paper, section 8
    code_size: int = UNLIMITED  # EIP-170: 24,576
    init_code_size: int = UNLIMITED  # EIP-3860: 49,152
    memory_bytes: int = 2**31  # all open frames together; far above what any block's gas can pay for
    recorded_calls: int = 2**19  # calls that a result's tree holds; more are run, and only counted
    recorded_bytes: int = 2**28  # what their data, output and, where they failed, memory may take; as recorded_calls

    def __post_init__(self) -> None:
        """Raises InvalidInput for what is no bound."""
        for name in Limits.__slots__:
            number_of_bits(getattr(self, name), 64, name)


@dataclass(frozen=True, slots=True, eq=False)
class Fork:
    """One set of rules. `table` and `base_prices` have 256 slots, by opcode; an empty slot is an invalid opcode."""

    name: str
    table: tuple[Instruction | None, ...] = (None,) * 256
    base_prices: tuple[int, ...] = (0,) * 256
    prices: Prices = field(default_factory=Prices)
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    precompiles: Mapping[bytes, Precompile] = field(default_factory=lambda: MappingProxyType({}))
    transactions: TransactionRules = field(default_factory=TransactionRules)
    warm_precompiles: Mapping[bytes, bool] = field(init=False, repr=False)
    """What is warm when a transaction begins, whatever it does (EIP-2929)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "warm_precompiles", MappingProxyType(dict.fromkeys(self.precompiles, True)))

    def evolve(
        self,
        name: str,
        *,
        add: Mapping[Opcode, int] | None = None,
        reprice: Mapping[str, int] | None = None,
        prices: Mapping[str, int] | None = None,
        rules: Mapping[str, object] | None = None,
        limits: Mapping[str, int] | None = None,
        precompiles: Mapping[int, Precompile] | None = None,
        transactions: Mapping[str, object] | None = None,
    ) -> "Fork":
        """The fork that differs by this much.

        `add` puts instructions (or replaces those of the same opcode) with their base prices; `reprice` changes base
        prices by instruction name; the others replace fields of the records of those names. Raises InvalidInput for
        a name that doesn't exist, and for what is no price, bound or precompile.
        """
        table, base_prices = list(self.table), list(self.base_prices)
        for opcode, price in (add or {}).items():
            try:
                instruction = opcode if isinstance(opcode, Instruction) else instruction_of(opcode)
            except InvalidInput as error:
                raise InvalidInput(f"fork {name}: {error}") from None
            table[instruction.opcode] = instruction
            base_prices[instruction.opcode] = number_of_bits(price, 64, f"fork {name}: price of {instruction.name}")
        by_name = {instruction.name: instruction.opcode for instruction in table if instruction is not None}
        for instruction_name, price in (reprice or {}).items():
            if instruction_name not in by_name:
                raise InvalidInput(f"fork {name}: no instruction is called {instruction_name}")
            price = number_of_bits(price, 64, f"fork {name}: price of {instruction_name}")
            base_prices[by_name[instruction_name]] = price
        contracts = dict(self.precompiles)
        for number, contract in (precompiles or {}).items():
            address = number_of_bits(number, 160, f"fork {name}: address of a precompile").to_bytes(20, "big")
            contracts[address] = instance_of(contract, Precompile, f"fork {name}: a Precompile")
        try:
            return Fork(
                name,
                tuple(table),
                tuple(base_prices),
                replace(self.prices, **(prices or {})),
                replace(self.rules, **(rules or {})),  # type: ignore[arg-type]
                replace(self.limits, **(limits or {})),
                MappingProxyType(contracts),
                replace(self.transactions, **(transactions or {})),  # type: ignore[arg-type]
            )
        except TypeError as error:
            raise InvalidInput(f"fork {name}: {error}") from None

    def instruction(self, name: str) -> Instruction:
        """The instruction of a name, to be wrapped or replaced. Raises InvalidInput where there is none."""
        for instruction in self.table:
            if instruction is not None and instruction.name == name:
                return instruction
        raise InvalidInput(f"fork {self.name} has no instruction {name!r}")

    def __repr__(self) -> str:
        return f"Fork({self.name})"


FRONTIER = Fork("Frontier").evolve(
    "Frontier",
    add={
        halts.stop: ZERO,
        **dict.fromkeys((arithmetic.add, arithmetic.sub), VERY_LOW),
        **dict.fromkeys((arithmetic.mul, arithmetic.div, arithmetic.sdiv, arithmetic.mod, arithmetic.smod), LOW),
        **dict.fromkeys((arithmetic.addmod, arithmetic.mulmod), MID),
        arithmetic.exp: HIGH,
        arithmetic.signextend: LOW,
        **dict.fromkeys((comparison.lt, comparison.gt, comparison.slt, comparison.sgt), VERY_LOW),
        **dict.fromkeys((comparison.eq, comparison.iszero), VERY_LOW),
        **dict.fromkeys((bitwise.and_, bitwise.or_, bitwise.xor, bitwise.not_, bitwise.byte), VERY_LOW),
        hashing.keccak256_: 30,
        **dict.fromkeys((environment.address, environment.origin, environment.caller, environment.callvalue), BASE),
        accounts.balance: 20,
        calldata.calldataload: VERY_LOW,
        **dict.fromkeys((calldata.calldatasize, calldata.codesize, environment.gasprice), BASE),
        **dict.fromkeys((calldata.calldatacopy, calldata.codecopy), VERY_LOW),
        **dict.fromkeys((accounts.extcodesize, accounts.extcodecopy, environment.blockhash), 20),
        **dict.fromkeys((environment.coinbase, environment.timestamp, environment.number), BASE),
        **dict.fromkeys((environment.difficulty, environment.gaslimit), BASE),
        **dict.fromkeys((stack.POP, stack.PC, memory.msize, environment.gas), BASE),
        **dict.fromkeys((memory.mload, memory.mstore, memory.mstore8), VERY_LOW),
        storage.sload: 50,
        storage.sstore: ZERO,
        jumps.jump: MID,
        jumps.jumpi: HIGH,
        stack.JUMPDEST: JUMPDEST,
        **dict.fromkeys((*stack.PUSHES, *stack.DUPS, *stack.SWAPS), VERY_LOW),
        **dict.fromkeys(logs.LOGS, 375),
        creates.create: 32_000,
        **dict.fromkeys((calls.call, calls.callcode), 40),
        **dict.fromkeys((halts.return_, halts.invalid, halts.selfdestruct), ZERO),
    },
    precompiles={1: pre.ECRECOVER, 2: pre.SHA256, 3: pre.RIPEMD160, 4: pre.IDENTITY},
)

HOMESTEAD = FRONTIER.evolve(  # EIP-2, 7
    "Homestead",
    add={calls.delegatecall: 40},
    rules={"deposit_code": rule.deposit},
    transactions={"creation_price": 32_000, "low_s": True},
)

DAO_FORK = HOMESTEAD.evolve("DAOFork")  # EIP-779: an irregular change of state; execution is Homestead's

TANGERINE_WHISTLE = DAO_FORK.evolve(  # EIP-150
    "TangerineWhistle",
    reprice={
        **dict.fromkeys(("EXTCODESIZE", "EXTCODECOPY", "CALL", "CALLCODE", "DELEGATECALL"), 700),
        "BALANCE": 400,
        "SLOAD": 200,
        "SELFDESTRUCT": 5_000,
    },
    rules={
        "call_gas": rule.at_most_all_but_one_64th,
        "create_gas": rule.all_but_one_64th,
        "selfdestruct_account_price": rule.selfdestruct_price_if_absent,
    },
)

SPURIOUS_DRAGON = TANGERINE_WHISTLE.evolve(  # EIP-155, 160, 161, 170
    "SpuriousDragon",
    prices={"exp_byte": 50},
    rules={
        "call_account_price": rule.call_price_if_dead_and_paid,
        "selfdestruct_account_price": rule.selfdestruct_price_if_dead_and_paid,
        "contract_start_nonce": 1,
        "deletes_empty_accounts": True,
    },
    limits={"code_size": 24_576},
    transactions={"replay_protection": True},
)

BYZANTIUM = SPURIOUS_DRAGON.evolve(  # EIP-140, 196, 197, 198, 211, 214, 658
    "Byzantium",
    add={
        halts.revert: ZERO,
        calldata.returndatasize: BASE,
        calldata.returndatacopy: VERY_LOW,
        calls.staticcall: 700,
    },
    precompiles={
        5: pre.MODEXP_BYZANTIUM,
        6: pre.BN254_ADD_BYZANTIUM,
        7: pre.BN254_MULTIPLY_BYZANTIUM,
        8: pre.BN254_PAIRING_BYZANTIUM,
    },
    transactions={"status_receipts": True},
)

CONSTANTINOPLE = BYZANTIUM.evolve(  # EIP-145, 1014, 1052, 1283
    "Constantinople",
    add={
        **dict.fromkeys((bitwise.shl, bitwise.shr, bitwise.sar), VERY_LOW),
        accounts.extcodehash: 400,
        creates.create2: 32_000,
        storage.sstore_net: ZERO,
    },
    prices={"slot_touch": 200},
)

PETERSBURG = CONSTANTINOPLE.evolve("Petersburg", add={storage.sstore: ZERO})  # EIP-1716: without EIP-1283

ISTANBUL = PETERSBURG.evolve(  # EIP-152, 1108, 1344, 1884, 2028, 2200
    "Istanbul",
    add={environment.chainid: BASE, accounts.selfbalance: LOW, storage.sstore_net: ZERO},
    reprice={"BALANCE": 700, "EXTCODEHASH": 700, "SLOAD": 800},
    prices={"slot_touch": 800, "slot_write_sentry": 2_300},
    precompiles={
        6: pre.BN254_ADD_ISTANBUL,
        7: pre.BN254_MULTIPLY_ISTANBUL,
        8: pre.BN254_PAIRING_ISTANBUL,
        9: pre.BLAKE2F,
    },
    transactions={"nonzero_byte_price": 16},
)

BERLIN = ISTANBUL.evolve(  # EIP-2565, 2718, 2929, 2930
    "Berlin",
    reprice=dict.fromkeys(
        (
            *("BALANCE", "EXTCODESIZE", "EXTCODECOPY", "EXTCODEHASH", "SLOAD"),
            *("CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"),
        ),
        100,
    ),
    prices={
        "warm_account": 100,
        "cold_account": 2_500,  # 2,600 with the base price of a warm access
        "cold_slot_read": 2_000,  # 2,100 with the base price of a warm access
        "cold_slot_write": 2_100,
        "slot_reset": 2_900,
        "slot_touch": 100,
        "selfdestruct_cold": 2_600,
    },
    precompiles={5: pre.MODEXP_BERLIN},
    transactions={"types": frozenset({0, 1})},
)

LONDON = BERLIN.evolve(  # EIP-1559, 3198, 3529, 3541
    "London",
    add={environment.basefee: BASE},
    prices={"slot_clear_refund": 4_800, "selfdestruct_refund": 0},
    rules={"deposit_code": rule.deposit_but_0xef},
    transactions={"types": frozenset({0, 1, 2}), "refund_quotient": 5, "base_fee": True},
)

PARIS = LONDON.evolve(  # EIP-3675, 4399
    "Paris", add={environment.prevrandao: BASE}, transactions={"prev_randao": True}
)

SHANGHAI = PARIS.evolve(  # EIP-3651, 3855, 3860
    "Shanghai",
    add={stack.PUSH0: BASE},
    prices={"init_code_word": 2},
    limits={"init_code_size": 49_152},
    transactions={"init_code_word_price": 2, "warm_coinbase": True},
)

CANCUN = SHANGHAI.evolve(  # EIP-1153, 4844, 5656, 6780, 7516
    "Cancun",
    add={
        environment.blobhash: VERY_LOW,
        environment.blobbasefee: BASE,
        **dict.fromkeys((storage.tload, storage.tstore), 100),
        memory.mcopy: VERY_LOW,
        halts.selfdestruct_if_created: 5_000,
    },
    precompiles={0x0A: pre.KZG_POINT_EVALUATION},
    transactions={"types": frozenset({0, 1, 2, 3}), "blobs": BlobSchedule(3, 6, 3_338_477)},
)

PRAGUE = CANCUN.evolve(  # EIP-2537, 7623, 7691, 7702
    "Prague",
    rules={"code_to_run": rule.code_or_delegate_code},
    precompiles={
        0x0B: pre.BLS12_381_G1_ADD,
        0x0C: pre.BLS12_381_G1_MSM,
        0x0D: pre.BLS12_381_G2_ADD,
        0x0E: pre.BLS12_381_G2_MSM,
        0x0F: pre.BLS12_381_PAIRING_CHECK,
        0x10: pre.BLS12_381_MAP_FP_TO_G1,
        0x11: pre.BLS12_381_MAP_FP2_TO_G2,
    },
    transactions={
        "types": frozenset({0, 1, 2, 3, 4}),
        "floor_token_price": 10,
        "blobs": BlobSchedule(6, 9, 5_007_716),
    },
)

OSAKA = PRAGUE.evolve(  # EIP-7594, 7823, 7825, 7883, 7939, 7951
    "Osaka",
    add={bitwise.clz: LOW},
    precompiles={5: pre.MODEXP_OSAKA, 0x100: pre.P256VERIFY},
    transactions={"gas_cap": 2**24, "blobs_per_transaction": 6},
)

BPO1 = OSAKA.evolve("BPO1", transactions={"blobs": BlobSchedule(10, 15, 8_346_193)})  # EIP-7892
BPO2 = BPO1.evolve("BPO2", transactions={"blobs": BlobSchedule(14, 21, 11_684_671)})  # EIP-7892

HISTORY = (
    *(FRONTIER, HOMESTEAD, DAO_FORK, TANGERINE_WHISTLE, SPURIOUS_DRAGON, BYZANTIUM, CONSTANTINOPLE, PETERSBURG),
    *(ISTANBUL, BERLIN, LONDON, PARIS, SHANGHAI, CANCUN, PRAGUE, OSAKA, BPO1, BPO2),
)

# The names that official test fixtures use where they differ from the fork's own.
ALIASES = MappingProxyType(
    {
        "EIP150": "TangerineWhistle",
        "EIP158": "SpuriousDragon",
        "ConstantinopleFix": "Petersburg",
        "Merge": "Paris",
    }
)


def with_dialect(fork: Fork) -> Fork:
    """The fork with the thread dialect's opcodes: BREAKPOINT at the price of a LOG0, TRAP at that of a warm CALL.

    Raises InvalidInput for a fork before Byzantium, in which no answer could be read.
    """
    if fork.table[calldata.returndatasize.instruction.opcode] is None:  # type: ignore[attr-defined]
        raise InvalidInput(
            f"fork {fork.name} has no return data (EIP-211): the thread dialect needs Byzantium or later"
        )
    prices = fork.base_prices
    log0, call = logs.log0.instruction.opcode, calls.call.instruction.opcode  # type: ignore[attr-defined]
    return fork.evolve(fork.name, add={traps.breakpoint_: prices[log0], traps.trap: prices[call]})


def fork_named(name: str) -> Fork:
    """The fork of a name, whatever its case; official fixtures' names are understood too. Raises InvalidInput."""
    wanted = instance_of(name, str, "a fork's name").lower()
    names = {fork.name.lower(): fork for fork in HISTORY}
    names |= {alias.lower(): names[own.lower()] for alias, own in ALIASES.items()}
    if wanted not in names:
        raise InvalidInput(f"no fork is called {name!r}; there are {', '.join(fork.name for fork in HISTORY)}")
    return names[wanted]
