"""Fuzzing every source: a million inputs, with coverage to guide them.

``run`` starts one process for each source, in the bench's own environment: Atheris (libFuzzer) mutates the bodies of
the samples, instrumented, and Hypothesis exchanges values inside them. Each input is read and inspected as at the door,
and shown to the source as if it were signed with what the sample was signed with. What counts as a find: an exception
other than ``Rejected``, more than 50 ms of CPU, more than 64 MB of memory at its peak (as Linux sees the process), a
proof that holds for a body that was not signed.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
INPUTS = 1_000_000
EXAMPLES = 400
"""Of Hypothesis, for each source."""
MOST_MS, MOST_MB = 50, 64
NOW = 1_795_510_800_000
SHOWING = ("ga4", "adobe", "tealium", "blueconic", "onetrust", "didomi", "salesforce", "cmp")
"""Their secret does not depend on the body."""


def run(*, inputs: int = INPUTS) -> dict[str, float]:
    """Fuzz all sources; any find is printed and raises."""
    from tailor.sources import SOURCES

    interpreter, each = ROOT / ".local/bench/bin/python", -(-inputs // len(SOURCES))
    path = os.pathsep.join([str(ROOT / "layers/core"), str(ROOT / "tests"), sysconfig.get_path("purelib")])
    reports = []
    for name in SOURCES:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            command = [str(interpreter), str(Path(__file__).resolve()), name, str(each), str(report)]
            done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
            if not report.exists():
                raise RuntimeError(f"{name}: the process ended by itself\n{done.stderr[-4_000:]}")
            found = json.loads(report.read_text())
        print(f"{name:<16}{found['inputs']:>9,} inputs, worst {found['worst_ms']:.1f} ms, {found['worst_mb']:.1f} MB")
        if found["finds"]:
            raise RuntimeError(f"{name}: {json.dumps(found['finds'][:3], indent=1)}")
        reports.append(found)
    return {
        "fuzz_inputs": sum(one["inputs"] for one in reports),
        "fuzz_worst_ms": max(one["worst_ms"] for one in reports),
        "fuzz_worst_mb": max(one["worst_mb"] for one in reports),
    }


@dataclass(slots=True)
class Watch:
    """Looks at what a source does with one input after the other."""

    name: str
    limit: int
    inputs: int = 0
    worst_ns: int = 0
    worst_kb: int = 0
    finds: list[dict[str, Any]] = field(default_factory=list)

    def look(self, request: Any, signed: bytes, *, again: int = 3) -> None:
        """Read ``request``, whose proof was made for the body ``signed``."""
        from tailor.kernel.errors import Rejected
        from tailor.sources import SOURCES, read, salesforce

        source = SOURCES[self.name]
        salesforce._read_soap.cache_clear()
        before = _forget_peak()
        begun = time.process_time_ns()
        try:
            for event in read(source, request, now=NOW).events:
                event.to_json()
        except Rejected:
            pass
        except Exception as error:
            self._find(request, f"{type(error).__name__}: {error}")
        took = time.process_time_ns() - begun
        if took > MOST_MS * 1e6 and again:
            # Slow because of what it is, or because of what else there was to do (garbage of the fuzzers)?
            self.look(request, signed, again=again - 1)
            return
        self.worst_ns = max(self.worst_ns, took)
        rose = _peak_kb() - before
        self.worst_kb = max(self.worst_kb, rose)
        if rose > MOST_MB * 1024:
            self._find(request, f"{rose / 1024:.0f} MB")
        if took > MOST_MS * 1e6:
            self._find(request, f"{took / 1e6:.0f} ms")
        if (
            source.signed
            and self.name not in SHOWING
            and _proved(self.name, request) != _proved(self.name, replace(request, body=signed))
        ):
            try:
                source.verify(request, b"sample-shop-secret", now=NOW)
            except Rejected:
                pass
            else:
                self._find(request, "accepted without a valid signature")
        self.inputs += 1

    def _find(self, request: Any, what: str) -> None:
        self.finds.append({"what": what[:300], "body": request.body[:500].decode("latin-1")})

    def report(self, path: Path) -> None:
        """Write what was seen."""
        seen = {
            "inputs": self.inputs,
            "worst_ms": self.worst_ns / 1e6,
            "worst_mb": self.worst_kb / 1024,
            "finds": self.finds,
        }
        path.write_text(json.dumps(seen))


def _proved(name: str, request: Any) -> Any:
    """The part of a body that is signed: of a list, Segment signs the first call alone; of a form, Mandrill signs the
    fields, however they are written."""
    if name == "segment_webhook":
        from tailor.sources.segment import _first

        return _first(request.body) or request.body
    if name == "mailchimp" and "x-mandrill-signature" in request.headers:
        from tailor.kernel.errors import Rejected
        from tailor.kernel.values import read_form

        try:
            return sorted(read_form(request).items())
        except Rejected:
            return request.body
    return request.body


_STATUS = Path("/proc/self/status")
_FORGET = Path("/proc/self/clear_refs")


def _forget_peak() -> int:
    """Let Linux measure the peak anew; answers what the process holds now, in KB."""
    if _FORGET.exists():
        _FORGET.write_text("5")
    return _peak_kb()


def _peak_kb() -> int:
    if not _STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, _, rest = _STATUS.read_text().partition("VmHWM:")
    return int(rest.split(maxsplit=1)[0])


def _samples(name: str) -> list[Any]:
    """The requests of a source's samples; the secret is nowhere but in what they are signed with."""
    from tailor.edges.http import inbound

    found = []
    for path in sorted((ROOT / "events" / name).glob("*.json")):
        event = json.loads(path.read_text()) if not path.name.endswith(".expected.json") else {}
        if "requestContext" in event:
            request = inbound(event)
            headers = {k: v for k, v in request.headers.items() if k not in ("x-tailor-secret", "authorization")}
            query = {k: v for k, v in request.query.items() if k not in ("secret", "api_secret")}
            found.append(replace(request, headers=headers, query=query))
    return found


def _fuzz(name: str, inputs: int, report: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["tailor"]):
        from tailor.kernel.inbound import Inbound
    requests = _samples(name) or [Inbound("POST", "/", {}, b"{}")]
    watch = Watch(name, inputs)
    for request in requests:
        # Libraries are loaded with the first value they are needed for: that is not the input's doing.
        watch.look(request, request.body)
    import email_validator  # noqa: F401
    import phonenumbers

    phonenumbers.parse("+46701740605")
    watch.look(replace(requests[0], body=b"{}"), b"{}")
    gc.freeze()
    watch.worst_ns, watch.worst_kb, watch.finds = 0, 0, []
    _exchange(watch, requests, min(EXAMPLES, inputs // 10))

    def attempt(data: bytes) -> None:
        request = requests[data[0] % len(requests) if data else 0]
        watch.look(replace(request, body=data[1:]), request.body)
        if watch.inputs >= inputs:
            watch.report(report)
            os._exit(0)

    seeds = report.parent / "seeds"
    seeds.mkdir()
    for index, request in enumerate(requests):
        (seeds / str(index)).write_bytes(bytes([index]) + request.body)
    arguments = [sys.argv[0], str(seeds), "-max_len=8192", "-seed=7", f"-runs={inputs * 4}", "-rss_limit_mb=0"]
    atheris.Setup(arguments, attempt)
    atheris.Fuzz()


def _exchange(watch: Watch, requests: list[Any], examples: int) -> None:
    """Hypothesis' share: values of the samples' JSON exchanged for others."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    plain = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20)
    values = st.recursive(
        plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner)
    )

    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(request=st.sampled_from(requests), value=values, where=st.lists(st.integers(0, 50), min_size=1, max_size=6))
    def attempt(request: Any, value: Any, where: list[int]) -> None:
        try:
            document = json.loads(request.body)
        except ValueError:
            watch.look(replace(request, body=json.dumps(value).encode("utf-8", "surrogatepass")), request.body)
            return
        _put(document, where, value)
        watch.look(replace(request, body=json.dumps(document).encode("utf-8", "surrogatepass")), request.body)

    attempt()


def _put(document: Any, where: list[int], value: Any) -> None:
    """Set the value at one place of a document, chosen by numbers."""
    place: Any = document
    for depth, number in enumerate(where):
        if not isinstance(place, (dict, list)) or not place:
            return
        key = sorted(place)[number % len(place)] if isinstance(place, dict) else number % len(place)
        if depth == len(where) - 1 or not isinstance(place[key], (dict, list)):
            place[key] = value
            return
        place = place[key]


if __name__ == "__main__":
    _fuzz(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
