"""Law: a dossier that is missing, unknown or half-filled is a mistake with a path; health data never
leave in clear (rule R06) but on this machine or from phantoms.
"""

import json
from datetime import date

import pytest

from appliance.dossier import expired, problems, read
from appliance.errors import ProfileError

PHANTOM = {"dossier": {"profile": "test_phantom"}}
MR001 = {
    "dossier": {"profile": "fr_mr001", "mr_edition": "2026", "expires_on": "2028-06-30"},
    "retention": {"link_table_until": "2029-12-31"},
    "feedback": {"enabled": True, "reidentify": True, "object_types": ["SEG", "SR"]},
}


def mistakes(mapping):
    with pytest.raises(ProfileError) as raised:
        read(mapping, "projects.0.dossier")
    return {each.where: each.what for each in raised.value.problems}


def tree(dossier, url="https://lab.example", send_to=None, webhook="https://hook.example"):
    return {
        "partners": [{"name": "lab", "send": {"kind": "stow-rs", "url": url}}],
        "projects": [
            {"code": "AB", "partners": ["lab"], "results": {"send_to": send_to}, "dossier": dossier}
        ],
        "notifications": {"webhooks": [{"name": "a", "url": webhook, "secret": "s"}]},
    }


def found(*arguments, **options):
    return {each.where: each.what for each in problems(tree(*arguments, **options))}


def test_what_the_walk_asks_is_read():
    dossier = read(MR001)
    assert dossier.profile == "fr_mr001"
    assert dossier.expires_on == date(2028, 6, 30)
    assert dossier.link_table_until == date(2029, 12, 31)
    assert dossier.feedback_enabled
    assert dossier.feedback.object_types == ("SEG", "SR")


def test_a_date_object_is_as_good_as_its_text():
    assert read({"dossier": {"profile": "uk_gdpr", "expires_on": date(2028, 6, 30)}}).expires_on


def test_the_last_day_is_the_day_before():
    dossier = read(MR001)
    assert not expired(dossier, date(2028, 6, 29))
    assert expired(dossier, date(2028, 6, 30))
    assert not expired(read(PHANTOM), date(2999, 1, 1))


def test_a_real_project_needs_its_end():
    assert (
        "is missing"
        in mistakes({"dossier": {"profile": "fr_mr004"}})["projects.0.dossier.dossier.expires_on"]
    )


@pytest.mark.parametrize(
    ("dossier", "where", "part"),
    [
        ({}, "dossier", "is missing"),
        ({"dossier": {}}, "dossier.profile", "is missing"),
        ({"dossier": {"profile": "fr_mr01"}}, "dossier.profile", "did you mean fr_mr001?"),
        ({"dossier": {"profle": "uk_gdpr"}}, "dossier.profle", "`profile`?"),
        ({"dossier": {"expires_on": "30/06/2028"}}, "dossier.expires_on", "YYYY-MM-DD"),
        ({"dossier": {"expires_on": 2028}}, "dossier.expires_on", "YYYY-MM-DD"),
        ({"dossier": {"expires_on": "2028-06-30T12:00:00"}}, "dossier.expires_on", "YYYY-MM-DD"),
        ({"dossier": {"mr_edition": 2026}}, "dossier.mr_edition", "choose one of 2018, 2026"),
        ({"dossier": "x"}, "dossier", "a section is expected"),
        (PHANTOM | {"retention": {"log_months": 5}}, "retention.log_months", "from 6 to 36 months"),
        (PHANTOM | {"feedback": {"enabled": "yes"}}, "feedback.enabled", "true or false"),
        (PHANTOM | {"feedback": {"research_label": "x"}}, "feedback.research_label", "RECHERCHE"),
        (PHANTOM | {"retenton": {}}, "retenton", "did you mean `retention`?"),
        (PHANTOM | {"team": []}, "team", "people.team"),
    ],
)
def test_a_mistake_is_named_with_its_path(dossier, where, part):
    said = mistakes(dossier)
    assert part in said[f"projects.0.dossier.{where}"]


def test_a_project_without_dossier_is_a_mistake():
    assert "is missing" in found({})["projects.0.dossier"]


def test_a_sound_project_has_no_mistake():
    assert found(MR001, send_to="pacs") == {}


def test_results_come_home_only_if_the_dossier_provides_for_it():
    said = found(MR001 | {"feedback": {"enabled": True}}, send_to="pacs")
    assert list(said) == ["projects.0.dossier.feedback.reidentify"]
    assert len(found(MR001 | {"feedback": {}}, send_to="pacs")) == 2


@pytest.mark.parametrize(
    "url",
    ["http://lab.example/rs", "HTTP://lab.example", "http://10.0.0.5", "http://127.1.example"],
)
def test_health_data_never_leave_in_clear(url):
    assert found(MR001, url)["partners.0.send.url"].startswith("dossier/R06")
    assert found(MR001, webhook=url)["notifications.webhooks.0.url"].startswith("dossier/R06")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8042/rs", "http://[::1]:8042", "http://localhost", "https://a.example"],
)
def test_on_this_machine_or_encrypted_they_may(url):
    assert found(MR001, url, webhook=url) == {}


def test_phantoms_may_travel_in_clear():
    assert found(PHANTOM, "http://lab.example", webhook="http://hook.example") == {}


def test_one_real_project_forbids_the_clear_line_to_all():
    both = tree(PHANTOM, "http://lab.example")
    both["projects"].append({"code": "CD", "partners": ["lab"], "dossier": MR001})
    assert [each.where for each in problems(both)] == ["partners.0.send.url"]


@pytest.mark.parametrize(
    "spoilt", [None, [], "x", 5, {"projects": [1, None, "x"]}, {"partners": {}}]
)
def test_a_spoilt_tree_does_not_make_the_rules_fall(spoilt):
    assert isinstance(problems(json.loads(json.dumps(spoilt))), tuple)
