"""The console's web server: takes its port first, answers while it runs, ends when it is told."""

import socket
import threading

import waitress
from flask import Flask
from waitress import wasyncore

# Twice what the application takes: the application says politely what waitress only cuts off.
LONGEST_BODY = 32 << 10
LONGEST_HEADERS = 16 << 10
# A page is asked for by a few people; each thread costs a megabyte of a small device.
THREADS = 4
MOST_CONNECTIONS = 64
SILENT_S = 30
# How long the loop sleeps when nobody asks: the longest that `close` waits for it.
LOOK_S = 0.5


class Server:
    """A web server on one address. Raises OSError when the address is not ours or taken."""

    def __init__(self, app: Flask, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        door = socket.create_server((host, port), family=family)
        self.effective_port: int = door.getsockname()[1]
        self._map: dict[int, object] = {}
        self._waitress = waitress.create_server(
            app,
            map=self._map,
            sockets=[door],
            threads=THREADS,
            connection_limit=MOST_CONNECTIONS,
            channel_timeout=SILENT_S,
            max_request_body_size=LONGEST_BODY,
            max_request_header_size=LONGEST_HEADERS,
            clear_untrusted_proxy_headers=True,
            ident="",
        )
        self._ending = threading.Event()
        self._running = threading.Lock()

    def run(self) -> None:
        """Answer until `close` is called, or an exception (SystemExit) ends this thread."""
        with self._running:
            while not self._ending.is_set():
                wasyncore.loop(timeout=LOOK_S, use_poll=True, map=self._map, count=1)
            self._waitress.task_dispatcher.shutdown()

    def close(self) -> None:
        """Stop listening and hang up; from any thread, before, during or after `run`."""
        # Sockets that are closed under a polling loop make it fail: wait until it has ended.
        self._ending.set()
        with self._running:
            wasyncore.close_all(self._map)


def listen(app: Flask, host: str, port: int) -> Server:
    """Take the port now, so that a second start fails at once; answers once it is `run`."""
    return Server(app, host, port)


def serve(app: Flask, host: str, port: int) -> None:
    """Answer on this address until the process is told to end (SystemExit)."""
    listen(app, host, port).run()
