"""The frame: everything that belongs to one running call, and the memory it works on.

Memory is a list of 32-byte words (ints), since contracts read and write whole aligned words nearly always and a word
that stays an int costs a tenth of one that passes through bytes. A plain list and functions, not a class: the hot path
indexes it directly.
"""

from collections.abc import Callable
from functools import lru_cache
from itertools import repeat
from struct import Struct
from typing import TYPE_CHECKING, Any, cast

from evmthread.isa.halts import HaltReason, OutOfGas, Status
from evmthread.isa.message import Message

if TYPE_CHECKING:
    from evmthread.isa.forks import Fork
    from evmthread.isa.host import Host

MEMORY_WORD_PRICE = 3  # G_memory, Yellow Paper appendix G
from_bytes = int.from_bytes  # found sooner by these names
to_bytes = int.to_bytes
_WORD_SIZES = repeat(32)
_LOW = tuple([(1 << (count << 3)) - 1 for count in range(33)])  # masks of a word's low bytes
_WORD = _LOW[32]
_HIGH = tuple([_WORD ^ low for low in reversed(_LOW)])  # masks of its high bytes
LAZY_BYTES = 1024  # call data up to here is copied at once: most is, and plain bytes are read fastest
LAZY_OUTPUT_BYTES = 128  # output up to here: it is never read word by word, and mostly copied to memory again
FEW_WORDS = 4  # of a range up to which its words are written out (measured);
FEW_PARTIAL = 6  # of one that begins or ends within a word
SPLIT_WORDS = 64  # words that are made of bytes in one go
MEMORY_QUADRATIC_SHIFT = 9  # words squared / 512, Yellow Paper section H.1


class Frame:
    """One running call. Mutable; only the instruction that runs and the machine change it."""

    __slots__ = (
        "address",
        "caller_pc",
        "children",
        "code",
        "data",
        "depth",
        "destinations",
        "fork",
        "gas",
        "halt_reason",
        "host",
        "is_static",
        "log_end",
        "mark",
        "memory",
        "memory_limit",
        "message",
        "output",
        "pc",
        "prices",
        "program",
        "refund_end",
        "return_data",
        "rules",
        "slots",
        "stack",
        "status",
        "stored",
        "unrecorded",
    )

    def __init__(
        self, message: Message, fork: "Fork", host: "Host", program: Any, destinations: frozenset[int]
    ) -> None:
        self.message = message
        self.fork = fork
        self.prices = fork.prices
        self.rules = fork.rules
        self.host = host
        self.program = program
        self.destinations = destinations
        self.address = message.address
        self.code = message.code
        self.data = message.data
        self.depth = message.depth
        self.is_static = message.is_static
        self.gas = message.gas
        self.pc = message.start_pc
        self.stack: list[int] = []
        self.memory: list[int] = []
        self.return_data = b""
        self.output = b""
        self.status: Status | None = None
        self.halt_reason: HaltReason | None = None
        self.children: list[Frame] | None = None
        self.unrecorded = 0

    # Set by the machine before the first instruction: `slots` and `stored` (the account's warm slots and their values
    # at the start of the transaction), `mark` (what a failing call rolls back to: changes, logs and refund so far),
    # `memory_limit` (in words), `caller_pc`; at the end `log_end` and `refund_end`.
    slots: dict[int, int]
    stored: dict[int, int]
    mark: tuple[int, int, int]
    memory_limit: int
    caller_pc: int
    log_end: int
    refund_end: int

    @property
    def log_start(self) -> int:
        """How many logs there were when the call began."""
        return self.mark[1]

    @property
    def refund_start(self) -> int:
        """The refund counter when the call began."""
        return self.mark[2]

    def charge(self, amount: int) -> None:
        """Takes `amount` gas. Raises OutOfGas, with the gas unchanged, when there is less."""
        gas = self.gas - amount
        if gas < 0:
            raise OutOfGas
        self.gas = gas

    def grow(self, end: int) -> None:
        """Makes memory reach at least byte `end` and charges for it (Yellow Paper, appendix H.1)."""
        if end > len(self.memory) << 5:
            self.gas = grown(self, end, self.gas, 0)

    def grow_range(self, offset: int, size: int) -> None:
        """Makes memory hold the range; an empty range grows nothing, wherever it lies."""
        if size and offset + size > len(self.memory) << 5:
            self.gas = grown(self, offset + size, self.gas, 0)


def grown(frame: Frame, end: int, gas: int, needed: int) -> int:
    """What is left of `gas` once memory, which is shorter, reaches at least byte `end` (Yellow Paper, appendix H.1).

    Raises OutOfGas, with nothing changed, where less than `needed` would be left.
    """
    # Hot path: code that works its way up memory comes here again and again.
    memory = frame.memory
    words = (end + 31) >> 5
    have = len(memory)
    more = words - have
    gas -= (
        MEMORY_WORD_PRICE * more + (words * words >> MEMORY_QUADRATIC_SHIFT) - (have * have >> MEMORY_QUADRATIC_SHIFT)
    )
    if gas < needed:
        raise OutOfGas
    if words > frame.memory_limit:
        frame.host.memory_exceeded(words)
    if more == 1:
        memory.append(0)
    else:
        memory.extend([0] * more)
    return gas


def load_unaligned(memory: list[int], offset: int) -> int:
    """The word at a byte offset that is no multiple of 32; memory already reaches its end."""
    index = offset >> 5
    shift = (offset & 31) << 3
    return ((memory[index] << shift) | (memory[index + 1] >> (256 - shift))) & ((1 << 256) - 1)


def store_unaligned(memory: list[int], offset: int, value: int) -> None:
    """Writes a word at a byte offset that is no multiple of 32; memory already reaches its end."""
    index = offset >> 5
    start = offset & 31
    shift = start << 3
    memory[index] = memory[index] & _HIGH[start] | value >> shift
    memory[index + 1] = memory[index + 1] & _LOW[32 - start] | (value & _LOW[start]) << (256 - shift)


def store_byte(memory: list[int], offset: int, value: int) -> None:
    """Writes one byte (0 to 255); memory already reaches it."""
    index = offset >> 5
    shift = (31 - (offset & 31)) << 3
    memory[index] = (memory[index] & ~(0xFF << shift)) | (value << shift)


def read_memory(memory: list[int], offset: int, size: int) -> bytes:
    """`size` bytes from `offset`; memory already holds the range."""
    # Hot path: a few words one by one without a loop, and many in one go.
    if not size:
        return b""
    first = offset >> 5
    start = offset & 31
    words = (start + size + 31) >> 5
    if words == 1:
        raw = memory[first].to_bytes(32)
    elif words == 2:
        raw = (memory[first] << 256 | memory[first + 1]).to_bytes(64)
    elif words <= FEW_WORDS:
        raw = memory[first].to_bytes(32) + memory[first + 1].to_bytes(32) + memory[first + 2].to_bytes(32)
        if words == FEW_WORDS:
            raw += memory[first + 3].to_bytes(32)
    else:
        raw = b"".join(map(to_bytes, memory[first : first + words], _WORD_SIZES))
    return raw if len(raw) == size else raw[start : start + size]


class MemoryBytes:
    """A long range of memory as bytes, which are only made when somebody reads them: calls and returns hand over such.

    A call charges nothing for the length of its data, so handing it over must cost next to nothing, whoever is called;
    what is returned goes to the caller's memory mostly, word by word as it is. The words are those at the time of the
    call or return. Reads like `bytes`: its length, slices, and all of it by `bytes(...)`.
    """

    __slots__ = ("_patience", "_size", "_start", "_whole", "_words")

    def __init__(self, memory: list[int], offset: int, size: int) -> None:
        self._words = memory[offset >> 5 : (offset + size + 31) >> 5]
        self._start = offset & 31
        self._size = size
        # Who has read an eighth of the words one by one has paid for all of them.
        self._patience = size >> 8
        self._whole: bytes | None = None

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        whole = self._whole
        if whole is None:
            whole = self._whole = read_memory(self._words, self._start, self._size)
            self._words = []
        return whole

    def __getitem__(self, key: slice) -> bytes:
        if self._whole is None:
            start, stop, _ = key.indices(self._size)
            self._patience -= 1
            if self._patience >= 0:
                return read_memory(self._words, self._start + start, stop - start) if start < stop else b""
        return bytes(self)[key]

    def copy(self, memory: list[int], destination: int, source: int, size: int) -> None:
        """Writes a range of it to memory, which holds the destination; zeros beyond its end."""
        start = self._start + source
        if self._whole is None and not (destination | start) & 31 and source + size <= self._size:
            _copy_words(self._words, start, memory, destination, size)
        else:
            copy_data(memory, destination, self[source : source + size], 0, size)


def call_data(memory: list[int], offset: int, size: int) -> bytes:
    """`size` bytes from `offset`, to be handed over to a call; memory already holds the range."""
    if size <= LAZY_BYTES:
        return read_memory(memory, offset, size)
    return cast("bytes", MemoryBytes(memory, offset, size))


@lru_cache(maxsize=64)
def _splitting(words: int) -> Callable[[bytes], tuple[bytes, ...]]:
    """A function that cuts so many words' bytes into words."""
    return Struct("32s" * words).unpack


def write_memory(memory: list[int], offset: int, data: bytes) -> None:
    """Writes `data` at `offset`; memory already holds the range."""
    # Hot path, as above.
    size = len(data)
    if size == 32 and not offset & 31:
        memory[offset >> 5] = from_bytes(data)
        return
    if not size:
        return
    first = offset >> 5
    start = offset & 31
    last = (offset + size + 31) >> 5
    if not (start or size & 31):
        if size <= FEW_WORDS << 5:
            number = from_bytes(data)
            if size > 64:
                if size == 128:
                    memory[first + 3] = number & _WORD
                    number >>= 256
                memory[first + 2] = number & _WORD
                number >>= 256
            memory[first + 1] = number & _WORD
            memory[first] = number >> 256
            return
        tail = 0
    else:
        index = last - 1
        tail = (last << 5) - offset - size
        if index == first:
            number = from_bytes(data) << (tail << 3)
            kept = memory[first]
            if kept:
                number |= kept & (_LOW[32 - start] ^ _WORD ^ _LOW[tail] if start else _LOW[tail])
            memory[first] = number
            return
        if last - first <= FEW_PARTIAL:
            number = from_bytes(data)
            if tail:
                number = number << (tail << 3) | memory[index] & _LOW[tail]
            while index > first:
                memory[index] = number & _WORD
                number >>= 256
                index -= 1
            memory[first] = number | memory[first] & ~_LOW[32 - start] if start else number
            return
    words = last - first
    if start:
        data = memory[first].to_bytes(32)[:start] + data
    if tail:
        data += (memory[last - 1] & _LOW[tail]).to_bytes(tail)
    place = 0
    while words > SPLIT_WORDS:
        part = data[place : place + (SPLIT_WORDS << 5)]
        memory[first : first + SPLIT_WORDS] = map(from_bytes, _splitting(SPLIT_WORDS)(part))
        place += SPLIT_WORDS << 5
        first += SPLIT_WORDS
        words -= SPLIT_WORDS
    memory[first:last] = map(from_bytes, _splitting(words)(data[place:] if place else data))


def clear_memory(memory: list[int], offset: int, size: int) -> None:
    """Writes `size` zeros at `offset`; memory already holds the range."""
    first, start = offset >> 5, offset & 31
    end = offset + size
    last, rest = end >> 5, end & 31
    if start:
        if last == first:
            memory[first] &= _LOW[32 - rest] | ~_LOW[32 - start]
            return
        memory[first] &= ~_LOW[32 - start]
        first += 1
    memory[first:last] = [0] * (last - first)
    if rest:
        memory[last] &= _LOW[32 - rest]


def copy_data(memory: list[int], destination: int, data: bytes, source: int, size: int) -> None:
    """Writes a range of `data` to memory, which holds the destination; zeros beyond the end of `data`."""
    if type(data) is not bytes:  # a long range of another call's memory
        data.copy(memory, destination, source, size)  # type: ignore[attr-defined]
        return
    part = data[source : source + size]
    rest = size - len(part)
    if not rest:
        write_memory(memory, destination, part)
    elif rest < 32:
        write_memory(memory, destination, part.ljust(size, b"\0"))
    else:
        write_memory(memory, destination, part)
        clear_memory(memory, destination + size - rest, rest)


def copy_memory(memory: list[int], destination: int, source: int, size: int) -> None:
    """Copies a range within memory, which already holds both; they may overlap."""
    if (destination | source) & 31:
        write_memory(memory, destination, read_memory(memory, source, size))
        return
    _copy_words(memory, source, memory, destination, size)


def _copy_words(words: list[int], source: int, memory: list[int], destination: int, size: int) -> None:
    """Copies a range of words to memory; both offsets are multiples of 32, and the lists may be the same."""
    count, rest = size >> 5, size & 31
    first, end = source >> 5, (source >> 5) + count
    place = destination >> 5
    last = words[end] if rest else 0
    memory[place : place + count] = words[first:end]
    if rest:
        kept = _LOW[32 - rest]
        memory[place + count] = last & ~kept | memory[place + count] & kept
