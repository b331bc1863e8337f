"""Finish what ``sam build`` made: drop what no function uses, ship byte-code, and weigh the result.

A function's file system is read-only, so without byte-code every cold start compiles everything again (botocore alone
costs 656 ms instead of 333). Run it by ``python local/build.py [BUILD_FOLDER]`` after every ``sam build``.
"""

from __future__ import annotations

import compileall
import shutil
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".aws-sam" / "build"

SERVICES = frozenset({"dynamodb", "events", "lambda", "s3", "secretsmanager", "sesv2", "sns", "sqs", "ssm", "sts"})
"""AWS services whose descriptions botocore keeps; 400 others weigh 25 MB."""

LIMIT = 60_000_000
"""Bytes that one function may weigh unzipped, with its layers."""


def finish(build: Path) -> dict[str, int]:
    """Prune and compile every layer and function below ``build``; bytes of each by folder name.

    Repeating it changes nothing.
    """
    weights = {}
    for folder in sorted(child for child in build.iterdir() if child.is_dir()):
        layer = (folder / "python").is_dir()
        if layer:
            _prune(folder / "python")
        _compile(folder, "/opt" if layer else "/var/task")
        weights[folder.name] = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return weights


def heaviest(build: Path, weights: dict[str, int]) -> int:
    """Bytes of the heaviest function together with all layers."""
    layers = {name for name in weights if (build / name / "python").is_dir()}
    functions = [weight for name, weight in weights.items() if name not in layers]
    return sum(weights[name] for name in layers) + max(functions, default=0)


def _prune(packages: Path) -> None:
    data = packages / "botocore" / "data"
    if data.is_dir():
        for service in data.iterdir():
            if service.is_dir() and service.name not in SERVICES:
                shutil.rmtree(service)
    # Scripts of packages; nobody calls them in a function.
    shutil.rmtree(packages / "bin", ignore_errors=True)


def _compile(folder: Path, deployed: str) -> None:
    # What an editor or a test left here may be of another Python.
    for stale in folder.rglob("__pycache__"):
        shutil.rmtree(stale)
    compiled = compileall.compile_dir(
        folder,
        maxlevels=20,
        quiet=1,
        stripdir=str(folder),
        prependdir=deployed,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise SystemExit(f"{folder.name} does not compile: see above")


def main() -> None:
    """Finish the build folder named on the command line, or the one of ``sam build``."""
    build = Path(sys.argv[1]) if len(sys.argv) > 1 else BUILD
    if sys.version_info[:2] != (3, 13):
        raise SystemExit("byte-code must be of the functions' Python: run this with Python 3.13, as `make build` does")
    if not build.is_dir():
        raise SystemExit(f"{build} is not there: run `sam build` first, or `make build`, which does both")
    weights = finish(build)
    weight = heaviest(build, weights)
    print(f"Built {len(weights)} folders; the heaviest function weighs {weight / 1e6:.1f} MB with its layers.")
    if weight > LIMIT:
        raise SystemExit(f"That is more than {LIMIT / 1e6:.0f} MB: see what grew in {build}")


if __name__ == "__main__":
    main()
