"""A lock for what can be copied and pickled: a copy has a lock of its own, that nobody holds."""

from threading import Lock
from types import TracebackType


class OwnLock:
    """One thread at a time, as with threading.Lock; not to be taken twice by one."""

    def __init__(self) -> None:
        self._lock = Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type["OwnLock"], tuple[()]]:
        return OwnLock, ()
