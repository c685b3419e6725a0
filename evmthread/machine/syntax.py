"""The syntax tree of an instruction's function, as it stands in the function's own file.

It must not know what the tree is good for.
"""

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType, MappingProxyType
from typing import Any

from evmthread.machine.symbols import NotLiftable


@dataclass(frozen=True, slots=True)
class Lifted:
    """A function's syntax tree, with the names it sees."""

    parameters: tuple[str, ...]
    body: tuple[ast.stmt, ...]
    names: Mapping[str, Any]
    function: Callable[..., object]


@lru_cache(maxsize=1024)
def syntax_of(function: Callable[..., object]) -> Lifted:
    """The parsed function. Raises NotLiftable where its source isn't to be had, or isn't what it runs."""
    if not isinstance(function, FunctionType):
        raise NotLiftable("not a plain function")
    definition = _definition(function)
    body = definition.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    if function.__closure__:
        raise NotLiftable("a closure")
    signature = definition.args
    if signature.defaults or signature.kwonlyargs or signature.vararg or signature.kwarg or signature.posonlyargs:
        raise NotLiftable("more than plain parameters")
    if not _runs(function, definition):
        raise NotLiftable("source that isn't what runs")
    names = MappingProxyType(function.__globals__)
    parameters = tuple([argument.arg for argument in signature.args])
    return Lifted(parameters, tuple(body), names, function)


@lru_cache(maxsize=1024)
def reads_of(function: Callable[..., object]) -> tuple[int, ...]:
    """How often each parameter is read in a function. Raises NotLiftable, as syntax_of does."""
    lifted = syntax_of(function)
    counts = dict.fromkeys(lifted.parameters, 0)
    for statement in lifted.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and node.id in counts:
                counts[node.id] += 1
    return tuple(counts.values())


def _definition(function: FunctionType) -> ast.FunctionDef:
    """The definition in the function's file. Raises NotLiftable where there is none."""
    code = function.__code__
    # The lines that its code came from: inspect's search for its end takes longer than all the rest.
    last = max([end for _, end, _, _ in code.co_positions() if end is not None], default=0)
    lines = linecache.getlines(code.co_filename, function.__globals__)[code.co_firstlineno - 1 : last]
    try:
        try:
            tree = ast.parse(textwrap.dedent("".join(lines)))
        except SyntaxError:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError) as error:
        raise NotLiftable(str(error)) from None
    definition = tree.body[0] if len(tree.body) == 1 else None
    if not isinstance(definition, ast.FunctionDef):
        raise NotLiftable("not a plain function")
    return definition


def _runs(function: FunctionType, definition: ast.FunctionDef) -> bool:
    """True where the definition compiles to the very code of the function: a file may have changed since its import."""
    bare = ast.Module([copy(definition)], [])
    bare.body[0].decorator_list = []  # type: ignore[attr-defined]
    ours = function.__code__
    for compiled in compile(bare, "<definition>", "exec").co_consts:
        # From CPython 3.14 on there is a code object for the annotations, too (PEP 649).
        if isinstance(compiled, CodeType) and compiled.co_name == definition.name:
            return (compiled.co_code, compiled.co_consts, compiled.co_names, compiled.co_varnames) == (
                ours.co_code,
                ours.co_consts,
                ours.co_names,
                ours.co_varnames,
            )
    return False
