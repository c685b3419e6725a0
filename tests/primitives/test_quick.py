"""A quick class is the dataclass that it is made of: each test asks one of either kind."""

import copy
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import pytest

from evmthread.primitives.quick import quick


class Base:
    __slots__ = ()

    def twice(self) -> int:
        return 2 * self.number  # type: ignore[attr-defined, no-any-return]


@dataclass(frozen=True, slots=True)
class Plain(Base):
    number: int
    text: str = "none"
    items: list[int] = field(default_factory=list, compare=False)
    known: bytes | None = field(init=False, repr=False, compare=False, default=None)
    derived: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("below zero")
        object.__setattr__(self, "derived", self.twice())


@quick
@dataclass(frozen=True, slots=True)
class Quick(Base):
    number: int
    text: str = "none"
    items: list[int] = field(default_factory=list, compare=False)
    known: bytes | None = field(init=False, repr=False, compare=False, default=None)
    derived: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("below zero")
        object.__setattr__(self, "derived", self.twice())


BOTH = pytest.mark.parametrize("kind", [Plain, Quick])


@BOTH
def test_what_it_holds(kind: Any) -> None:
    one, other = kind(3), kind(number=4, text="four", items=[1])
    assert (one.number, one.text, one.items, one.known, one.derived) == (3, "none", [], None, 6)
    assert (other.number, other.text, other.items, other.known, other.derived) == (4, "four", [1], None, 8)
    assert one.items is not kind(3).items
    assert repr(other) == f"{kind.__name__}(number=4, text='four', items=[1])"
    assert type(one) is kind
    assert isinstance(one, Base)


@BOTH
def test_what_is_equal(kind: Any) -> None:
    assert kind(3, items=[1]) == kind(3)
    assert hash(kind(3, items=[1])) == hash(kind(3))
    assert kind(3) != kind(4)


@BOTH
def test_it_cannot_be_changed(kind: Any) -> None:
    one = kind(3)
    for name in ("number", "known", "nothing"):
        with pytest.raises((FrozenInstanceError, TypeError)):
            setattr(one, name, 1)
    with pytest.raises(FrozenInstanceError):
        del one.number
    assert not hasattr(one, "__dict__")


def test_a_second_init_changes_nothing() -> None:
    one: Any = Quick(3)
    one.__init__(4)
    assert one == Quick(3)


@BOTH
@pytest.mark.parametrize(
    "make",
    [
        lambda kind: kind(),
        lambda kind: kind(1, "a", [], b""),
        lambda kind: kind(1, number=2),
        lambda kind: kind(1, known=b""),
        lambda kind: kind(1, other=2),
    ],
)
def test_wrong_arguments(kind: Any, make: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError):
        make(kind)


@BOTH
def test_what_its_own_check_refuses(kind: Any) -> None:
    with pytest.raises(ValueError, match="below zero"):
        kind(-1)
    with pytest.raises(ValueError, match="below zero"):
        replace(kind(1), number=-1)


@BOTH
def test_copies(kind: Any) -> None:
    one = kind(3, "three", [1, 2])
    for other in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one)), replace(one)):
        assert type(other) is kind
        assert (other, other.items, other.derived) == (one, [1, 2], 6)
    assert replace(one, text="four").text == "four"
    assert copy.deepcopy(one).items is not one.items


@BOTH
def test_its_parameters(kind: Any) -> None:
    assert list(inspect.signature(kind).parameters) == ["number", "text", "items"]
    assert kind.__match_args__ == ("number", "text", "items")


@BOTH
def test_subclasses_are_made_as_those_of_a_dataclass(kind: Any) -> None:
    class Named(kind):  # type: ignore[misc]
        def name(self) -> str:
            return f"number {self.number}"

    class Own(kind):  # type: ignore[misc]
        def __init__(self) -> None:
            object.__setattr__(self, "number", 7)

    assert Named(3, text="a").name() == "number 3"
    assert (Named(3).derived, Named(3) == Named(3), Named(3) == kind(3)) == (6, True, False)
    assert Own().number == 7
    with pytest.raises(FrozenInstanceError):
        Named(3).number = 4
    with pytest.raises(ValueError, match="below zero"):
        Named(-3)


def test_a_subclass_with_other_fields() -> None:
    with pytest.raises(TypeError, match="More: a subclass of Quick has no fields of its own"):

        @dataclass(frozen=True, slots=True)
        class More(Quick):
            more: int = 0


def test_classes_that_cannot_be_quick() -> None:
    @dataclass(frozen=True)
    class Dict:
        number: int

    @dataclass(frozen=True, slots=True)
    class More(Plain):
        more: int = 0

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Keyword:
        number: int

    for cls in (Dict, More, Keyword):
        with pytest.raises(TypeError, match=cls.__name__):
            quick(cls)


def test_no_state_is_set() -> None:
    assert not hasattr(Quick(3), "__setstate__")

    @quick
    @dataclass(frozen=True, slots=True)
    class Stateful:
        number: int

        def __getstate__(self) -> int:
            return self.number

    assert Stateful(3).__getstate__() == 3  # one of its own stays


@dataclass(frozen=True, slots=True)
class PlainBare:
    number: int
    later: int = field(init=False)


@quick
@dataclass(frozen=True, slots=True)
class QuickBare:
    number: int
    later: int = field(init=False)


@pytest.mark.parametrize("kind", [PlainBare, QuickBare])
def test_what_nobody_gives_is_not_there(kind: Any) -> None:
    with pytest.raises(TypeError):
        kind()
    assert not hasattr(kind(1), "later")


def test_its_own_reduce_stays() -> None:
    @quick
    @dataclass(frozen=True, slots=True)
    class Counted:
        number: int

        def __reduce__(self) -> tuple[type[int], tuple[int]]:
            return int, (self.number,)

    assert copy.copy(Counted(3)) == 3


@pytest.mark.parametrize("decorate", [lambda cls: cls, quick])
def test_subclasses_are_told_to_its_base_and_made_by_their_own_new(decorate: Callable[[Any], Any]) -> None:
    told: list[str] = []

    class Told:
        __slots__ = ()

        def __init_subclass__(cls, *, word: str = "", **options: object) -> None:
            super().__init_subclass__(**options)
            told.append(word)

    kind = decorate(dataclass(frozen=True, slots=True)(type("Kind", (Told,), {"__annotations__": {"number": int}})))
    told.clear()

    class Sub(kind, word="sub"):  # type: ignore[misc]
        def __new__(cls, number: int) -> Any:
            made.append(number)
            return super().__new__(cls) if decorate is not quick else object.__new__(cls)

    made: list[int] = []
    assert (Sub(4).number, made, told) == (4, [4], ["sub"])
