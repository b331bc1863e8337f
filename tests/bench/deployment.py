"""The functions as they are deployed, made without SAM: the layers' packages and nothing else, pruned and compiled.

`sam build` would do the same in minutes and with the network; here the packages come from the environment the bench
runs in, which is made from the same lock.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import build

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "layers" / "deps" / "requirements.txt"
FUNCTIONS = tuple(sorted(folder.parent.name for folder in (ROOT / "functions").glob("*/app.py")))
_PINNED = re.compile(r"([A-Za-z0-9._-]+)==")


@dataclass(frozen=True, slots=True)
class Deployment:
    """A folder for each layer and each function below ``root``; ``weights`` are the bytes of each by folder name."""

    root: Path
    weights: dict[str, int]

    def paths(self, function: str) -> list[str]:
        """What is on the module path of a function, its own folder first."""
        return [str(self.root / function), *(str(self.root / layer / "python") for layer in ("core", "deps"))]

    def weight(self, function: str) -> int:
        """Bytes of a function with its layers, unzipped."""
        return sum(self.weights[folder] for folder in (function, "core", "deps"))


def deploy(root: Path) -> Deployment:
    """Fill ``root``, an empty folder. Takes some seconds."""
    for name in _locked():
        _copy_package(name, root / "deps" / "python")
    clean = shutil.ignore_patterns("__pycache__", ".*_cache", "requirements.txt")
    shutil.copytree(ROOT / "layers" / "core", root / "core" / "python", ignore=clean)
    for function in FUNCTIONS:
        shutil.copytree(ROOT / "functions" / function, root / function, ignore=clean)
    return Deployment(root, build.finish(root))


def _locked() -> list[str]:
    """Names of the packages the lock installs here; one with a marker for other systems is not in this environment."""
    names = [match[1] for line in LOCK.read_text().splitlines() if (match := _PINNED.match(line))]
    present = {distribution.name.lower().replace("_", "-") for distribution in importlib.metadata.distributions()}
    return [name for name in names if name.lower().replace("_", "-") in present]


def _copy_package(name: str, into: Path) -> None:
    for file in importlib.metadata.files(name) or ():
        if ".." in file.parts or "__pycache__" in file.parts or _of_other_service(file.parts):
            continue
        target = into / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.locate(), target)


def _of_other_service(parts: tuple[str, ...]) -> bool:
    """Whether the build would only remove it again."""
    return len(parts) > 3 and parts[:2] == ("botocore", "data") and parts[2] not in build.SERVICES
