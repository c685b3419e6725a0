"""The one tree of exceptions.

An exceptional halt or a revert inside the EVM is a result, not an exception. What is raised is listed here and named
in the docstring of the function that raises it.
"""


class EvmthreadError(Exception):
    """The root: everything that evmthread raises on purpose."""


class InvalidInput(EvmthreadError, ValueError):
    """A value given by the caller has the wrong form: odd hex, a wrong length, an out-of-range integer."""


class DecodingError(EvmthreadError, ValueError):
    """Bytes that can't be read: truncated, non-canonical, of another version, or more than allowed."""


class VerificationError(EvmthreadError):
    """Something readable that is refuted: a signature, a link, a field or a rule doesn't hold."""


class CryptoError(EvmthreadError):
    """A signature or key that is no signature or key."""


class BackendError(EvmthreadError):
    """A plug-in (storage backend, signer, provider) failed."""
