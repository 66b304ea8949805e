"""Law: every mistake is reported at once, each with its path, what is wrong and what to do; a value
that may be a secret is never repeated.
"""

import json

import pytest

from appliance.errors import ProfileError
from appliance.profile import inspect, parse

PEER = {"name": "other", "kind": "modality", "ae_title": "OTHER", "host": "10.0.0.7"}


def put(tree, path, value):
    """Write a value at a path; a number walks into a list, `+` appends to it."""
    *above, last = path.split(".")
    for step in above:
        tree = tree[int(step)] if isinstance(tree, list) else tree[step]
    if last == "+":
        tree.append(value)
    elif isinstance(tree, list):
        tree[int(last)] = value
    else:
        tree[last] = value


def problems(tree):
    # JSON is YAML: the tree needs no writer of its own
    found = inspect(json.dumps(tree) + "\n").problems
    told: dict[str, str] = {}
    for each in found:
        told[each.where] = "; ".join(filter(None, (told.get(each.where), each.what)))
    return told


def test_the_examples_have_no_mistake(demo_text, hospital_text):
    assert parse(demo_text).site.code == "DEMO"
    assert [project.code for project in parse(hospital_text).projects] == [
        "LIV",
        "ONC",
        "CMR",
        "REG",
    ]


FIELD_MISTAKES = [
    ("schema", "research-pacs/profile/2", "schema", "research-pacs/profile/1"),
    ("site.code", "demo", "site.code", "2 to 6 capitals"),
    ("site.code", 12, "site.code", "put it in quotes"),
    ("site.language", "de", "site.language", "choose one of fr, en"),
    ("site", [], "site", "a section is expected, with the keys name, code, language"),
    ("clinic.listen.ae_title", "A" * 17, "clinic.listen.ae_title", "1 to 16"),
    ("clinic.listen.ae_title", "   ", "clinic.listen.ae_title", "1 to 16"),
    ("clinic.listen.ae_title", "A\\B", "clinic.listen.ae_title", "no backslash"),
    ("clinic.listen.ae_title", "É", "clinic.listen.ae_title", "ASCII"),
    ("clinic.listen.ae_title", "../../x\n", "clinic.listen.ae_title", "1 to 16"),
    ("clinic.listen.port", 0, "clinic.listen.port", "from 1 to 65535"),
    ("clinic.listen.port", 65536, "clinic.listen.port", "from 1 to 65535"),
    ("clinic.listen.port", "104", "clinic.listen.port", "without quotes"),
    ("clinic.listen.port", True, "clinic.listen.port", "whole number"),
    ("clinic.listen.port", 10.5, "clinic.listen.port", "whole number"),
    ("clinic.listen.host", "224.0.0.1", "clinic.listen.host", "multicast"),
    ("clinic.listen.tls", {}, "clinic.listen.tls", "not in this version"),
    ("clinic.peers.1.host", "10.0.0.5/24", "clinic.peers.1.host", "write 10.0.0.0/24"),
    ("clinic.peers.1.host", "10.0.0.256", "clinic.peers.1.host", "IP address"),
    ("clinic.peers.1.host", "0x7f.1", "clinic.peers.1.host", "IP address"),
    ("clinic.peers.1.host", "pacs.example", "clinic.peers.1.host", "IP address"),
    ("clinic.peers.1.host", "0.0.0.0/0", "clinic.peers.1.host", "too wide"),
    ("clinic.peers.1.host", "169.254.1.1", "clinic.peers.1.host", "link-local"),
    ("clinic.peers.1.may", ["store", "quiery"], "clinic.peers.1.may.1", "did you mean query?"),
    ("clinic.peers.1.may", "store", "clinic.peers.1.may", "a list is expected"),
    ("clinic.peers.1.name", "The PACS", "clinic.peers.1.name", "small letters"),
    ("clinic.peers.1.proof", "commitment", "clinic.peers.1.proof", "not in this version"),
    ("clinic.peers.1.aetitle", "X", "clinic.peers.1.aetitle", "did you mean `ae_title`?"),
    ("partners.0.send.kind", "dicom", "partners.0.send.kind", "not in this version"),
    ("partners.0.results.kind", "ups-rs", "partners.0.results.kind", "not in this version"),
    ("partners.0.results.kind", "qidoo", "partners.0.results.kind", "did you mean qido?"),
    ("partners.0.results", {"every_min": 1}, "partners.0.results.kind", "is missing"),
    ("partners.0.results.every_min", 0, "partners.0.results.every_min", "from 0.01 to 1440 min"),
    ("partners.0.results.evry_min", 1, "partners.0.results.evry_min", "`every_min`?"),
    ("partners.0.send.url", "ftp://lab.example", "partners.0.send.url", "https://"),
    ("partners.0.send.url", "https://lab.example/?a=b", "partners.0.send.url", "no query"),
    ("partners.0.send.url", "https://2130706433/", "partners.0.send.url", "usual notation"),
    ("partners.0.send.url", "https://0x7f.1/", "partners.0.send.url", "usual notation"),
    ("partners.0.send.url", "https://169.254.169.254/", "partners.0.send.url", "link-local"),
    ("partners.0.send.url", "https://[::ffff:10.0.0.1]/", "partners.0.send.url", "IPv4-mapped"),
    ("partners.0.send.url", "https://[::1/", "partners.0.send.url", "web address"),
    ("partners.0.send.url", "https://a.example:99999/", "partners.0.send.url", "web address"),
    ("projects.0.code", "ABCDE", "projects.0.code", "2 to 4"),
    ("projects.0.kind", "registy", "projects.0.kind", "did you mean registry?"),
    ("projects.0.settle_min", -1, "projects.0.settle_min", "from 0 to 1440 min"),
    ("projects.0.dossier", [], "projects.0.dossier", "a section is expected"),
    ("projects.0.take", [{"sop_class": ["1.02"]}], "projects.0.take.0.sop_class.0", "leading"),
    ("projects.0.take", [{"sop_class": ["1/../2"]}], "projects.0.take.0.sop_class.0", "UID"),
    ("projects.0.take", [{"sop_class": [f"1.{'2' * 63}"]}], "projects.0.take.0.sop_class.0", "64"),
    ("projects.0.take", [{"modality": ["ct"]}], "projects.0.take.0.modality.0", "capitals"),
    ("projects.0.deid.mode", "anonymise", "projects.0.deid.mode", "not in this version"),
    ("projects.0.deid.options.+", "retain_uids", "projects.0.deid.options.1", "UIDs never cross"),
    (
        "projects.0.deid.options.+",
        "clean_pixel_data",
        "projects.0.deid.options.1",
        "not in this version",
    ),
    ("projects.0.deid.overrides", [], "projects.0.deid.overrides", "not in this version"),
    ("device.hostname", "a.b", "device.hostname", "no dot"),
    ("device.board", "pi6", "device.board", "did you mean pi5?"),
    ("device.timezone", "Paris!", "device.timezone", "Europe/Paris"),
    ("device.ssh", {"authorized_keys": ["x"]}, "device.ssh.authorized_keys.0", "public key"),
    ("device.network", {"method": "static"}, "device.network.address", "is missing"),
    ("device.network", {"dns": ["10.0.0.0/8"]}, "device.network.dns.0", "one IP address"),
    ("device.network", {"address": "10.0.0.9"}, "device.network.address", "prefix"),
    ("device.ca", ["text"], "device.ca.0", "PEM"),
    ("notifications.email", {"host": "h.example"}, "notifications.email.sender", "is missing"),
    ("notifications.webhooks.0.url", "x", "notifications.webhooks.0.url", "https://"),
]


@pytest.mark.parametrize(("path", "value", "where", "part"), FIELD_MISTAKES)
def test_a_wrong_field_is_named_with_its_remedy(demo, path, value, where, part):
    put(demo, path, value)
    found = problems(demo)
    assert where in found
    assert part in found[where]


def test_every_sentence_is_ours_and_not_the_library_s(demo):
    for path, value, _, _ in FIELD_MISTAKES:
        copy = json.loads(json.dumps(demo))
        put(copy, path, value)
        for what in problems(copy).values():
            assert "Input should" not in what
            assert "Value error" not in what


BETWEEN_FIELDS = [
    ([("clinic.peers.+", PEER | {"name": "pacs"})], "clinic.peers.2.name", "is taken by"),
    (
        [("clinic.peers.+", PEER | {"ae_title": "DEMO_PACS", "host": "127.0.0.0/8"})],
        "clinic.peers.2.ae_title",
        "nobody could tell",
    ),
    ([("projects.0.partners", ["lib"])], "projects.0.partners.0", "no partner is called `lib`"),
    ([("projects.0.partners", [])], "projects.0.partners", "needs a partner"),
    ([("projects.0.partners", ["lab", "lab"])], "projects.0.partners.1", "stands twice"),
    ([("projects.0.results.send_to", "pax")], "projects.0.results.send_to", "no peer is called"),
    (
        [("projects.0.results.send_to", "modality")],
        "projects.0.results.send_to",
        "does not take results",
    ),
    (
        [("partners.0.results", {"kind": "none"})],
        "projects.0.results.send_to",
        "none of the project's partners returns results",
    ),
    ([("projects.0.route.calling_ae", ["NOBODY"])], "projects.0.route.calling_ae.0", "no peer"),
    ([("projects.0.source", "registry")], "projects.0.source", "no project is a registry"),
    (
        [("projects.0.deid.options", ["retain_modified_dates", "retain_full_dates"])],
        "projects.0.deid.options",
        "retain_modified_dates and retain_full_dates exclude each other",
    ),
    ([("projects.0.deid.options", [])], "projects.0.deid.dates.policy", "retain_modified_dates"),
    (
        [("projects.0.deid.dates", {"policy": "keep"})],
        "projects.0.deid.dates.policy",
        "retain_full_dates",
    ),
    ([("projects.0.deid.dates", {})], "projects.0.deid.options", "policy: shift"),
    (
        [("projects.0.deid.dates", {"policy": "shift", "min_days": 9, "max_days": 8})],
        "projects.0.deid.dates.min_days",
        "greater than max_days (8)",
    ),
    ([("clinic.peers.1.port", None)], "clinic.peers.1.port", "we call this peer"),
    ([("clinic.peers.1.host", "10.0.0.0/24")], "clinic.peers.1.host", "cannot be called"),
    ([("clinic.peers.1.may", ["results"])], "clinic.peers.1.proof", "add query"),
    ([("projects", [])], "projects", "at least one project"),
    (
        [
            (
                "notifications.email",
                {"host": "h.example", "sender": "a@b.example", "to": [], "user": "u"},
            )
        ],
        "notifications.email.secret",
        "go together",
    ),
]


@pytest.mark.parametrize(("changes", "where", "part"), BETWEEN_FIELDS)
def test_what_does_not_fit_together_is_named(demo, changes, where, part):
    for path, value in changes:
        put(demo, path, value)
    found = problems(demo)
    assert where in found
    assert part in found[where]


def test_codes_that_differ_in_case_alone_are_one_code(demo):
    put(demo, "projects.+", demo["projects"][0] | {"code": "dem"})
    assert "is taken by projects.0.code" in problems(demo)["projects.1.code"]


def test_two_projects_may_share_a_called_ae_title(demo):
    put(demo, "projects.+", demo["projects"][0] | {"code": "TWO"})
    assert problems(demo) == {}


def test_a_registry_needs_no_partner(demo):
    put(demo, "projects.0.kind", "registry")
    put(demo, "projects.0.partners", [])
    put(demo, "projects.0.results", {})
    assert problems(demo) == {}


def test_all_mistakes_are_told_together_in_the_order_of_the_file(demo_text):
    text = (
        demo_text.replace("port: 11112", "port: 0")
        .replace("partners: [lab]", "partners: [lib]")
        .replace("code: DEMO", "code: x")
        .replace("kind: stow-rs", "kind: stow")
    )
    with pytest.raises(ProfileError) as raised:
        parse(text)
    assert [each.where for each in raised.value.problems] == [
        "site.code",
        "clinic.listen.port",
        "partners.0.send.kind",
        "projects.0.partners.0",
    ]


def test_missing_sections_make_one_sentence():
    found = problems({"schema": "research-pacs/profile/1"})
    assert list(found) == ["site"]
    assert "no site and no clinic and no projects" in found["site"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("partners.0.send.auth.secret", "Tr0ub4dor&3 horse"),
        ("partners.0.send.auth.secret", 8814275390),
        ("partners.0.send.auth.password", "hunter2"),
        ("partners.0.send.auth.token", {"value": "hunter2"}),
        ("partners.0.send.apiKey", "hunter2"),
        ("notifications.webhooks.0.secret", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
        ("people.dpo.mot_de_passe", "hunter2"),
        ("projects.0.dossier.security", {"admin_password": "hunter2"}),
        ("device.proxy", "http://joe:hunter2@proxy.example:3128"),
        ("site.name", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----"),
        ("device.ssh", {"authorized_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2"]}),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(demo, path, value):
    put(demo, path, value)
    found = problems(demo)
    assert any(where.startswith(path) for where in found)
    for part in ("hunter2", "Tr0ub4dor", "8814275390", "C2FVsBQI"):
        assert part not in str(found)


@pytest.mark.parametrize(
    "value", ["eyJhbGciOiJIUzI1NiJ9.e30.abc", "kJ8sQ2mW9xL4pR7tZ1vB", "190017512345678"]
)
def test_a_value_that_may_be_a_secret_or_a_person_s_number_is_not_repeated(demo, value):
    put(demo, "site.code", value)
    found = problems(demo)
    assert "not repeated" in found["site.code"]
    assert value not in str(found)
