"""What the tests of the project share: where things are."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MUSTER_BUILD", ROOT / "build/release"))
MUSTER = Path(os.environ.get("MUSTER", BUILD / "bin/muster"))
PYTHON = "/usr/bin/python3"
sys.path.insert(0, str(ROOT / "scripts"))

# Not of the tree: builds, results of this machine, caches.
LEFT_OUT = {".git", "build", "local", "__pycache__", ".cache", ".vscode", ".idea"}


def files(*suffixes):
    """Every file of the tree with one of the suffixes, or every one."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
        for name in sorted(names):
            if not suffixes or name.endswith(suffixes):
                yield Path(folder) / name


def is_release():
    return BUILD == ROOT / "build/release"  # which is the build that the scripts run


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
