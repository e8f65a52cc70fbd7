"""Builds the manifests of cluster/kubernetes in a temporary copy, as kubectl would apply them."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MANIFESTS = ROOT / "cluster" / "kubernetes"


def packages(scratch):
    """Makes the packages of requirements.txt importable, and returns their folder.

    QUINTET_KUBERNETES names where pip put them; without it they are fetched for this run. Exits with 77 where they
    cannot be had.
    """
    given = os.environ.get("QUINTET_KUBERNETES")
    folder = pathlib.Path(given) if given else scratch / "packages"
    if not given:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder)]
        command += ["--requirement", str(HERE / "requirements.txt")]
        if subprocess.run(command, env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}).returncode != 0:
            print("skipped: the packages of requirements.txt cannot be had here", file=sys.stderr)
            sys.exit(77)
    sys.path[:0] = [str(folder)]
    return folder


def copy(scratch):
    """The manifests without any secret, where generators may find made-up ones."""
    folder = scratch / "cluster" / "kubernetes"
    shutil.copytree(MANIFESTS, folder, ignore=shutil.ignore_patterns("secret"))
    return folder


def beside(scratch, name, kustomization):
    """A folder with another kustomization, beside the copy as a person's own would be."""
    folder = scratch / name
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(kustomization)
    return folder


def shown():
    """The kustomization that README.md shows as one's own."""
    blocks = re.findall(r"```yaml\n(.*?)```", (MANIFESTS / "README.md").read_text(), re.DOTALL)
    own = [block for block in blocks if "kind: Kustomization" in block]
    if len(own) != 1:
        sys.exit(f"README.md of cluster/kubernetes has {len(own)} kustomizations; one is expected")
    return own[0]


def build(packages, folder):
    """What kubectl would apply."""
    import yaml

    command = [str(packages / "bin" / "kubectl"), "kustomize", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if result.returncode != 0 or result.stderr:
        sys.exit(f"kubectl kustomize {folder.name}: {result.stderr}")
    return [document for document in yaml.safe_load_all(result.stdout) if document]
