"""What poetry.lock locks: as requirements with hashes (`make audit` asks for their vulnerabilities), or as an SBOM.

    python deploy/locked.py requirements > requirements.txt
    python deploy/locked.py sbom > sbom.json

The requirements are all that are locked, those of development too; the SBOM (CycloneDX 1.6, JSON) lists what an
installation may contain: `required` is what every one has, `optional` what belongs to an extra or to one platform.
"""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
Package = dict[str, Any]


def packages() -> list[Package]:
    """As they stand in poetry.lock."""
    locked: list[Package] = tomllib.loads((ROOT / "poetry.lock").read_text(encoding="utf-8"))["package"]
    return locked


def requirements() -> str:
    """In the form that pip reads: one version each, and the hash of each of its files."""
    lines = []
    for package in packages():
        hashes = sorted({file["hash"] for file in package["files"]})
        lines.append(
            " \\\n".join([f"{package['name']}=={package['version']}", *(f"    --hash={one}" for one in hashes)])
        )
    return "\n".join(lines) + "\n"


def sbom() -> str:
    """Without a time in it: the same lock makes the same bytes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": project["name"], "version": project["version"]}},
        "components": [_component(package) for package in packages() if "main" in package["groups"]],
    }
    return json.dumps(document, indent=2) + "\n"


def _component(package: Package) -> dict[str, object]:
    name, version = package["name"], package["version"]
    return {
        "type": "library",
        "bom-ref": f"{name}@{version}",
        "name": name,
        "version": version,
        "description": package["description"],
        "purl": f"pkg:pypi/{name}@{version}",
        "scope": "optional" if package["optional"] or "markers" in package else "required",
    }


if __name__ == "__main__":
    sys.stdout.write({"requirements": requirements, "sbom": sbom}[sys.argv[1]]())
