"""The one tree of exceptions.

An exceptional halt or a revert inside the EVM is a result, not an exception. What is raised is listed here and named
in the docstring of the function that raises it.
"""


class EvmthreadError(Exception):
    """The root: everything that evmthread raises on purpose."""


class InvalidInput(EvmthreadError, ValueError):  # noqa: N818 - what it is, not that it is an error
    """A value given by the caller has the wrong form: odd hex, a wrong length, an out-of-range integer."""


class DecodingError(EvmthreadError, ValueError):
    """Bytes that can't be read: truncated, non-canonical, of another version, or more than allowed."""


class VerificationError(EvmthreadError):
    """Something readable that is refuted: a signature, a link, a field or a rule doesn't hold."""


class CryptoError(EvmthreadError):
    """A signature or key that is no signature or key."""


class BackendError(EvmthreadError):
    """A plug-in (storage backend, signer, provider) failed."""


class Missing(EvmthreadError, LookupError):  # noqa: N818 - a request, not an error
    """A piece of state that isn't here yet and must be waited for: `kind` and `key` say which.

    Kinds and keys: "account" (address,), "code" (code hash,), "slot" (address, storage key), "block_hash" (number,).
    """

    def __init__(self, kind: str, key: tuple[bytes | int, ...]) -> None:
        super().__init__(f"missing {kind} {key!r}")
        self.kind = kind
        self.key = key


class LimitExceeded(EvmthreadError):  # noqa: N818 - what it is, not that it is an error
    """A limit of the host (memory, steps), not of the protocol, stopped an execution; nothing of it was kept."""
