"""The data set's own level: its values by tag, without the nested ones."""

from appliance.deid.characters import readable
from appliance.deid.elements import Item

CHARACTER_SET = 0x00080005


class Top:
    """The elements of the data set's own level, by tag."""

    def __init__(self, root: Item, data: memoryview) -> None:
        self.elements = {element.tag: element for element in root.elements}
        self._data = data
        self.charset = self.raw(CHARACTER_SET)

    def raw(self, tag: int) -> bytes:
        """The bytes of a value; empty when it is absent."""
        element = self.elements.get(tag)
        return b"" if element is None else bytes(self._data[element.value : element.stop])

    def text(self, tag: int) -> str:
        """The decoded text of a value, without padding."""
        return readable(self.raw(tag), self.charset).strip("\0 ")
