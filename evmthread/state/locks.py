"""A lock for what can be copied and pickled: a copy has a lock of its own, that nobody holds."""

from threading import Lock


class OwnLock:
    """`with own.lock`: one thread at a time, not to be taken twice by one.

    No context manager itself: a signal's exception that comes in a method of ours would leave the lock held for ever.
    """

    def __init__(self) -> None:
        self.lock = Lock()

    def __reduce__(self) -> tuple[type["OwnLock"], tuple[()]]:
        return OwnLock, ()
