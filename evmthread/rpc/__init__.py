"""Floor 1: JSON-RPC to an Ethereum node. Knows requests and answers, nothing of what they mean."""

from evmthread.rpc.foreign import ForeignProvider
from evmthread.rpc.provider import BadAnswer, HttpProvider, NodeRefused, NodeUnreachable, Provider
from evmthread.rpc.websocket import Missed, Notice, WebSocketProvider

__all__ = [
    "BadAnswer",
    "ForeignProvider",
    "HttpProvider",
    "Missed",
    "NodeRefused",
    "NodeUnreachable",
    "Notice",
    "Provider",
    "WebSocketProvider",
    "connect",
]


def connect(url: str) -> HttpProvider | WebSocketProvider:
    """The provider for an address that begins with http, https, ws or wss. Raises InvalidInput for others."""
    return WebSocketProvider(url) if url.startswith("ws") else HttpProvider(url)
