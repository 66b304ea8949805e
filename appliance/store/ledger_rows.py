"""The rows below an entry as they are written: its arrivals, its returned instances."""

from appliance.store.book import Book
from appliance.store.entry import Member, Returned


def put_member(book: Book, entry: int, member: Member) -> None:
    """Write an arrival of an intake or parcel, and what became of it."""
    book.do(
        "INSERT OR REPLACE INTO member VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            entry, member.seq, member.sop, member.state, member.code, member.new_sop,
            member.new_series, member.likeness, member.digest, member.version, member.start,
            member.length,
        ),
    )  # fmt: skip


def put_returned(book: Book, entry: int, item: Returned) -> None:
    """Write an instance of a delivery."""
    book.do(
        "INSERT OR REPLACE INTO returned VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            entry, item.sop, item.series, item.sop_class, item.number, item.digest, item.size,
            item.new_sop, item.new_series, item.home_digest,
        ),
    )  # fmt: skip
