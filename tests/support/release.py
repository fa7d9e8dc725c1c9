"""Carry out the release workflow's build job up to the upload, and look at what it made.

    python tests/support/release.py

`nox -s release` runs it. The steps are read from `.github/workflows/release.yml` and run in a fresh
clone of the last commit, in an environment of its own, as if this version had been tagged. What
only the host can do (attest, upload, publish) is checked to stand in the workflow.
"""

import email
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
NAME = "respondio_async"


def jobs() -> dict[str, Any]:
    """The jobs of the workflow."""
    text = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    read: dict[str, Any] = yaml.safe_load(text)["jobs"]
    return read


def check_workflow(build: dict[str, Any], publish: dict[str, Any]) -> None:
    """What an index and a security team look for: provenance, a bill of materials, no secret."""
    used = [step["uses"].partition("@")[0] for step in build["steps"] if "uses" in step]
    assert {"actions/attest-build-provenance", "actions/attest-sbom"} <= set(used), used
    assert used[-1] == "actions/upload-artifact", "what is attested is what is uploaded"
    assert build["permissions"]["attestations"] == build["permissions"]["id-token"] == "write"
    assert publish["needs"] == "build"
    assert publish["environment"]
    assert publish["permissions"]["id-token"] == "write"
    (upload,) = (step for step in publish["steps"] if "pypi-publish" in step.get("uses", ""))
    assert "password" not in upload.get("with", {}), "trusted publishing needs no password"


def run_steps(steps: list[dict[str, Any]], tree: Path, environment: Path, version: str) -> None:
    """Run the commands, in their order."""
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    given = {**os.environ, "PATH": path, "GITHUB_REF_NAME": f"v{version}"}
    for step in steps:
        if "run" in step:
            print(f"+ {step['run'].strip()}", flush=True)
            subprocess.run(
                ["bash", "-euo", "pipefail", "-c", step["run"]], cwd=tree, env=given, check=True
            )


def check_wheel(file: Path, version: str) -> list[str]:
    """The package and nothing else; the distributions that its metadata asks for are returned."""
    with zipfile.ZipFile(file) as wheel:
        names = wheel.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        (scripts,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
        read = email.message_from_bytes(wheel.read(metadata))
        assert "respondio = respondio_async.cli:main" in wheel.read(scripts).decode()
    about = metadata.partition("/")[0]
    assert {name.partition("/")[0] for name in names} == {NAME, about}
    assert f"{NAME}/py.typed" in names
    assert f"{about}/licenses/LICENSE" in names
    assert read["Version"] == version
    text = read.get_payload()
    assert isinstance(text, str)
    lost = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("http")]
    assert not lost, f"links that lead nowhere on the index: {lost}"
    asked = [each for each in read.get_all("Requires-Dist", []) if "sys_platform" not in each]
    return [re.split(r"[^\w.-]", each)[0] for each in asked]


def check_sdist(file: Path) -> None:
    """What a packager needs to build and test, and nothing that was made on the way."""
    with tarfile.open(file) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    for needed in ("pyproject.toml", "LICENSE", "CHANGELOG.md", "noxfile.py", "tests/conftest.py"):
        assert needed in names, needed
    made = (".venv", ".nox", ".git/", "dist", "site/", "docs/reference", "sbom", "__pycache__")
    assert not [name for name in names if any(part in name for part in made)]


def check_sbom(file: Path, version: str, required: list[str]) -> int:
    """It names this version and everything that an installation with every extra brings."""
    bom = json.loads(file.read_text(encoding="utf-8"))
    assert bom["bomFormat"] == "CycloneDX"
    about = bom["metadata"]["component"]
    assert (about["name"], about["version"]) == ("respondio-async", version)
    listed = {each["name"].lower().replace("_", "-") for each in bom["components"]}
    assert {each.lower() for each in required} <= listed
    assert all(each["version"] and each["purl"] for each in bom["components"])
    assert str(Path.home()) not in file.read_text(encoding="utf-8"), "nobody's folders"
    return len(listed)


def main() -> None:
    read = jobs()
    build, publish = read["build"], read["publish"]
    check_workflow(build, publish)
    version = (ROOT / NAME / "_version.py").read_text(encoding="utf-8").split('"')[-2]
    with tempfile.TemporaryDirectory() as away:
        tree, environment = Path(away, "tree"), Path(away, "environment")
        subprocess.run(["git", "clone", "-q", ROOT, tree], check=True)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        run_steps(build["steps"], tree, environment, version)
        (wheel,) = (tree / "dist").glob("*.whl")
        (sdist,) = (tree / "dist").glob("*.tar.gz")
        required = check_wheel(wheel, version)
        check_sdist(sdist)
        components = check_sbom(tree / "sbom.cdx.json", version, required)
        for file in (wheel, sdist):
            print(f"{file.name}: {file.stat().st_size / 1024:.0f} KiB, as it should be")
        print(f"sbom.cdx.json: {components} components, as it should be")


if __name__ == "__main__":
    main()
