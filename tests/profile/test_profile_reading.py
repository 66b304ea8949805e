"""Law: one text has one meaning. What is not plain YAML is refused with a line and a sentence; no
text whatever makes the reader raise.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import ProfileError
from appliance.profile import inspect, parse
from appliance.profile.reading import read


@pytest.mark.parametrize(
    ("text", "where", "part"),
    [
        ("", "file", "empty"),
        ("\n  \n", "file", "empty"),
        ("# nothing but a comment\n", "line 2, column 1", "empty"),
        ("hello", "file", "not a profile"),
        ("- a\n", "file", "not a profile"),
        ("a: [1, 2", "line 1, column 9", "only in part"),
        ("a: b: c\n", "line 1, column 5", "colon"),
        ("a:\n\t- b\n", "line 2, column 1", "tab"),
        ("a: &x 1\nb: *x\n", "line 1, column 4", "anchors"),
        ("a: *x\n", "line 1, column 4", "aliases"),
        ("a: !!python/object:os.system x\n", "line 1, column 4", "tags"),
        ("a: 1\n---\nb: 1\n", "line 2, column 1", "second document"),
        ("? [a]\n: b\n", "line 1, column 3", "one word"),
        ('a: "\\UFFFFFFFF"\n', "file", "escape"),
        ('a: "\\ud800"\n', "line 1, column 4", "control character"),
        ('a: "\\0"\n', "line 1, column 4", "control character"),
        ("a: \x07\n", "line 1, column 4", "not text"),
        ("[" * 3000, "line 1, column 26", "deeply"),
        ("a: " + "x" * 600_000, "file", "not a profile"),
        ('a: "never closed\nb: 1\n', "line 3, column 1", "only in part"),
        ("a:\n- b\n c\n  d: e\n", "line 4, column 4", "indentation"),
    ],
)
def test_a_text_that_is_no_profile_gives_one_sentence_with_its_place(text, where, part):
    problems = inspect(text).problems
    assert len(problems) == 1
    assert problems[0].where == where
    assert part in problems[0].what


def test_a_key_that_stands_twice_is_refused_with_both_lines():
    found = read("site: {name: a}\nclinic: {}\nsite: {name: b}\n")
    assert [(each.where, each.what) for each in found.problems] == [
        ("site", "stands twice, in lines 1 and 3: keep one of them")
    ]


def test_words_that_yaml_1_1_would_bend_stay_text():
    text = "a: no\nb: on\nc: 12:30\nd: 010\ne: 2028-06-30\nf: 1e3\ng: .inf\nh: <<\ni: =\nj: ~\n"
    assert read(text).tree == {
        "a": "no",
        "b": "on",
        "c": "12:30",
        "d": "010",
        "e": "2028-06-30",
        "f": 1000.0,
        "g": ".inf",
        "h": "<<",
        "i": "=",
        "j": None,
    }


def test_quoted_numbers_stay_text():
    assert read("a: '1'\nb: \"true\"\nc: |\n  5\n").tree == {"a": "1", "b": "true", "c": "5\n"}


def test_every_path_knows_its_line():
    lines = read("a: 1\nb:\n  - c: 1\n  - c: 2\n").lines
    assert (lines["a"], lines["b.1.c"]) == (1, 4)


@given(st.text(max_size=200))
@settings(max_examples=150)
def test_no_text_makes_the_reader_raise(text):
    found = inspect(text)
    assert found.profile is None
    assert found.problems
    assert all(each.where and each.what for each in found.problems)


@given(st.text(alphabet="ab:-[]{}'\"|>&*!%#?,\\ \n\t0x~<", max_size=60))
@settings(max_examples=300)
def test_no_heap_of_yaml_signs_makes_the_reader_raise(text):
    with pytest.raises(ProfileError):
        parse(text)


def cut_at(text: str, position: int) -> str:
    return text[:position]


def test_a_half_written_profile_is_a_profile_or_has_a_clear_sentence(demo_text):
    # 40 cuts over the whole file; a cut in the last, optional section may leave a whole profile
    for position in range(0, len(demo_text), len(demo_text) // 40):
        found = inspect(cut_at(demo_text, position))
        assert found.profile is not None or found.problems
        if position < demo_text.index("projects:"):
            assert any(
                word in each.what
                for each in found.problems
                for word in ("only in part", "empty", "not a profile")
            )
