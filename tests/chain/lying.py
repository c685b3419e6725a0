"""Nodes that are not to be trusted: a Provider over a good one, whose answers a test changes on their way."""

from collections.abc import Callable
from typing import Any

from evmthread.rpc import Provider

Change = Callable[[Any], Any]


class Unreliable:
    """Asks a good node; `changes` say, by method, what becomes of its answers. Counts what it is asked."""

    def __init__(self, provider: Provider, **changes: Change) -> None:
        self.provider = provider
        self.changes = changes
        self.asked: list[str] = []

    def request(self, method: str, *parameters: object) -> object:
        self.asked.append(method)
        answer = self.provider.request(method, *parameters)
        return self.changes[method](answer) if method in self.changes else answer


def flipped(text: str) -> str:
    """Hex with another last digit."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def member(name: str, change: Callable[[Any], Any]) -> Change:
    """Changes one member of a JSON object, where there is one."""
    return lambda answer: answer if answer is None else {**answer, name: change(answer[name])}


def each(change: Change) -> Change:
    """Changes every item of a list."""
    return lambda answer: [change(item) for item in answer]
