"""A server of raw connections, for what no well-behaved node says."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread


@contextmanager
def listening(*connections: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server that does one of these with each connection, in turn, and closes it then; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def serve() -> None:
        for each in connections:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    each(connection)

    thread = Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join()
