"""What makes a PACS difficult, each habit by its name; `appliance exam --pacs` takes them."""

from enum import StrEnum


class Trait(StrEnum):
    """One habit of real archives that a box must live with."""

    # Accepts one calling AE title only, and sends to one called AE title only.
    ONE_AE = "one-ae"
    # Takes standard SOP classes without compression; every other context is refused.
    REFUSES_PRIVATE = "refuses-private"
    # C-FIND at the level IMAGE is answered with 0xA900.
    NO_IMAGE_FIND = "no-image-find"
    # Sends every study a second time with attributes as it has corrected them.
    COERCES = "coerces"
    # Opens an association for each instance that it sends.
    ONE_ASSOCIATION_PER_INSTANCE = "one-association-per-instance"
    # Stores, but answers 0xB007 (data set does not match SOP class).
    B007 = "b007"
    # Takes its time over every answer.
    SLOW = "slow"
