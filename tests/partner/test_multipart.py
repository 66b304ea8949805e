"""A part passes byte by byte however the network cuts it, and nothing else passes."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.partner.multipart import Body, boundary, pass_on


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


@given(
    st.one_of(
        st.binary(max_size=400),
        st.lists(st.sampled_from([b"\r\n", b"--", b"mark", b"x"])).map(b"".join),
    ),
    st.lists(st.integers(1, 40), max_size=30),
)
def test_a_part_survives_every_way_of_cutting_it(data: bytes, sizes: list[int]) -> None:
    if b"\r\n--mark" in data:
        return
    sent = b"--mark\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--mark--\r\n"
    got: list[bytes] = []
    pass_on(cut(sent, sizes), b"mark", 1000, got.append)
    assert b"".join(got) == data


@given(st.binary(max_size=3000), st.lists(st.integers(1, 500), max_size=10))
def test_what_we_send_is_what_a_reader_reads(data: bytes, sizes: list[int]) -> None:
    body = Body([memoryview(piece) for piece in cut(data, sizes)], len(data), "mark")
    sent = b"".join(body)
    assert len(sent) == len(Body([], len(data), "mark"))
    got: list[bytes] = []
    if b"\r\n--mark" in data:
        return
    pass_on([sent], boundary(body.content_type), 3000, got.append)
    assert b"".join(got) == data


def test_a_large_instance_leaves_in_small_pieces() -> None:
    data = bytes(1_000_000)
    pieces = list(Body([memoryview(data)], len(data), "mark"))
    assert max(map(len, pieces)) <= 65_536
    assert sum(map(len, pieces)) == len(Body([], len(data), "mark"))
