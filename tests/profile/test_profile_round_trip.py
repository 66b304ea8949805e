"""Law: parse(dump(p)) == p, and the digest depends on the settings alone: not on the order of keys,
not on the style of the YAML, not on defaults that are written out or left out.
"""

import json
import random

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.profile import Profile, digest, dump, parse
from appliance.profile.concealment import secrets_in

WORDS = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=20
).filter(lambda text: text.strip() and text.isprintable())
# Words and looks that YAML loves to bend.
TRAPS = st.sampled_from(
    [
        *[
            "no",
            "on",
            "~",
            "null",
            "010",
            "1e3",
            "1_000",
            "12:30",
            "0x1F",
            "2028-06-30",
            "<<",
            "=",
            "true",
            ".inf",
            "!x",
            "&a",
            "*a",
            "{",
            "[",
            "%",
            "@",
            "`",
            "#x",
            "1.",
        ],
        *("- a", "a: b", "| a", "'", '"'),
    ]
)
TEXT = WORDS | TRAPS
VALUES = st.recursive(
    TEXT
    | st.text(alphabet="ab \n:-", max_size=12)
    | st.integers(-(10**12), 10**12)
    | st.booleans()
    | st.none()
    | st.floats(-1e6, 1e6).map(lambda number: round(number, 3)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,12}", fullmatch=True)


@st.composite
def profiles(draw):
    partner, peer = draw(NAMES), draw(NAMES)
    shift = draw(st.booleans())
    tree = {
        "schema": "research-pacs/profile/1",
        "site": {
            "name": draw(TEXT),
            "code": "DEMO",
            "language": draw(st.sampled_from(["fr", "en"])),
        },
        "people": {"team": draw(st.lists(st.dictionaries(TEXT, VALUES, max_size=2), max_size=2))},
        "device": {"data": draw(st.sampled_from(["sd", "usb"]))},
        "clinic": {
            "listen": {"ae_title": "BOX", "port": draw(st.integers(1, 65535))},
            "peers": [
                {
                    "name": peer,
                    "kind": "pacs",
                    "ae_title": "PACS",
                    "host": "10.0.0.5",
                    "port": 104,
                    "may": ["store", "query", "results"],
                }
            ],
        },
        "partners": [
            {
                "name": partner,
                "send": {"kind": "stow-rs", "url": "https://lab.example/rs"},
                "results": {"kind": "qido", "every_min": draw(st.integers(1, 60))},
            }
        ],
        "projects": [
            {
                "code": "AB",
                "partners": [partner],
                "results": {"send_to": peer},
                "take": [{"description": draw(st.lists(TEXT, max_size=2, unique=True))}],
                "settle_min": draw(st.floats(0, 1440)),
                "deid": {
                    "options": ["retain_modified_dates"] if shift else [],
                    "dates": {"policy": "shift" if shift else "remove"},
                },
                "dossier": draw(st.dictionaries(TEXT, VALUES, max_size=3)),
            }
        ],
    }
    return Profile.model_validate(tree)


@given(profiles().filter(lambda each: not list(secrets_in(each.model_dump(mode="json")))))
@settings(max_examples=60, deadline=None)
def test_a_profile_survives_being_written_and_read(profile):
    again = parse(dump(profile))
    assert again == profile
    assert digest(again) == digest(profile)
    assert dump(again) == dump(profile)


@given(
    profiles().filter(lambda each: not list(secrets_in(each.model_dump(mode="json")))), st.randoms()
)
@settings(max_examples=30, deadline=None)
def test_the_digest_does_not_see_the_order_of_keys(profile, dice):
    tree = shuffled(profile.model_dump(mode="json", by_alias=True), dice)
    assert digest(parse(json.dumps(tree, ensure_ascii=False) + "\n")) == digest(profile)


def shuffled(tree, dice: random.Random):
    if isinstance(tree, list):
        return [shuffled(item, dice) for item in tree]
    if not isinstance(tree, dict):
        return tree
    keys = list(tree)
    dice.shuffle(keys)
    return {key: shuffled(tree[key], dice) for key in keys}


def test_the_digest_does_not_see_the_style_of_the_yaml(demo, demo_text):
    flow = yaml.safe_dump(demo, default_flow_style=True, sort_keys=True)
    quoted = json.dumps(demo, indent=3) + "\n"
    written_out = dump(parse(demo_text))
    assert len({digest(parse(text)) for text in (demo_text, flow, quoted, written_out)}) == 1


def test_the_digest_sees_every_setting(demo, demo_text):
    demo["projects"][0]["settle_min"] = 2
    assert digest(parse(json.dumps(demo))) != digest(parse(demo_text))


def test_the_hospital_survives_too(hospital_text):
    profile = parse(hospital_text)
    assert parse(dump(profile)) == profile


def test_other_yaml_readers_understand_a_written_profile_alike(hospital_text):
    profile = parse(hospital_text)
    assert yaml.safe_load(dump(profile)) == profile.model_dump(mode="json", by_alias=True)


def test_what_a_study_needs_is_found_by_name(hospital_text):
    profile = parse(hospital_text)
    assert profile.project("LIV").results.send_to == "pacs"
    assert profile.partner("core-lab").results.kind == "none"
    assert profile.peer("pacs").port == 104
    assert (profile.project("X"), profile.partner("X"), profile.peer("X")) == (None, None, None)
    assert profile.called_aes() == {
        "RESEARCHPACS",
        "RPACS_LIV",
        "RPACS_ONC",
        "RPACS_CMR",
        "RPACS_REG",
    }
