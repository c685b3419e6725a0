"""The thread file: terms, rules, code and the agreed line of one thread, in one file that a stranger can check.

docs/thread-file.md is the specification of its bytes. Here they are written and read, strictly; whether what was read
holds is verification.py's matter. Imports no EVM.

While it grows, the file is called NAME.unfinished; sealing it gives it its name, so that NAME is always a whole file.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from evmthread.commit.agreement import Agreement, SignedCommitment
from evmthread.commit.batch import SignedBatch
from evmthread.commit.commitment import Suspension, check_suspension_fits
from evmthread.commit.eip712 import Domain
from evmthread.commit.members import plain_type
from evmthread.commit.records import SMALL_RECORD_BYTES, VERSION_BYTE, decode_versioned, decoded_list
from evmthread.commit.refusals import IllFormedCommitment
from evmthread.commit.terms import MAX_CODE_BYTES, Ruleset, Terms
from evmthread.errors import BackendError, DecodingError, InvalidInput
from evmthread.primitives import rlp
from evmthread.primitives.types import ZERO_HASH

MAGIC = b"evmthread\x00"
FORMAT_VERSION = 1
_VERSION_BYTES = 2
LENGTH_BYTES = 4
AGREED_OVERHEAD_BYTES = 64 * 1024
"""How much longer than batchBytes a record with a batch may be (commitment.md, section 3)."""

_ITEMS_WHEN_SUSPENDED = 3
_UINT64 = plain_type("uint64")
_UINT256 = plain_type("uint256")
_ADDRESS = plain_type("address")
_HASH = plain_type("bytes32")
_BYTES = plain_type("bytes")


class RecordKind(IntEnum):
    """The first byte of a record."""

    TERMS = 1
    RULESET = 2
    ORIGIN = 3
    AGREED = 4
    SEAL = 5


class UnfinishedFile(DecodingError):  # noqa: N818 - as all names in errors.py, it says what happened
    """The file ends without a seal: it is still being written, or was cut off."""


@dataclass(frozen=True, slots=True)
class ThreadHead:
    """What stands before the first agreement. `code` is the contract's runtime code."""

    domain: Domain
    terms: Terms
    ruleset: Ruleset
    code: bytes


@dataclass(frozen=True, slots=True)
class AgreedRecord:
    """One agreed commitment as it was read, with its batch, the inputs' signatures, and where an open call stands.

    Nothing is verified.
    """

    signed: SignedCommitment
    batch: SignedBatch
    suspension: Suspension | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """The last record: how many agreed records there are, and the digest of the last one's commitment."""

    count: int
    tip: bytes


def encode_head(head: ThreadHead) -> bytes:
    """The bytes with which the file of this thread begins."""
    origin = rlp.encode_list(
        [
            _UINT256.to_rlp(head.domain.chain_id),
            _ADDRESS.to_rlp(head.domain.verifying_contract),
            _BYTES.to_rlp(head.code),
        ]
    )
    return b"".join(
        (
            MAGIC,
            FORMAT_VERSION.to_bytes(_VERSION_BYTES, "big"),
            frame(RecordKind.TERMS, head.terms.encode()),
            frame(RecordKind.RULESET, head.ruleset.encode()),
            frame(RecordKind.ORIGIN, VERSION_BYTE + origin),
        )
    )


def encode_agreed(record: AgreedRecord) -> bytes:
    """The framed record of one agreed commitment."""
    items = [record.signed.to_rlp(), record.batch.to_rlp()]
    if record.suspension is not None:
        items.append(record.suspension.to_rlp())
    return frame(RecordKind.AGREED, VERSION_BYTE + rlp.encode_list(items))


def encode_seal(seal: Seal) -> bytes:
    """The framed last record."""
    return frame(RecordKind.SEAL, VERSION_BYTE + rlp.encode_list([_UINT64.to_rlp(seal.count), _HASH.to_rlp(seal.tip)]))


def frame(kind: RecordKind, body: bytes) -> bytes:
    """A record's bytes: length of what follows, kind, body."""
    return (1 + len(body)).to_bytes(LENGTH_BYTES, "big") + bytes((kind,)) + body


class ThreadFileWriter:
    """Appends agreed commitments durably: each is on disk when `append` returns. Used by one process at a time."""

    def __init__(self, path: Path, file: BinaryIO, *, transcript: bool, durable: bool) -> None:
        """Made by `create`."""
        self._transcript = transcript
        self._durable = durable
        self.path = path
        self._file: BinaryIO | None = file
        self._length = file.tell()
        self._count = 0
        self._tip = ZERO_HASH

    @classmethod
    def create(cls, path: str | Path, head: ThreadHead, *, durable: bool = True) -> Self:
        """Begins the file of a thread. Raises BackendError where it can't be written or an unfinished one is there.

        `durable` False: only when it is sealed the file is on the disk. For what is kept elsewhere.
        """
        target = Path(path)
        try:
            if target.is_dir():
                raise BackendError(f"{target}: is a directory")
            if target.exists() and not target.is_file():  # a device: sealing would put a file in its place
                raise BackendError(f"{target}: is no ordinary file")
            file = unfinished_path(target).open("xb", buffering=0)
        except FileExistsError:
            raise BackendError(
                f"{unfinished_path(target)}: is there already: an unfinished file that another run left"
            ) from None
        except OSError as error:
            raise BackendError(f"{target}: {error.strerror}") from error
        except ValueError as error:  # a zero byte in the name
            raise BackendError(f"{str(path)!r}: {error}") from error
        writer = cls(target, file, transcript=head.ruleset.transcript, durable=durable)
        writer._write(encode_head(head))
        _sync_folder(target)
        return writer

    def append(self, agreement: Agreement, batch: SignedBatch, suspension: Suspension | None = None) -> None:
        """Adds the next agreed commitment, with its Suspension where it is suspended.

        Raises InvalidInput when it doesn't build on the last one, or the batch or the Suspension isn't its own.
        """
        if agreement.commitment.parent != self._tip:
            raise InvalidInput(
                f"nonce {agreement.commitment.nonce}: parent 0x{agreement.commitment.parent.hex()} is not the last "
                f"one written, 0x{self._tip.hex()}"
            )
        if batch.batch.hash_struct() != agreement.commitment.batch_hash:
            raise InvalidInput(f"nonce {agreement.commitment.nonce}: the batch is not the one committed to")
        try:
            check_suspension_fits(agreement.commitment, suspension, transcript=self._transcript)
        except IllFormedCommitment as error:
            raise InvalidInput(str(error)) from None
        self._write(encode_agreed(AgreedRecord(agreement.signed, batch, suspension)))
        self._count += 1
        self._tip = agreement.digest

    def seal(self) -> None:
        """Ends the file and gives it its name; what was there under that name is replaced."""
        self._durable = True
        self._write(encode_seal(Seal(self._count, self._tip)))
        self.close()
        try:
            unfinished_path(self.path).replace(self.path)
        except OSError as error:
            raise BackendError(f"{self.path}: {error.strerror}") from error
        _sync_folder(self.path)

    def close(self) -> None:
        """Leaves the file as it is: without `seal` it stays unfinished."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Closes and deletes the unfinished file."""
        self.close()
        unfinished_path(self.path).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        file = self._file
        if file is None:
            raise InvalidInput(f"{self.path}: the file is closed")
        try:
            written = 0
            while written < len(data):
                written += file.write(data[written:])
            if self._durable:
                os.fsync(file.fileno())
        except OSError as error:
            # Half a record must not stand before the next one.
            try:
                file.truncate(self._length)
                file.seek(self._length)
            except OSError:
                self.close()
            raise BackendError(f"{unfinished_path(self.path)}: {error.strerror}") from error
        self._length += len(data)


def unfinished_path(path: Path) -> Path:
    """What the file is called until it is sealed."""
    return path.with_name(path.name + ".unfinished")


def _sync_folder(path: Path) -> None:
    """Makes a new or renamed entry durable, where the system can sync folders."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class ThreadFileReader:
    """Reads a thread file record by record, so that its size is no matter. Checks form alone.

    `seal` is None until `agreed` is exhausted. Every method raises DecodingError (UnfinishedFile) and BackendError.
    """

    def __init__(self, path: str | Path) -> None:
        """Opens the file and reads its head."""
        self.path = Path(path)
        self.seal: Seal | None = None
        self.count = 0
        try:
            self._file = self.path.open("rb")
            self._size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise BackendError(f"{self.path}: {error.strerror}") from error
        except ValueError as error:  # a zero byte in the name
            raise BackendError(f"{str(path)!r}: {error}") from error
        try:
            self.head = self._read_head()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def is_current(self) -> bool:
        """Whether the path still names the file that was opened: nobody has replaced or moved it."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except OSError:
            return False

    def agreed(self) -> Iterator[AgreedRecord]:
        """The agreed records in order, then the seal. Ends, or raises, at the end of the file."""
        largest = self.head.ruleset.batch_bytes + AGREED_OVERHEAD_BYTES
        while self.seal is None:
            kind, body = self._record(largest)
            if kind == RecordKind.SEAL:
                self.seal = _decode_seal(body)
                if self._file.read(1):
                    raise DecodingError(f"bytes after the seal, which ends at {self._file.tell() - 1}")
                return
            if kind != RecordKind.AGREED:
                raise DecodingError(f"record of kind {kind} where an agreement (4) or the seal (5) is wanted")
            yield _decode_agreed(body, largest)
            self.count += 1

    def _read_head(self) -> ThreadHead:
        start = self._bytes(len(MAGIC) + _VERSION_BYTES, "the file's first bytes")
        if not start.startswith(MAGIC):
            raise DecodingError(f"no thread file: it begins with 0x{start.hex()}")
        version = int.from_bytes(start[len(MAGIC) :], "big")
        if version != FORMAT_VERSION:
            raise DecodingError(f"thread file of version {version}; this program reads version {FORMAT_VERSION}")
        terms = Terms.decode(self._wanted(RecordKind.TERMS, SMALL_RECORD_BYTES))
        ruleset = Ruleset.decode(self._wanted(RecordKind.RULESET, SMALL_RECORD_BYTES))
        most = MAX_CODE_BYTES + SMALL_RECORD_BYTES
        item = decode_versioned(self._wanted(RecordKind.ORIGIN, most), "Origin", max_bytes=most)
        chain_id, registry, code = decoded_list(item, "Origin", 3)
        number = _UINT256.from_rlp(chain_id, "Origin.chainId")
        address = _ADDRESS.from_rlp(registry, "Origin.verifyingContract")
        raw_code = _BYTES.from_rlp(code, "Origin.code")
        assert isinstance(number, int)
        assert isinstance(address, bytes)
        assert isinstance(raw_code, bytes)
        try:
            domain = Domain(number, address)
        except InvalidInput as error:
            raise DecodingError(str(error)) from None
        return ThreadHead(domain, terms, ruleset, raw_code)

    def _wanted(self, kind: RecordKind, largest: int) -> bytes:
        got, body = self._record(largest)
        if got != kind:
            raise DecodingError(f"record of kind {got} where {kind.name.lower()} ({int(kind)}) is wanted")
        return body

    def _record(self, largest: int) -> tuple[int, bytes]:
        """(kind, body) of the next record."""
        position = self._file.tell()
        length = int.from_bytes(self._bytes(LENGTH_BYTES, "a record's length"), "big")
        if length < 2 or length > largest + 1:
            raise DecodingError(f"record at {position}: {length} bytes where 2 to {largest + 1} are accepted")
        data = self._bytes(length, "a record")
        return data[0], data[1:]

    def _bytes(self, size: int, what: str) -> bytes:
        # A length is believed only as far as the file reaches, so that it can't make us ask for memory.
        position = self._file.tell()
        have = self._size - position
        if have < size:
            where = "" if position < len(MAGIC) + _VERSION_BYTES else f" after {self.count} agreed commitments"
            reason = f"{have} of the {size} bytes of {what}" if have else f"no seal at byte {position}"
            raise UnfinishedFile(f"unfinished{where}: {reason}")
        try:
            data = self._file.read(size)
        except OSError as error:
            raise BackendError(f"{self.path}: {error.strerror}") from error
        if len(data) != size:
            raise UnfinishedFile(f"unfinished: the file shrank while it was read, at byte {position}")
        return data


def _decode_agreed(body: bytes, largest: int) -> AgreedRecord:
    item = decode_versioned(body, "Agreed", max_bytes=largest)
    suspended = not isinstance(item, bytes) and len(item) == _ITEMS_WHEN_SUSPENDED
    signed, batch, *rest = decoded_list(item, "Agreed", _ITEMS_WHEN_SUSPENDED if suspended else 2)
    suspension = Suspension.from_rlp(rest[0]) if rest else None
    return AgreedRecord(SignedCommitment.from_rlp(signed), SignedBatch.from_rlp(batch), suspension)


def _decode_seal(body: bytes) -> Seal:
    count, tip = decoded_list(decode_versioned(body, "Seal", max_bytes=SMALL_RECORD_BYTES), "Seal", 2)
    number, tip_digest = _UINT64.from_rlp(count, "Seal.count"), _HASH.from_rlp(tip, "Seal.tip")
    assert isinstance(number, int)
    assert isinstance(tip_digest, bytes)
    if len(tip_digest) != len(ZERO_HASH):
        raise DecodingError(f"Seal.tip: {len(tip_digest)} bytes where 32 are wanted")
    return Seal(number, tip_digest)
