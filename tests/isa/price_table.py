"""An independent table of Ethereum's instructions, written from the Yellow Paper and the EIPs, not from the source.

A line is: opcode, name, words popped, words pushed, then the price that each fork brought, oldest first. A price is
what is taken in any case: for the accesses of EIP-2929 that of a warm one. DIFFICULTY becomes PREVRANDAO with Paris.
"""

from evmthread.isa.forks import HISTORY

LINES = """
00 STOP           0 0 Frontier 0
01 ADD            2 1 Frontier 3
02 MUL            2 1 Frontier 5
03 SUB            2 1 Frontier 3
04 DIV            2 1 Frontier 5
05 SDIV           2 1 Frontier 5
06 MOD            2 1 Frontier 5
07 SMOD           2 1 Frontier 5
08 ADDMOD         3 1 Frontier 8
09 MULMOD         3 1 Frontier 8
0a EXP            2 1 Frontier 10
0b SIGNEXTEND     2 1 Frontier 5
10 LT             2 1 Frontier 3
11 GT             2 1 Frontier 3
12 SLT            2 1 Frontier 3
13 SGT            2 1 Frontier 3
14 EQ             2 1 Frontier 3
15 ISZERO         1 1 Frontier 3
16 AND            2 1 Frontier 3
17 OR             2 1 Frontier 3
18 XOR            2 1 Frontier 3
19 NOT            1 1 Frontier 3
1a BYTE           2 1 Frontier 3
1b SHL            2 1 Constantinople 3
1c SHR            2 1 Constantinople 3
1d SAR            2 1 Constantinople 3
1e CLZ            1 1 Osaka 5
20 KECCAK256      2 1 Frontier 30
30 ADDRESS        0 1 Frontier 2
31 BALANCE        1 1 Frontier 20 TangerineWhistle 400 Istanbul 700 Berlin 100
32 ORIGIN         0 1 Frontier 2
33 CALLER         0 1 Frontier 2
34 CALLVALUE      0 1 Frontier 2
35 CALLDATALOAD   1 1 Frontier 3
36 CALLDATASIZE   0 1 Frontier 2
37 CALLDATACOPY   3 0 Frontier 3
38 CODESIZE       0 1 Frontier 2
39 CODECOPY       3 0 Frontier 3
3a GASPRICE       0 1 Frontier 2
3b EXTCODESIZE    1 1 Frontier 20 TangerineWhistle 700 Berlin 100
3c EXTCODECOPY    4 0 Frontier 20 TangerineWhistle 700 Berlin 100
3d RETURNDATASIZE 0 1 Byzantium 2
3e RETURNDATACOPY 3 0 Byzantium 3
3f EXTCODEHASH    1 1 Constantinople 400 Istanbul 700 Berlin 100
40 BLOCKHASH      1 1 Frontier 20
41 COINBASE       0 1 Frontier 2
42 TIMESTAMP      0 1 Frontier 2
43 NUMBER         0 1 Frontier 2
44 DIFFICULTY     0 1 Frontier 2
45 GASLIMIT       0 1 Frontier 2
46 CHAINID        0 1 Istanbul 2
47 SELFBALANCE    0 1 Istanbul 5
48 BASEFEE        0 1 London 2
49 BLOBHASH       1 1 Cancun 3
4a BLOBBASEFEE    0 1 Cancun 2
50 POP            1 0 Frontier 2
51 MLOAD          1 1 Frontier 3
52 MSTORE         2 0 Frontier 3
53 MSTORE8        2 0 Frontier 3
54 SLOAD          1 1 Frontier 50 TangerineWhistle 200 Istanbul 800 Berlin 100
55 SSTORE         2 0 Frontier 0
56 JUMP           1 0 Frontier 8
57 JUMPI          2 0 Frontier 10
58 PC             0 1 Frontier 2
59 MSIZE          0 1 Frontier 2
5a GAS            0 1 Frontier 2
5b JUMPDEST       0 0 Frontier 1
5c TLOAD          1 1 Cancun 100
5d TSTORE         2 0 Cancun 100
5e MCOPY          3 0 Cancun 3
5f PUSH0          0 1 Shanghai 2
a0 LOG0           2 0 Frontier 375
a1 LOG1           3 0 Frontier 375
a2 LOG2           4 0 Frontier 375
a3 LOG3           5 0 Frontier 375
a4 LOG4           6 0 Frontier 375
f0 CREATE         3 1 Frontier 32000
f1 CALL           7 1 Frontier 40 TangerineWhistle 700 Berlin 100
f2 CALLCODE       7 1 Frontier 40 TangerineWhistle 700 Berlin 100
f3 RETURN         2 0 Frontier 0
f4 DELEGATECALL   6 1 Homestead 40 TangerineWhistle 700 Berlin 100
f5 CREATE2        4 1 Constantinople 32000
fa STATICCALL     6 1 Byzantium 700 Berlin 100
fd REVERT         2 0 Byzantium 0
fe INVALID        0 0 Frontier 0
ff SELFDESTRUCT   1 0 Frontier 0 TangerineWhistle 5000
"""

Row = tuple[str, int, int, int]  # name, pops, pushes, price


def table_of(fork: str) -> dict[int, Row]:
    """The instructions of a fork by opcode."""
    order = [known.name for known in HISTORY]
    rows: dict[int, Row] = {}
    for line in LINES.strip().splitlines():
        opcode, name, pops, pushes, *history = line.split()
        price = None
        for since, amount in zip(history[::2], history[1::2], strict=True):
            if order.index(fork) >= order.index(since):
                price = int(amount)
        if price is not None:
            if name == "DIFFICULTY" and order.index(fork) >= order.index("Paris"):
                name = "PREVRANDAO"
            rows[int(opcode, 16)] = (name, int(pops), int(pushes), price)
    for size in range(1, 33):
        rows[0x5F + size] = (f"PUSH{size}", 0, 1, 3)
    for depth in range(1, 17):
        rows[0x7F + depth] = (f"DUP{depth}", depth, depth + 1, 3)
        rows[0x8F + depth] = (f"SWAP{depth}", depth + 1, depth + 1, 3)
    return rows
