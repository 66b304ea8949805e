"""The guard before the listener: what pynetdicom does not bound is bounded here.

By itself it reads a PDU of any declared length into memory, waits for ever for the rest of one,
and lets silent connections fill its slots. So every accepted socket counts PDUs while it is read:
their type, their length and the time they take, and the bytes between two of our answers.
"""

import socket
import time
from contextlib import suppress
from socketserver import BaseServer
from typing import Protocol

from pynetdicom.transport import AssociationServer

from appliance.dicom.storage import MOST_CONTEXTS

OFFERED_PDU = 131_072
# Largest PDU after negotiation: a P-DATA-TF of the size that we offered, and its own headers.
MOST_PDU = OFFERED_PDU + 12
# 128 contexts with a dozen transfer syntaxes each fit twice.
MOST_REQUEST = 512 * MOST_CONTEXTS
HEADER = 6
REQUEST = 0x01
LATER = frozenset({0x04, 0x05, 0x06, 0x07})
# A peer says who it is at once; a PDU of 128 KB takes 30 s on the slowest line worth serving.
REQUEST_S = 5.0
PDU_S = 30.0
# pynetdicom holds an instance in memory until it is complete; a gigabyte is what a small box has.
MOST_BYTES = 1024**3
# Of one address and of all: associations being served, and connections being told to wait.
SERVED_EACH, SERVED = 4, 16
OPEN_EACH, OPEN = 8, 32


class GuardedSocket(socket.socket):
    """A connection on which only well-measured PDUs come in, each within its time."""

    _header: bytearray
    _left: int
    _first: bool
    _taken: int
    _deadline_s: float

    @classmethod
    def adopt(cls, plain: socket.socket) -> "GuardedSocket":
        """Take over an accepted connection."""
        guarded = cls(plain.family, plain.type, plain.proto, fileno=plain.detach())
        guarded.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        guarded._header = bytearray()
        guarded._left = 0
        guarded._first = True
        guarded._taken = 0
        guarded._deadline_s = time.monotonic() + REQUEST_S
        return guarded

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """As a socket does, but never across the end of a PDU, and never past its deadline.

        Raises ConnectionAbortedError or TimeoutError (both OSError): the connection ends.
        """
        if not self._first and not self._header and not self._left:
            self._deadline_s = time.monotonic() + PDU_S
        rest_s = self._deadline_s - time.monotonic()
        if rest_s <= 0:
            self.shutdown(socket.SHUT_RDWR)
            raise TimeoutError("a PDU took too long")
        self.settimeout(rest_s)
        data = super().recv(min(bufsize, self._left or HEADER - len(self._header)), flags)
        # Linux forgets this after a while; without it a peer that keeps Nagle waits 40 ms.
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self._measure(data)
        return data

    def send(self, data: object, flags: int = 0, /) -> int:
        """As a socket does; our answer opens the next instance's measure."""
        self._taken = 0
        self.settimeout(PDU_S)
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError("bytes are sent, nothing else")
        return super().send(data, flags)

    def shutdown(self, how: int, /) -> None:
        """As a socket does, but a peer that is gone already is no reason to stay open."""
        with suppress(OSError):
            super().shutdown(how)

    def _broken(self, reason: str) -> ConnectionAbortedError:
        """End the connection for the peer at once; pynetdicom would keep it for its timeout."""
        self.shutdown(socket.SHUT_RDWR)
        return ConnectionAbortedError(reason)

    def _measure(self, data: bytes) -> None:
        self._taken += len(data)
        if self._taken > MOST_BYTES:
            raise self._broken("more bytes than an instance may have")
        if self._left:
            self._left -= len(data)
            return
        self._header += data
        if len(self._header) < HEADER:
            return
        kind, length = self._header[0], int.from_bytes(self._header[2:], "big")
        self._header.clear()
        allowed = kind == REQUEST if self._first else kind in LATER
        if not allowed or length > (MOST_REQUEST if self._first else MOST_PDU):
            raise self._broken("a PDU of the wrong kind or length")
        self._first = False
        self._left = length


class Porter(Protocol):
    """Who decides about a connection before a byte is read, and hears the clock tick."""

    def admits(self, address: str) -> bool:
        """Whether a connection from this address is served at all."""
        ...

    def tick(self) -> None:
        """Called about twice a second."""
        ...


class Door(AssociationServer):
    """pynetdicom's listener behind the guard; one thread accepts, each association has its own."""

    porter: Porter

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection and put the guard on it."""
        connection, address = super().get_request()
        return GuardedSocket.adopt(connection), address

    def verify_request(
        self, request: object, client_address: tuple[str, int] | tuple[str, int, int, int]
    ) -> bool:
        """Serve it or close it, before anything is read."""
        del request
        address = client_address[0]
        total, here = self.served(address)
        return total < OPEN and here < OPEN_EACH and self.porter.admits(address)

    def served(self, address: str) -> tuple[int, int]:
        """How many connections are open: in all, and from one address."""
        callers = [association.requestor.address for association in self.active_associations]
        return len(callers), callers.count(address)

    def service_actions(self) -> None:
        """What the accepting thread does besides accepting."""
        super().service_actions()
        self.porter.tick()

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that failed is closed by the caller; nobody prints it."""

    def stop_accepting(self) -> None:
        """Close the listening socket; open associations go on."""
        # pynetdicom's own shutdown looks for us in a list into which only its AE puts servers.
        BaseServer.shutdown(self)
        self.server_close()
