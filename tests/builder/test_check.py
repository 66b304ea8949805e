"""Law: `research-pacs check` tells every mistake at once and leaves with 0, 2 or 4; never a
traceback, never a secret.
"""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.profile import digest, parse
from builder.__main__ import main

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*arguments):
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "profile.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture(scope="module")
def demo_text():
    return (EXAMPLES / "demo.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["demo", "hospital"])
def test_the_examples_pass(name):
    path = EXAMPLES / f"{name}.yaml"
    result = run(path)
    assert result.exit_code == 0
    assert digest(parse(path.read_text(encoding="utf-8"))) in result.stdout
    assert result.stderr == ""


def test_json_is_one_object(demo_text, written):
    path = written(demo_text)
    fine = json.loads(run(path, "--json").stdout)
    assert fine == {"profile": str(path), "digest": digest(parse(demo_text)), "problems": []}
    result = run(written(demo_text.replace("port: 11112", "port: 0")), "--json")
    assert result.exit_code == 4
    assert result.stderr == ""
    assert json.loads(result.stdout) == {
        "profile": str(path),
        "digest": None,
        "problems": [{"where": "clinic.listen.port", "what": "`0`: from 1 to 65535"}],
    }


def test_mistakes_of_profile_and_dossier_come_together_with_their_lines(demo_text, written):
    spoilt = demo_text.replace("code: DEMO", "code: x").replace("test_phantom", "phantom")
    result = run(written(spoilt))
    assert result.exit_code == 4
    lines = result.stdout.splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "site.code",
        "projects.0.dossier.dossier.profile",
    ]
    assert all(".yaml:" in line for line in lines)
    assert "2 to mend" in result.stderr


def test_a_partner_in_clear_is_refused_by_its_rule(written):
    text = (EXAMPLES / "hospital.yaml").read_text(encoding="utf-8")
    result = run(written(text.replace("https://stow.core-lab", "http://stow.core-lab")))
    assert result.exit_code == 4
    assert "partners.1.send.url: dossier/R06" in result.stdout


def test_a_secret_is_refused_once_and_not_repeated(demo_text, written):
    result = run(written(demo_text.replace("secret: lab-token", "secret: Correct-Horse-9")))
    assert result.exit_code == 4
    assert "Correct-Horse" not in result.output
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "empty"),
        ("schema: [", "only in part"),
        ("a: b: c\n", "line 1, column 5"),
        ("- a\n", "not a profile"),
    ],
)
def test_what_is_no_profile_gives_one_sentence(written, text, part):
    result = run(written(text))
    assert result.exit_code == 4
    assert len(result.stdout.splitlines()) == 1
    assert part in result.stdout


@pytest.mark.parametrize("make", ["missing", "folder", "binary"])
def test_a_file_that_cannot_be_read_is_a_mistake_of_usage(tmp_path, written, make):
    path = {
        "missing": tmp_path / "none.yaml",
        "folder": tmp_path,
        "binary": written(b"\xff\xfe\x00"),
    }[make]
    result = run(path)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert str(path) in result.stderr


def test_a_byte_order_mark_does_no_harm(demo_text, written):
    assert run(written(b"\xef\xbb\xbf" + demo_text.encode())).exit_code == 0
