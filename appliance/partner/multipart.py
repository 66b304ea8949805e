"""multipart/related as DICOMweb uses it (PS3.18 8.6): one part each way, streamed both ways."""

from collections.abc import Callable, Iterable, Iterator
from email.message import Message

from appliance.errors import Refusal, Unavailable

# Headers of a part are a few lines; RFC 2046 5.1.1 limits a boundary to 70 characters.
MOST_HEADER_BYTES = 16_384
MOST_BOUNDARY = 70

# The patience of a socket is for one piece: on a slow line a large one would never get through.
PIECE = 65_536

Chunk = bytes | memoryview


class Body:
    """The body of one STOW-RS request with a known length; read once, never held in memory.

    `mark` is the boundary, a new random one for each request: nothing in an instance can be made
    to look like the end of it.
    """

    def __init__(self, instance: Iterable[Chunk], length: int, mark: str) -> None:
        self._instance = instance
        self._length = length
        self._head = f"--{mark}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        self._tail = f"\r\n--{mark}--\r\n".encode()
        self.content_type = f'multipart/related; type="application/dicom"; boundary={mark}'

    def __len__(self) -> int:
        return len(self._head) + self._length + len(self._tail)

    def __iter__(self) -> Iterator[Chunk]:
        yield self._head
        sent = 0
        for chunk in self._instance:
            sent += len(chunk)
            whole = memoryview(chunk)
            for at in range(0, len(whole), PIECE):
                yield whole[at : at + PIECE]
        if sent != self._length:
            raise ValueError(f"an instance has {sent} bytes where {self._length} were announced")
        yield self._tail


def boundary(content_type: str) -> bytes | None:
    """The boundary of an answer; None when the answer is one bare instance.

    Raises:
        Unavailable: the answer is something else than instances.
    """
    parsed = Message()
    parsed["Content-Type"] = content_type
    kind = parsed.get_content_type()
    if kind == "application/dicom":
        return None
    found = parsed.get_param("boundary")
    if kind != "multipart/related" or not isinstance(found, str):
        raise Unavailable("the partner answered with something else than an instance")
    if not 0 < len(found) <= MOST_BOUNDARY or not found.isascii():
        raise Unavailable("the partner's answer has no usable boundary")
    return found.encode()


def pass_on(
    chunks: Iterable[bytes], mark: bytes | None, most: int, sink: Callable[[bytes], None]
) -> None:
    """Give the one part of an answer to `sink`, piece by piece.

    Raises:
        Refusal: Q16, more than `most` bytes; nothing beyond them has reached the sink.
        Unavailable: the answer is cut short or has not exactly one part.
    """
    counted = _Counted(sink, most)
    if mark is None:
        for chunk in chunks:
            counted.take(chunk)
        return
    rest = iter(chunks)
    window = _skip_headers(rest, mark)
    end = b"\r\n--" + mark
    while (at := window.find(end)) < 0:
        # What may be the beginning of the end stays in the window.
        ready = max(0, len(window) - len(end) + 1)
        counted.take(window[:ready])
        window = window[ready:] + _next(rest)
    counted.take(window[:at])
    window = window[at + len(end) :]
    while len(window) < 2:
        window += _next(rest)
    if not window.startswith(b"--"):
        raise Unavailable("the partner sent several instances where one was asked for")


class _Counted:
    def __init__(self, sink: Callable[[bytes], None], most: int) -> None:
        self._sink = sink
        self._left = most

    def take(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            raise Refusal("Q16", "an instance of the partner is larger than the limit")
        self._sink(chunk)


def _skip_headers(chunks: Iterator[bytes], mark: bytes) -> bytes:
    window = b""
    start = b"--" + mark + b"\r\n"
    while True:
        opened = window.find(start)
        if opened >= 0 and (headers_end := window.find(b"\r\n\r\n", opened)) >= 0:
            return window[headers_end + 4 :]
        if len(window) > MOST_HEADER_BYTES + 65_536:
            raise Unavailable("the partner's answer holds no instance")
        window += _next(chunks)


def _next(chunks: Iterator[bytes]) -> bytes:
    try:
        return next(chunks)
    except StopIteration:
        raise Unavailable("the partner's answer was cut short") from None
