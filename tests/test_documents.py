"""What the documents promise is there, and what is there is in the documents."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.main import get_command

from api.app import openapi_document
from api.problems import kinds
from factorloom.cli import commands
from orchestration.sources.protocols import capabilities
from orchestration.sources.registry import SOURCES, OfVendor
from warehouse.settings import INTERNAL, SECRETS, VENDOR_VARIABLE, Settings, read_settings, variables

ROOT = Path(__file__).resolve().parents[1]
# Put together here, so that this file does not hold them either.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("conda", "anaconda", "org"),
    ]
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
SETTING = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)


def files_of_the_project() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def documents() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text() for path in files_of_the_project() if path.suffix == ".md"}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))


def command_names(*, with_hidden: bool = False) -> set[str]:
    """Commands as they are typed, `refresh`, `db upgrade`; hidden are those that containers and `make` call."""
    names = set()
    for name, command in get_command(commands).commands.items():
        below = getattr(command, "commands", None) or {"": command}
        names |= {f"{name} {inner}".strip() for inner, one in below.items() if with_hidden or not one.hidden}
    return names


def written_defaults() -> dict[str, str]:
    """Each variable of .env.example with the value that stands there."""
    return dict(SETTING.findall((ROOT / ".env.example").read_text()))


def is_of_a_vendor(variable: str) -> bool:
    return VENDOR_VARIABLE.fullmatch(variable) is not None and variable not in variables()


def locked(name: str) -> dict[str, str]:
    """Versions of a lock file by package."""
    return {canonicalize_name(package): version for package, version in LOCKED.findall((ROOT / name).read_text())}


def lines_of_lock(name: str) -> list[str]:
    """Requirements of a lock file, each with its hashes, which go on over several lines."""
    lines = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    return [line for line in lines if line and not line.lstrip().startswith("#")]


def declared() -> dict[str, list[Requirement]]:
    """Requirements of pyproject.toml by lock file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    runtime = [*project["dependencies"], *extras["build"]]
    return {
        "requirements.lock": [Requirement(text) for text in runtime],
        "requirements-dev.lock": [Requirement(text) for text in [*runtime, *extras["dev"]]],
    }


def test_every_make_target_is_in_the_readme_and_in_make_help():
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in make_targets():
        assert f"`make {target}`" in readme, target
        assert re.search(rf"^{target}:.* ## \S", makefile, re.MULTILINE), target


def test_every_make_target_is_declared_phony():
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(phony[1].split()) == make_targets()


def test_documents_name_only_make_targets_that_are_there():
    for name, text in documents().items():
        named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE))
        assert named <= make_targets(), name


def test_every_command_is_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    assert [name for name in sorted(command_names()) if f"`factorloom {name}`" not in readme] == []


def test_documents_name_only_commands_that_are_there():
    known = command_names(with_hidden=True)
    groups = {name.split()[0] for name in known if " " in name}
    for name, text in documents().items():
        for first, second in re.findall(r"(?:^|[`/])factorloom ([a-z-]+)(?: ([a-z]+))?", text, re.MULTILINE):
            typed = f"{first} {second}" if first in groups and second else first
            assert typed in known | groups, f"{name}: factorloom {typed}"


def test_every_kind_of_problem_stands_beside_its_status_in_the_pages_of_the_api():
    table = (ROOT / "docs" / "api.md").read_text().split("## Problems")[1].split("## Headers")[0]
    listed = {
        (int(status), code)
        for status, codes in re.findall(r"^\| (\d{3}) \| (.+) \|$", table, re.MULTILINE)
        for code in re.findall(r"`([a-z-]+)`", codes)
    }
    assert {(kind.status, kind.code) for kind in kinds()} <= listed
    # A problem that Litestar raises has the status that comes with it.
    assert {code for _, code in listed} == {kind.code for kind in kinds()}


def test_every_address_of_the_api_stands_in_its_pages_and_no_other():
    def plain(path: str) -> str:
        return re.sub(r"\{\w+\}", "{}", path)

    there = {plain(path) for path in openapi_document()["paths"]} - {"/"}
    text = (ROOT / "docs" / "api.md").read_text()
    told = {plain(path) for path in re.findall(r"(/[a-z.][a-z0-9_./{}-]*[a-z0-9}])", text)}
    assert there <= told, there - told
    table = text.split("| address | answers |")[1].split("\n\n")[0]
    named = {plain(path) for path in re.findall(r"`(?:[A-Z]+ )?(/[^`?]+)`", table)} - {"/v1/auth/…"}
    assert named <= there, named - there


def test_env_example_lists_every_setting_once_and_nothing_else():
    listed = [name for name, _ in SETTING.findall((ROOT / ".env.example").read_text())]
    assert sorted(name for name in listed if not is_of_a_vendor(name)) == sorted(variables())
    assert len(listed) == len(set(listed))


def test_env_example_lists_the_vendors_that_are_there():
    listed = {VENDOR_VARIABLE.match(name)[1].lower() for name in written_defaults() if is_of_a_vendor(name)}
    assert listed == set(SOURCES) - {"simulated", "files"}


def test_env_example_shows_the_defaults(tmp_path: Path):
    ours = {name: value for name, value in written_defaults().items() if not is_of_a_vendor(name)}
    assert read_settings(ours, folder=tmp_path) == Settings()
    # An empty value is none given, so a default that says something has to stand there.
    for variable, field in variables().items():
        assert bool(ours[variable]) == (Settings.model_fields[field].default not in (None, ())), variable


def test_env_example_says_of_each_variable_what_it_does():
    lines = (ROOT / ".env.example").read_text().splitlines()
    for number, line in enumerate(lines):
        if SETTING.match(line):
            assert re.match(r"# \S", lines[number - 1]) or SETTING.match(lines[number - 1]), line


def test_documents_and_services_name_only_variables_that_are_settings():
    known = {*variables(), *(f"{name}_FILE" for name in SECRETS)}
    texts = documents() | {
        name: (ROOT / name).read_text() for name in ("Makefile", "Dockerfile", "docker-compose.yml", ".ci/run")
    }
    for name, text in texts.items():
        named = set(re.findall(r"\b(?:FACTORLOOM|DATABASE|DAGSTER_DATABASE)_[A-Z][A-Z_]*[A-Z]\b", text))
        unknown = {one for one in named - known if not one.startswith(INTERNAL) and not VENDOR_VARIABLE.match(one)}
        assert unknown == set(), name


def test_every_relative_link_leads_to_a_file():
    for name, text in documents().items():
        for target in LINK.findall(without_blocks(text)):
            path, _, anchor = target.partition("#")
            if "://" in path or path.startswith("mailto:"):
                continue
            led_to = (ROOT / name).parent / path if path else ROOT / name
            assert led_to.exists(), f"{name}: {target}"
            if anchor:
                assert anchor in anchors(led_to.read_text()), f"{name}: {target}"


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """Anchors of the headings of a document, as they are made from their words."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text()
    pages = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md"]
    assert [name for name in pages if f"({name})" not in index] == []


def test_no_two_decisions_share_a_number():
    numbers = [path.name[:4] for path in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    assert numbers == sorted(set(numbers))
    assert all(number.isdigit() for number in numbers)


def test_what_contributing_wants_touched_is_there():
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("| To add … | touch |")[2].partition("\n\n")[0]
    paths = [path for path in re.findall(r"`([\w./]+/[\w./]+)`", table) if not re.search(r"\b(fct_|test_)?x\.|…", path)]
    assert len(paths) > 8
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_no_file_names_a_package_registry():
    for path in files_of_the_project():
        content = path.read_bytes().lower()
        assert [host for host in REGISTRY_HOSTS if host.encode() in content] == [], path


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_the_lock_holds_every_requirement_at_a_version_that_it_allows(name: str):
    versions = locked(name)
    for requirement in declared()[name]:
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, requirement
        assert requirement.specifier.contains(version), f"{requirement} but {version}"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_the_lock_has_hashes_and_no_addresses(name: str):
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text
    assert {line for line in lines_of_lock(name) if "--hash=sha256:" not in line} == set()
    assert {canonicalize_name(re.split(r"[\[=]", line)[0]) for line in lines_of_lock(name)} == set(locked(name))


def test_both_locks_agree():
    runtime, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: dev.get(name) for name in runtime} == runtime


def test_hooks_call_what_make_check_calls():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    called = {Path(hook["entry"].split()[0]).name for hook in hooks}
    checked = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    tools = set(re.findall(r"\$\(BIN\)/([a-z-]+)", checked[1])) - {"python"}
    assert called == tools


def test_the_table_of_vendors_says_what_each_can_do():
    kinds = {name: maker.kind for name, maker in SOURCES.items() if isinstance(maker, OfVendor)}
    able = {name: capabilities(kind) for name, kind in kinds.items()}
    lines = ["| | " + " | ".join(able) + " |", "|--|" + ":-:|" * len(able)]
    for capability in sorted(frozenset().union(*able.values())):
        marks = " | ".join("•" if capability in has else "" for has in able.values())
        lines.append(f"| `{capability}` | {marks} |")
    assert "\n".join(lines) in (ROOT / "docs/vendors.md").read_text()
