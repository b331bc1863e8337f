"""Finish what ``sam build`` made: drop what no function uses, ship byte-code, and weigh the result.

A function's file system is read-only, so without byte-code every cold start compiles everything again (botocore alone
costs 656 ms instead of 333). Run it by ``python local/build.py [BUILD_FOLDER]`` after every ``sam build``.
"""

from __future__ import annotations

import compileall
import gzip
import json
import shutil
import sys
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".aws-sam" / "build"

SERVICES = frozenset({"dynamodb", "events", "lambda", "s3", "secretsmanager", "sesv2", "sns", "sqs", "ssm", "sts"})
"""AWS services whose descriptions botocore keeps; 400 others weigh 25 MB."""

ENDPOINT_PREFIXES = SERVICES - {"sesv2"} | {"email"}
"""What botocore's table of endpoints calls them."""

SPECIAL = frozenset({"Press", "Numbers", "Arrow"})
"""Layers of the few functions that publish, import or work through the night; the hot ones do not carry them."""

LIMIT = 60_000_000
"""Bytes that a hot function may weigh unzipped, with its layers."""
LAMBDA_LIMIT = 250 * 1024 * 1024
"""Bytes that Lambda takes of any function with its layers."""


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
    """Bytes of the heaviest hot function together with its layers."""
    layers = {name for name in weights if (build / name / "python").is_dir()} - SPECIAL
    functions = [weight for name, weight in weights.items() if name not in layers | SPECIAL]
    return sum(weights[name] for name in layers) + max(functions, default=0)


ARROW_ASIDE = ("tests", "include", "src", "*flight*", "*_s3*", "*.px[dix]", "*.pyx")
"""Of pyarrow what reading Parquet from memory does not load: sixty megabytes."""


def _prune(packages: Path) -> None:
    # A file may fit several patterns.
    for aside in {path for pattern in ARROW_ASIDE for path in (packages / "pyarrow").glob(pattern)}:
        shutil.rmtree(aside) if aside.is_dir() else aside.unlink()
    data = packages / "botocore" / "data"
    if data.is_dir():
        for service in [child for child in data.iterdir() if child.is_dir()]:
            if service.name in SERVICES:
                _lighten(service)
            else:
                shutil.rmtree(service)
        _thin_endpoints(data / "endpoints.json")
    # Scripts of packages; nobody calls them in a function.
    shutil.rmtree(packages / "bin", ignore_errors=True)


def _lighten(service: Path) -> None:
    """Descriptions of a service as plain JSON without prose: a cold start reads a quarter and unpacks nothing."""
    for file in [*service.rglob("*.json"), *service.rglob("*.json.gz")]:
        if file.name.startswith("examples-"):
            file.unlink()
            continue
        text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        plain = file.with_suffix("") if file.suffix == ".gz" else file
        description = _without_prose(json.loads(text))
        for parameter in description.get("clientContextParams", {}).values():
            # S3's client reads these, and stops where one is missing.
            parameter["documentation"] = ""
        plain.write_text(json.dumps(description, separators=(",", ":")))
        if plain != file:
            file.unlink()


def _without_prose(value: Any) -> Any:
    match value:
        case dict():
            # A documentation that is no text is a member of that name.
            return {
                key: _without_prose(inner)
                for key, inner in value.items()
                if not (key == "documentation" and isinstance(inner, str))
            }
        case list():
            return [_without_prose(inner) for inner in value]
        case _:
            return value


def _thin_endpoints(file: Path) -> None:
    """Regions of the services we keep; of 400 services it is a megabyte that every client reads."""
    table = json.loads(file.read_bytes())
    for partition in table["partitions"]:
        partition["services"] = {
            name: entry for name, entry in partition["services"].items() if name in ENDPOINT_PREFIXES
        }
    file.write_text(json.dumps(table, separators=(",", ":")))


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
    special = max(weights.get(name, 0) for name in SPECIAL)
    if weight + special > LAMBDA_LIMIT:
        raise SystemExit("with the heaviest of its special layers a function would be more than Lambda takes")


if __name__ == "__main__":
    main()
