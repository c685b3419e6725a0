"""Values that say that they are what they are not: nothing that is signed may ever ask them."""

from typing import Self


class LyingInt(int):
    """Another value to whoever asks it."""

    def __new__(cls, value: int, shown: int) -> Self:
        made = super().__new__(cls, value)
        made.shown = shown  # type: ignore[attr-defined]
        return made

    def __int__(self) -> int:
        return self.shown  # type: ignore[attr-defined, no-any-return]

    __index__ = __trunc__ = __int__

    def __eq__(self, other: object) -> bool:
        return self.shown == other  # type: ignore[attr-defined, no-any-return]

    def __lt__(self, other: int) -> bool:
        return self.shown < other  # type: ignore[attr-defined, no-any-return]

    def __le__(self, other: int) -> bool:
        return self.shown <= other  # type: ignore[attr-defined, no-any-return]

    def __gt__(self, other: int) -> bool:
        return self.shown > other  # type: ignore[attr-defined, no-any-return]

    def __ge__(self, other: int) -> bool:
        return self.shown >= other  # type: ignore[attr-defined, no-any-return]

    def __hash__(self) -> int:
        return hash(self.shown)  # type: ignore[attr-defined]

    def to_bytes(self, *arguments: object, **options: object) -> bytes:  # type: ignore[override]
        return self.shown.to_bytes(*arguments, **options)  # type: ignore[attr-defined, no-any-return]


class LyingBytes(bytes):
    """Other bytes to whoever asks it."""

    def __getitem__(self, place: object) -> object:  # type: ignore[override]
        return bytes(len(bytes.__getitem__(self, slice(None))))[place]  # type: ignore[index]

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __bytes__(self) -> bytes:
        return bytes(20)

    def hex(self) -> str:  # type: ignore[override]
        return "00" * 20


class LyingTuple(tuple):  # type: ignore[type-arg]  # noqa: SLOT001 - a liar needs no slots
    """Shows other items than it has."""

    def __iter__(self) -> object:  # type: ignore[override]
        return iter(())

    def __len__(self) -> int:
        return 0


class LyingText(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def encode(self, *arguments: object) -> bytes:  # type: ignore[override]
        return b"Osaka"


class NoInt:
    """Says that it is an int, a bool, bytes, whatever it is asked for."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return self._kind


class LyingList(list):  # type: ignore[type-arg]
    """Shows other items than it has."""

    def __iter__(self) -> object:  # type: ignore[override]
        return iter(())

    def __len__(self) -> int:
        return 0

    def __getitem__(self, place: object) -> object:  # type: ignore[override]
        return LyingList()
