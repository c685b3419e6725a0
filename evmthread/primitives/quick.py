"""Makes frozen dataclasses quickly: a third of the time that a dataclass with slots takes to make one of its own.

Hot: a hundred values with 450 fields are made for each move in a channel. A frozen dataclass sets each field through
`object.__setattr__`, which took a twelfth of a move. Here the fields of an object that isn't frozen yet are set as
those of any object, and then it becomes one of the frozen class. What else a dataclass does, it does as before.
"""

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from inspect import get_annotations
from typing import Any, TypeVar

T = TypeVar("T")


def quick(cls: type[T]) -> type[T]:
    """A class decorator, above `@dataclass(frozen=True, slots=True)`: the same class, whose objects are made faster.

    Its subclasses have no other fields, and are made as those of any dataclass. Raises TypeError for a class that has
    no slots or a base with fields of its own.
    """
    slots = cls.__dict__.get("__slots__")
    if not isinstance(slots, tuple) or {each.name for each in fields(cls)} != set(slots):  # type: ignore[arg-type]
        raise TypeError(f"{cls.__name__}: a dataclass with slots for all of its fields is wanted")
    # An object of another class with the same bases and slots has the same layout: Python lets it change over.
    thawed = type(cls.__name__, cls.__bases__, {"__slots__": slots, "__module__": cls.__module__})
    members = fields(cls)  # type: ignore[arg-type]
    plain_init = cls.__init__
    _give_subclasses(cls, plain_init)
    cls.__new__ = staticmethod(_maker(cls, thawed, members))  # type: ignore[method-assign]
    del cls.__init__
    # A dataclass has these for pickle alone, which goes through the constructor here: they change one that exists.
    for name in ("__getstate__", "__setstate__"):
        if getattr(cls.__dict__.get(name), "__module__", None) == dataclass.__module__:
            delattr(cls, name)
    if cls.__reduce__ is object.__reduce__:
        cls.__reduce__ = _reduce  # type: ignore[method-assign]
    return cls


def _maker(cls: type[T], thawed: type, members: tuple[Field[Any], ...]) -> Any:
    """The class's __new__, with the parameters of the __init__ that the dataclass had."""
    known: dict[str, object] = {"_thawed": thawed}
    parameters, lines = [], []
    for each in members:
        name, default, factory = each.name, each.default, each.default_factory
        known[f"_default_{name}"] = default if factory is MISSING else factory
        if each.kw_only:
            raise TypeError(f"{cls.__name__}.{name}: no field that is given by name alone")
        if not each.init:
            if default is not MISSING:
                lines.append(f" self.{name} = _default_{name}")
        elif factory is not MISSING:
            parameters.append(f"{name}=_default_{name}")
            lines.append(f" self.{name} = _default_{name}() if {name} is _default_{name} else {name}")
        else:
            parameters.append(name if default is MISSING else f"{name}=_default_{name}")
            lines.append(f" self.{name} = {name}")
    lines.append(" self.__class__ = cls")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    source = "\n".join([f"def __new__(cls, {', '.join(parameters)}):", " self = _thawed()", *lines, " return self"])
    exec(source, known)  # noqa: S102 - as dataclasses does; nothing in it comes from outside
    made: Any = known["__new__"]
    made.__qualname__ = f"{cls.__qualname__}.__new__"
    return made


def _give_subclasses(cls: Any, plain_init: Callable[..., None]) -> None:
    """Lets subclasses be made by the __init__ that the dataclass had: another class can't be changed over to."""

    def init_subclass(sub: Any, /, **options: object) -> None:
        super(cls, sub).__init_subclass__(**options)
        if get_annotations(sub):
            raise TypeError(f"{sub.__name__}: a subclass of {cls.__name__} has no fields of its own")
        if "__new__" not in sub.__dict__:
            sub.__new__ = staticmethod(_plain_new)
        if "__init__" not in sub.__dict__:
            sub.__init__ = plain_init

    cls.__init_subclass__ = classmethod(init_subclass)


def _plain_new(cls: type, *_values: object, **_named: object) -> object:
    return object.__new__(cls)


def _rebuild(cls: type, values: tuple[object, ...]) -> object:
    return cls(*values)


def _reduce(self: Any) -> tuple[Callable[..., object], tuple[object, ...]]:
    # Through the constructor, as there is no other way to make one.
    return _rebuild, (type(self), tuple([getattr(self, each.name) for each in fields(self) if each.init]))
