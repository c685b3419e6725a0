"""Floor 1: JSON-RPC to an Ethereum node. Knows requests and answers, nothing of what they mean."""

from evmthread.rpc.provider import BadAnswer, HttpProvider, NodeRefused, NodeUnreachable, Provider

__all__ = ["BadAnswer", "HttpProvider", "NodeRefused", "NodeUnreachable", "Provider"]
