"""YAML text → a tree of plain values, and every mistake of the notation on the way.

A narrower YAML than YAML 1.1: `no`, `on`, `12:30`, `010` and dates stay text; anchors, tags, merge
keys, several documents and duplicate keys are refused. So one text has one meaning.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from appliance.errors import Problem

# Twenty projects with full dossiers take 200 kB; a profile is never a data set.
LONGEST_TEXT = 512 * 1024
# The deepest path of a profile has nine steps.
DEEPEST = 24

Tree = dict[str, "Tree"] | list["Tree"] | str | int | float | bool | None

_EMPTY = "the file is empty: write a profile, or start from examples/demo.yaml"

NULL = re.compile(r"(~|null|Null|NULL|)\Z")
BOOL = re.compile(r"(true|True|TRUE|false|False|FALSE)\Z")
INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\Z")
FLOAT = re.compile(
    r"[-+]?([0-9]{1,18}\.[0-9]*|\.[0-9]+|[0-9]{1,18}(?=[eE]))([eE](-[0-9]{1,3}|\+?[0-9]{1,2}))?\Z"
)


@dataclass(frozen=True)
class Document:
    """What stood in a text: the tree as far as it could be read, its mistakes, its lines."""

    tree: dict[str, Tree]
    problems: tuple[Problem, ...]
    lines: Mapping[str, int]
    last_line: int


def read(text: str) -> Document:
    """The tree of a profile's text; never raises."""
    last_line = len(text.splitlines())
    if len(text) > LONGEST_TEXT:
        what = f"longer than {LONGEST_TEXT // 1024} kB: this is not a profile"
        return Document({}, (Problem("file", what),), {}, last_line)
    if not text.strip():
        return Document({}, (Problem("file", _EMPTY),), {}, last_line)
    reader = _Reader(text)
    try:
        tree = reader.document()
    except _Refused as error:
        problem = Problem(error.where, str(error.problem))
    except yaml.MarkedYAMLError as error:
        problem = _syntax(error, text)
    except yaml.reader.ReaderError as error:
        problem = _unreadable(error, text)
    except (ValueError, OverflowError):
        problem = Problem("file", r"a \x, \u or \U escape names no character: write the character")
    else:
        return Document(tree, tuple(reader.problems), reader.lines, last_line)
    return Document({}, (problem,), {}, last_line)


class _Refused(yaml.MarkedYAMLError):
    """YAML that is not used in a profile."""

    def __init__(self, sentence: str, event: yaml.Event) -> None:
        super().__init__(problem=sentence)
        line, column = _position(event)
        self.where = f"line {line}, column {column}"


class _Reader:
    """One pass over the events of a text; keeps the line of every path."""

    def __init__(self, text: str) -> None:
        self.problems: list[Problem] = []
        self.lines: dict[str, int] = {}
        self._events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=yaml.SafeLoader))

    def document(self) -> dict[str, Tree]:
        for event in self._events:
            if not isinstance(event, (yaml.StreamStartEvent, yaml.DocumentStartEvent)):
                break
        if isinstance(event, yaml.StreamEndEvent):
            raise _refused(event, _EMPTY)
        tree = self._value(event, "", 0)
        for after in self._events:
            if isinstance(after, yaml.DocumentStartEvent):
                raise _refused(after, "a second document starts here; one file holds one profile")
        if isinstance(tree, dict):
            return tree
        self.problems.append(
            Problem(
                "file", "this is not a profile: it starts with `schema: research-pacs/profile/1`"
            )
        )
        return {}

    def _value(self, event: yaml.Event, where: str, depth: int) -> Tree:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused(
                event, "anchors (&) and aliases (*) are not used here; write the value out"
            )
        if getattr(event, "tag", None) not in (None, "!"):
            raise _refused(event, "tags (!) are not used here; write the value alone, or in quotes")
        if depth > DEEPEST:
            raise _refused(event, "nested too deeply")
        self.lines[where] = _position(event)[0]
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(where, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(where, depth)
        if not isinstance(event, yaml.ScalarEvent):
            raise _refused(event, "a value is expected here")
        return self._scalar(event)

    def _mapping(self, where: str, depth: int) -> dict[str, Tree]:
        mapping: dict[str, Tree] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent) or not event.value:
                raise _refused(event, "a key is one word before a colon")
            key = self._text(event)
            place = joined(where, key)
            first = self.lines.get(place)
            value = self._value(next(self._events), place, depth + 1)
            if key in mapping:
                self._twice(event, place, first)
            mapping.setdefault(key, value)
        return mapping

    def _twice(self, event: yaml.ScalarEvent, place: str, first: int | None) -> None:
        line = _position(event)[0]
        self.problems.append(
            Problem(place, f"stands twice, in lines {first} and {line}: keep one of them")
        )

    def _sequence(self, where: str, depth: int) -> list[Tree]:
        items: list[Tree] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._value(event, joined(where, str(len(items))), depth + 1))
        return items

    def _scalar(self, event: yaml.ScalarEvent) -> Tree:
        text = self._text(event)
        is_plain = event.style is None and event.implicit[0]
        return _resolved(text) if is_plain else text

    def _text(self, event: yaml.ScalarEvent) -> str:
        text: str = event.value
        if not _is_writable(text):
            raise _refused(event, "a control character stands here; write plain text")
        return text


def joined(where: str, step: str) -> str:
    """The path of a step below a path: `clinic.peers.0`."""
    return f"{where}.{step}" if where else step


def _resolved(text: str) -> Tree:
    if NULL.fullmatch(text):
        return None
    if BOOL.fullmatch(text):
        return text.lower() == "true"
    if INT.fullmatch(text):
        return int(text)
    if FLOAT.fullmatch(text):
        return float(text)
    return text


def _is_writable(text: str) -> bool:
    return all(
        character in "\t\n"
        or (" " <= character != "\x7f" and not "\ud800" <= character <= "\udfff")
        for character in text
    )


def _position(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _refused(event: yaml.Event, sentence: str) -> _Refused:
    return _Refused(sentence, event)


def _syntax(error: yaml.MarkedYAMLError, text: str) -> Problem:
    last_line = len(text.splitlines())
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    where = f"line {line}, column {column}"
    if line >= last_line and "stream" in str(error.problem):
        return Problem(where, _half_written(last_line))
    sentence = _SENTENCES.get(str(error.problem), _OTHER)
    if line >= last_line and not text.endswith("\n"):
        sentence += "; the file ends here: perhaps it was written only in part"
    return Problem(where, sentence)


def _half_written(last_line: int) -> str:
    return (
        f"the file ends in line {last_line} in the middle of something: "
        "it was written only in part; write it again, or take the last whole copy"
    )


def _unreadable(error: yaml.reader.ReaderError, text: str) -> Problem:
    before = text[: error.position]
    line = before.count("\n") + 1
    column = error.position - before.rfind("\n")
    return Problem(
        f"line {line}, column {column}",
        "a character stands here that is not text: save the file again as UTF-8",
    )


_SENTENCES = {
    "mapping values are not allowed here": "a colon too many, or wrong indentation: put a value with a colon in quotes",
    "found character '\\t' that cannot start any token": "a tab stands here: indent with spaces",
    "could not find expected ':'": "a key without its colon: write `key: value`",
}
_OTHER = "this cannot be read as YAML: check indentation, quotes, brackets and colons here and just above"
