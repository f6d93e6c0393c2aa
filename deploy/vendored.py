"""Files of npm packages that ship with Postrider: fetches them anew, so that nobody copies by hand.

    python deploy/vendored.py            compare what is in the tree with vendored.json
    python deploy/vendored.py fetch      take the versions of vendored.json from npm, and note their hashes

Needs npm for `fetch` only; where it takes packages from is its own setting.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
MANIFEST: Final = ROOT / "deploy/vendored.json"
Package = dict[str, Any]


def manifest() -> list[Package]:
    """Each package's name, version and licence, and of each of its files where it is here, there, and its SHA-256."""
    packages: list[Package] = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return packages


def differing() -> list[str]:
    """Files that are not what the packages hold, or not there."""
    return [
        name
        for package in manifest()
        for name, file in package["files"].items()
        if not (ROOT / name).is_file() or _sha256((ROOT / name).read_bytes()) != file["sha256"]
    ]


def fetch() -> None:
    """Write the files of all packages, and their hashes."""
    packages = manifest()
    for package in packages:
        with tempfile.TemporaryDirectory() as folder:
            command = ["npm", "pack", f"{package['name']}@{package['version']}", "--silent"]
            packed = subprocess.run(  # noqa: S603 - its words are those of vendored.json
                command, cwd=folder, check=True, capture_output=True, text=True, timeout=120
            )
            with tarfile.open(Path(folder) / packed.stdout.split()[-1]) as archive:
                for name, file in package["files"].items():
                    member = archive.extractfile(f"package/{file['from']}")
                    assert member is not None, f"{package['name']} has no {file['from']}"
                    content = member.read()
                    (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
                    (ROOT / name).write_bytes(content)
                    file["sha256"] = _sha256(content)
    MANIFEST.write_text(json.dumps(packages, indent=2) + "\n", encoding="utf-8")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    if sys.argv[1:] == ["fetch"]:
        fetch()
    if wrong := differing():
        sys.exit(f"not as in their packages: {', '.join(wrong)}; `python deploy/vendored.py fetch` writes them anew")
