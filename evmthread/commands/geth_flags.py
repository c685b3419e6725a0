"""Understands command lines that drivers write for go-ethereum's `evm`, old and new, by rewriting them into ours.

Known to drive us so: goevmlab (`evm statetest --trace --trace.format=json --trace.nomemory=true FILE`, and the older
`evm --json --nomemory --noreturndata statetest FILE`). Leaves other commands alone.
"""

from types import MappingProxyType

# Flags that may stand before the subcommand there, and after it here.
_GLOBAL = frozenset({"--json", "--nomemory", "--noreturndata", "--nostack", "--nostorage", "--dump"})

# Flags with a truth value: (ours when true, ours when false).
_SWITCHES = MappingProxyType(
    {
        "--json": ("--json", None),
        "--trace": ("--trace", None),
        "--dump": ("--dump", None),
        "--create": ("--create", None),
        "--memory": ("--memory", None),
        "--trace.memory": ("--memory", None),
        "--nomemory": (None, "--memory"),
        "--trace.nomemory": (None, "--memory"),
        "--returndata": ("--returndata", None),
        "--trace.returndata": ("--returndata", None),
        "--noreturndata": (None, "--returndata"),
        "--trace.noreturndata": (None, "--returndata"),
        "--nostack": ("--nostack", None),
        "--trace.nostack": ("--nostack", None),
        "--nostorage": (None, None),
        "--trace.nostorage": (None, None),
    }
)
_NAMES = MappingProxyType(
    {
        "--statetest.fork": "--fork",
        "--trace.format": "--trace.format",
        "--statetest.index": "--index",
        "--statetest.name": "--name",
        "--state.fork": "--fork",
    }
)
_TRUTHS = MappingProxyType({"true": True, "1": True, "t": True, "false": False, "0": False, "f": False})


def normalised(arguments: list[str]) -> list[str]:
    """The same command line in our own words; words that are no flag of go-ethereum's stay as they are."""
    head: list[str] = []
    while arguments and arguments[0].split("=")[0] in _GLOBAL:
        head.append(arguments[0])
        arguments = arguments[1:]
    words = arguments[:1] + head + arguments[1:]
    if words[:1] not in (["statetest"], ["run"]):
        return head + arguments
    result: list[str] = []
    for position, word in enumerate(words):
        if word == "--":
            return result + words[position:]
        name, equals, value = word.partition("=")
        if name.startswith("-") and not name.startswith("--") and f"-{name}" in (*_SWITCHES, *_NAMES):
            name = f"-{name}"  # Go takes one hyphen for two
        if name in _SWITCHES and (not equals or value.lower() in _TRUTHS):
            ours = _SWITCHES[name][0 if not equals or _TRUTHS[value.lower()] else 1]
            result += [] if ours is None else [ours]
            continue
        result.append(_NAMES.get(name, name) + equals + value)
    return result
