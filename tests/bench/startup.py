"""Cold starts: the CPU of importing a function and making the clients its first call needs, above a bare interpreter.

Each is a fresh interpreter without site-packages, on the functions as they are deployed (byte-code included).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from os import environ
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

from bench.deployment import FUNCTIONS, ROOT, Deployment

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "PEOPLE_TABLE": "people",
    "LEDGER_TABLE": "ledger",
    "INGEST_QUEUE_URL": "ingest",
    "SEND_QUEUE_URL": "send",
    "EVENT_BUS": "facts",
    "PUBLIC_URL": "https://mail.shop.example",
    "SIGNING_SECRET_ARN": "signing",
    "ADMIN_SECRET_ARN": "admin",
    "SECRETS_PREFIX": "/tailor/bench",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "POWERTOOLS_METRICS_NAMESPACE": "Tailor",
}
CLIENTS = {
    "store": "dynamodb",
    "program": "dynamodb",
    "compiled": "dynamodb",
    "ingest_queue": "sqs",
    "send_queue": "sqs",
    "facts": "events",
    "mailer": "sesv2",
    "signing_keys": "secretsmanager",
    "admin_token": "secretsmanager",
}
"""Parts of :mod:`tailor.edges.runtime` → the AWS client they make. Not in it is what a first call may do without: the
parameter store, asked only for signed webhooks and where no PUBLIC_URL is given."""
NEVER = {"aws_xray_sdk", "boto3", "numpy", "s3transfer", "scipy", "sklearn"}
"""What no function may load."""
WITH_MODELS = {"api"}
"""Functions that may load pydantic."""
RUNS = 9
_PART = re.compile(r"\bruntime\.(\w+)")
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)")


def run(deployment: Deployment, *, functions: Iterable[str] = FUNCTIONS, runs: int = RUNS) -> dict[str, float]:
    """Median CPU of each function in ms.

    Raises
    ------
    RuntimeError : a function does not start, or loads what it may not.
    """
    chosen = list(functions)
    for function in chosen:
        if found := forbidden(deployment, function):
            raise RuntimeError(f"{function} loads {', '.join(sorted(found))}")
    taken: dict[str, list[float]] = {function: [] for function in ("", *chosen)}
    for _ in range(runs):
        for function, times in taken.items():
            times.append(_cpu_ms(deployment, function))
    bare = median(taken.pop(""))
    return {f"init_ms_{function}": median(times) - bare for function, times in taken.items()}


def forbidden(deployment: Deployment, function: str) -> set[str]:
    """Packages a function has loaded after its start and should not have."""
    code = f"{_start(function)}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    loaded = {name.partition(".")[0] for name in json.loads(_python(deployment, function, code).stdout)}
    return loaded & (NEVER if function in WITH_MODELS else NEVER | {"pydantic"})


def heaviest(deployment: Deployment, function: str, count: int = 8) -> list[tuple[str, float]]:
    """The imports that cost most by themselves, as (module, ms); children are not counted with their parents."""
    trace = _python(deployment, function, "import app", "-X", "importtime").stderr
    rows = [(match[4], int(match[1]) / 1e3) for match in _IMPORT.finditer(trace)]
    return sorted(rows, key=lambda row: -row[1])[:count]


def clients(function: str) -> list[str]:
    """AWS clients a function makes at its first call, by the parts of the runtime its files name."""
    files = (ROOT / "functions" / function).glob("*.py")
    parts = {part for file in files for part in _PART.findall(file.read_text())}
    return sorted({CLIENTS[part] for part in parts & CLIENTS.keys()})


def _start(function: str) -> str:
    return f"import app\nfrom tailor.edges import runtime\nfor name in {clients(function)}: runtime.client(name)"


def _cpu_ms(deployment: Deployment, function: str) -> float:
    before = getrusage(RUSAGE_CHILDREN)
    _python(deployment, function, _start(function) if function else "pass")
    after = getrusage(RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def _python(deployment: Deployment, function: str, code: str, *flags: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": environ["PATH"], "PYTHONPATH": ":".join(deployment.paths(function)) if function else ""}
    done = subprocess.run(
        [sys.executable, "-S", *flags, "-c", code],
        env=ENVIRONMENT | path,
        cwd=deployment.root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{function or 'python'} does not start:\n{done.stderr[-1500:]}")
    return done
