"""What a withdrawal means for an entry: whether it stops, whether something of it must come back."""

from appliance.store.entry import Entry, Kind, State

NOT_YET_OUT = (State.RECEIVED, State.FROZEN, State.PSEUDONYMISED, State.HELD)
NOT_YET_HOME = (
    State.CLAIMED,
    State.FETCHED,
    State.VALIDATED,
    State.RECONCILED,
    State.HELD,
)
OUT = (State.DELIVERED, State.CONFIRMED, State.PURGED)


def may_have_left(entry: Entry) -> bool:
    """Whether an instance of a parcel can be at the partner: rather one recall too many."""
    held = entry.state is State.HELD
    stands = entry.resume if held else entry.state
    if entry.kind is not Kind.PARCEL or stands != State.PSEUDONYMISED:
        return entry.kind is Kind.PARCEL and stands in OUT
    return entry.code != "review" if held else entry.crashes + entry.waits > 0
