"""A lock for what can be copied and pickled: a copy has a lock of its own, that nobody holds."""

from threading import RLock


class OwnLock:
    """`with own.lock`: one thread at a time.

    No context manager itself: a signal's exception that comes in a method of ours would leave the lock held for ever.
    CPython 3.14 may raise it between the lock and the block, too; then the same thread at least can go on.
    """

    def __init__(self) -> None:
        self.lock = RLock()

    def __reduce__(self) -> tuple[type["OwnLock"], tuple[()]]:
        return OwnLock, ()
