"""Deduplication: how many records a second, how time grows, how much memory, and how well on labelled sets.

Each size runs in a process of its own, for its peak of memory, on one thread. splink, which `make bench` installs
beside us, is timed on the same records.
"""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from time import process_time

from bench.crowd import records
from bench.gold import PEOPLE, TARGETS, score_set

SIZES = (10_000, 100_000, 1_000_000)
ALONE = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ROOT = Path(__file__).resolve().parents[2]
RIVALS = ROOT / ".local/bench/lib/python3.13/site-packages"
"""Where `make bench` puts what is measured against."""


def run(*, sizes: tuple[int, ...] = SIZES) -> dict[str, float]:
    """Measure; sets that are not there are left out. The exponent is that of the steepest step between two sizes."""
    taken = {size: _apart("tailor", size) for size in sizes}
    measured = {f"dedup_records_per_s_{_short(size)}": size / seconds for size, (seconds, _) in taken.items()}
    measured |= {f"dedup_peak_mb_{_short(size)}": peak for size, (_, peak) in taken.items()}
    measured["dedup_growth_exponent"] = max(
        math.log(taken[large][0] / taken[small][0]) / math.log(large / small) for small, large in pairwise(sizes)
    )
    if RIVALS.exists():
        seconds, peak = _apart("splink", sizes[0])
        measured["dedup_records_per_s_splink"] = sizes[0] / seconds
        measured["dedup_peak_mb_splink"] = peak
        measured["dedup_ratio_to_splink"] = seconds / taken[sizes[0]][0]
    for name in TARGETS:
        if (PEOPLE / f"{name}.csv").exists():
            found = score_set(name)
            measured |= {f"dedup_f1_{name}": found.f1, f"dedup_precision_{name}": found.precision}
    return measured


def _short(size: int) -> str:
    return f"{size // 1_000_000}m" if size >= 1_000_000 else f"{size // 1_000}k"


def _apart(tool: str, size: int) -> tuple[float, float]:
    """(seconds of CPU, peak megabytes) of one tool over made-up records, in a process of its own."""
    path = os.pathsep.join(str(place) for place in (ROOT / "layers/core", ROOT / "tests", RIVALS))
    command = [sys.executable, "-m", "bench.dedup", tool, str(size)]
    done = subprocess.run(
        command, env={**os.environ, **ALONE, "PYTHONPATH": path}, check=True, capture_output=True, text=True, cwd=ROOT
    )
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak


def _tailor(size: int) -> float:
    from tailor.rules.matching.engine import resolve
    from tailor.rules.matching.normalise import normalise

    begun = process_time()
    for _ in records(size):
        pass
    making = process_time() - begun
    begun = process_time()
    resolve(map(normalise, records(size)))
    return process_time() - begun - making


def _splink(size: int) -> float:
    """The set-up its guide gives for people, on DuckDB."""
    import pyarrow
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    rows = [{name: value or None for name, value in one.items() if name != "cluster_id"} for one in records(size)]
    frame = pyarrow.Table.from_pylist(rows)
    begun = process_time()
    blocks = [block_on("email"), block_on("phone"), block_on("first_name", "last_name"), block_on("last_name", "dob")]
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record_id",
        comparisons=[
            cl.NameComparison("first_name"),
            cl.NameComparison("last_name"),
            cl.DateOfBirthComparison("dob", input_is_string=True),
            cl.EmailComparison("email"),
            cl.ExactMatch("phone"),
            cl.ExactMatch("postcode"),
        ],
        blocking_rules_to_generate_predictions=blocks,
    )
    linker = Linker(DuckDBAPI().register(frame), settings)
    linker.training.estimate_probability_two_random_records_match(blocks[:2], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("email"))
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("first_name", "last_name"))
    predicted = linker.inference.predict(threshold_match_probability=0.5)
    linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, 0.9).as_pyarrow_table()
    return process_time() - begun


if __name__ == "__main__":
    seconds = {"tailor": _tailor, "splink": _splink}[sys.argv[1]](int(sys.argv[2]))
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
