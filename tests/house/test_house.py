"""The house keeps its own rules: sizes, names, nothing left for later, nothing undocumented."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from docs_tables import commands, settings

import appliance
from appliance.errors import CODES

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("appliance", "builder", "form")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OURS = [path for name in (*PACKAGES, "scripts", "bench") for path in (ROOT / name).rglob("*.py")]
SOURCES = OURS + list((ROOT / "tests").rglob("*.py"))
DOCS = "\n".join(path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
VAGUE_MODULES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "base",
    "misc",
    "manager",
    "handler",
}
VAGUE_CLASS = re.compile(r"(Manager|Handler|Helper|Utils?|Processor)$")
LEFT_FOR_LATER = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b|noqa: BL" + "E")


def _nodes(kinds: tuple[type[ast.AST], ...]) -> Iterator[tuple[Path, ast.AST]]:
    for path in OURS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, kinds):
                yield path.relative_to(ROOT), node


def test_no_file_is_longer_than_four_hundred_lines():
    assert [p for p in SOURCES if len(p.read_text().splitlines()) > 400] == []


def test_no_function_is_longer_than_sixty_lines():
    long = []
    for path, node in _nodes((ast.FunctionDef, ast.AsyncFunctionDef)):
        said = node.body[0].end_lineno - node.lineno if ast.get_docstring(node) else 0
        if node.end_lineno - node.lineno + 1 - said > 60:
            long.append(f"{path}: {node.name}")
    assert long == []


def test_every_name_says_what_the_thing_is():
    assert [path for path in SOURCES if path.stem in VAGUE_MODULES] == []
    classes = [f"{path}: {node.name}" for path, node in _nodes((ast.ClassDef,))]
    assert [name for name in classes if VAGUE_CLASS.search(name)] == []


def test_nothing_is_left_for_later_and_nothing_caught_blindly():
    # CONTRIBUTING.md names what it forbids.
    texts = [*SOURCES, ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("scripts/*")]
    assert [
        path for path in texts if path.is_file() and LEFT_FOR_LATER.search(path.read_text())
    ] == []


def test_the_locks_name_no_address():
    locks = list(ROOT.glob("requirements/*.txt"))
    assert len(locks) == 3
    assert [lock for lock in locks if "://" in lock.read_text()] == []


def _pins(place: str) -> dict[str, str]:
    lock = (ROOT / "requirements" / f"{place}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))


def test_every_lock_pins_what_the_project_declares():
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    device = {*project["dependencies"], *project["optional-dependencies"]["device"]}
    build = {*device, *groups["build"]}
    test = {*build, *(text for text in groups["test"] if isinstance(text, str))}
    for place, wanted in (("device", device), ("workstation", build), ("test", test)):
        names = {re.split(r"[\[<>=]", text)[0] for text in wanted}
        assert names - _pins(place).keys() == set(), place


def test_what_is_tested_is_what_is_installed():
    assert _pins("workstation").items() <= _pins("test").items()
    assert _pins("device").items() <= _pins("test").items()


def test_the_lists_of_packages_are_equal():
    tool = PROJECT["tool"]
    assert tuple(tool["hatch"]["build"]["targets"]["wheel"]["packages"]) == PACKAGES
    assert sorted(tool["importlinter"]["root_packages"]) == sorted(PACKAGES)
    assert tuple(tool["mypy"]["packages"]) == PACKAGES


def test_every_dependency_has_its_reason_in_the_docs():
    groups = PROJECT["dependency-groups"]
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["device"]]
    wanted += [text for group in groups.values() for text in group if isinstance(text, str)]
    why = (ROOT / "docs" / "dependencies.md").read_text()
    names = [re.split(r"[\[<>=]", text)[0] for text in wanted]
    assert [name for name in names if not re.search(rf"^\|.*\b{name}\b", why, re.MULTILINE)] == []


def test_the_changelog_opens_with_this_version():
    top = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert top
    assert top.group(1) == PROJECT["project"]["version"] == appliance.VERSION


def test_every_code_is_in_the_docs():
    assert [code for code in CODES if f"`{code}`" not in DOCS] == []


def test_every_code_that_is_raised_is_in_the_table():
    raised = set()
    for path, call in _nodes((ast.Call,)):
        named = isinstance(call.func, ast.Name) and call.func.id in ("Refusal", "Undecided")
        if named and call.args and isinstance(call.args[0], ast.Constant):
            raised.add((str(path), call.args[0].value))
    assert [(path, code) for path, code in sorted(raised) if code not in CODES] == []


def test_every_setting_is_in_the_docs():
    paths = [setting.path for setting in settings()]
    assert len(paths) > 50
    assert [path for path in paths if f"`{path}`" not in DOCS] == []


@pytest.mark.parametrize("name", ["appliance", "builder"])
def test_every_command_is_in_the_readme_and_helps(name):
    readme = (ROOT / "README.md").read_text()
    for line, command in commands(name):
        assert f"`{line}" in readme
        assert isinstance(command, click.Command)
        assert command.get_short_help_str(), line


def test_the_device_packages_are_all_that_the_device_imports():
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["device"]]
    spelled = {"argon2-cffi": "argon2", "pyyaml": "yaml"}
    names = [re.split(r"[\[<>=]", text)[0] for text in wanted]
    allowed = {spelled.get(name, name).replace("-", "_") for name in names}
    # What Flask and pydantic stand on is theirs to bring.
    allowed |= {
        "annotated_types",
        "pydantic_core",
        "werkzeug",
        "jinja2",
        "wtforms",
        "markupsafe",
        "flask_wtf",
        *PACKAGES,
    }
    imported = set()
    for path, node in _nodes((ast.Import, ast.ImportFrom)):
        if path.parts[0] in PACKAGES and not getattr(node, "level", 0):
            first = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            imported.add((str(path), first.split(".")[0]))
    strange = {(path, name) for path, name in imported if name not in allowed}
    assert [pair for pair in sorted(strange) if pair[1] not in sys.stdlib_module_names] == []


@pytest.mark.timeout(60)  # builds a wheel and imports all of it: about five seconds
def test_the_wheel_holds_every_file_and_each_module_can_be_imported(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    wheel = next(tmp_path.glob("*.whl"))
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info" not in name}
    files = {str(p.relative_to(ROOT)) for name in PACKAGES for p in (ROOT / name).rglob("*.*")}
    assert {name for name in files if "__pycache__" not in name} - inside == set()
    zipfile.ZipFile(wheel).extractall(tmp_path / "in")
    modules = [name[:-3].replace("/", ".") for name in sorted(inside) if name.endswith(".py")]
    text = f"import sys, importlib; sys.path.insert(0, {str(tmp_path / 'in')!r})\n"
    text += f"for name in {modules!r}: importlib.import_module(name.removesuffix('.__init__'))"
    imported = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True
    )
    assert imported.stderr == ""
