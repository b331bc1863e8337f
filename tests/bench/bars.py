"""What is measured, what it must reach, and whether it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bench.gold import TARGETS


@dataclass(frozen=True, slots=True)
class Bar:
    """A target for the metrics whose names match ``pattern``; one without limits is only reported."""

    pattern: str
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        """Whether ``value`` reaches it."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        limits = [f"≥ {self.at_least:,g}" if self.at_least is not None else ""]
        limits += [f"≤ {self.at_most:,g}" if self.at_most is not None else ""]
        return " ".join(filter(None, limits))


BARS = (
    Bar("absorb_events_per_s_core_100", "events/s/core", at_least=2_400),
    Bar("absorb_events_per_s_core_*", "events/s/core"),
    Bar("naive_events_per_s_core", "events/s/core"),
    Bar("absorb_ratio_to_naive", "×", at_least=25),
    Bar("aws_requests_per_event_100", "requests", at_most=0.15),
    Bar("wru_per_event_100", "WRU"),
    Bar("rru_per_event_100", "RRU"),
    Bar("segment_ns_per_pair", "ns", at_most=300),
    Bar("segment_us_per_event_200", "µs", at_most=25),
    Bar("segment_ratio_to_tree_walk", "×", at_least=4),
    Bar("segment_best_library_ns", "ns"),
    Bar("segment_ratio_to_library", "×", at_least=1),
    Bar("due_writes_per_event_50", "writes", at_most=0.6),
    Bar("refresh_100k_200_s", "s of CPU", at_most=1),
    Bar("refresh_100k_200_columns_s", "s of CPU"),
    Bar("usd_per_million_events", "USD", at_most=2.5),
    Bar("letter_us_15k", "µs", at_most=250),
    Bar("letter_us_62k", "µs", at_most=1_000),
    Bar("letter_ratio_to_naive", "×", at_least=25),
    Bar("attributes_us_p95", "µs of CPU"),
    Bar("template_compiles_per_message", "compiles", at_most=0),
    Bar("ingest_us_*", "µs", at_most=60),
    Bar("usd_per_million_events_*", "USD"),
    Bar("fuzz_inputs", "inputs", at_least=1_000_000),
    Bar("fuzz_worst_ms", "ms of CPU", at_most=50),
    Bar("fuzz_worst_mb", "MB", at_most=64),
    Bar("load_events_sent", "events"),
    Bar("load_events_lost", "events", at_least=0, at_most=0),
    Bar("load_kills", "workers", at_least=1),
    Bar("import_rows_per_s", "rows/s/core", at_least=5_000),
    Bar("import_rows_lost_or_doubled", "rows", at_most=0),
    Bar("import_peak_mb", "MB", at_most=256),
    Bar("import_peak_ratio_to_small", "×", at_most=1.2),
    Bar("import_ratio_to_naive", "×"),
    Bar("dedup_records_per_s_100k", "records/s/core", at_least=2_000),
    Bar("dedup_records_per_s_*", "records/s/core"),
    Bar("dedup_growth_exponent", "", at_most=1.15),
    Bar("dedup_peak_mb_*", "MB"),
    Bar("dedup_ratio_to_splink", "×"),
    *(
        bar
        for name, (f1, precision) in TARGETS.items()
        for bar in (
            Bar(f"dedup_f1_{name}", "", at_least=f1),
            Bar(f"dedup_precision_{name}", "", at_least=precision),
        )
    ),
    Bar("send_messages_per_s_core", "messages/s/core", at_least=700),
    Bar("requests_per_message", "requests"),
    Bar("wru_per_message", "WRU"),
    Bar("rru_per_message", "RRU"),
    Bar("usd_per_million_messages", "USD"),
    Bar("sim_duplicates", "messages", at_most=0),
    Bar("sim_lost", "messages", at_most=0),
    Bar("sim_interrupted_differences", "messages", at_most=0),
    Bar("sim_quota_used", "of the quota", at_least=0.95),
    Bar("sim_throttled", "of all calls", at_most=0.01),
    Bar("sim_*", ""),
    Bar("init_ms_send", "ms of CPU", at_most=350),
    Bar("init_ms_api", "ms of CPU"),
    Bar("init_ms_*", "ms of CPU", at_most=450),
    Bar("package_mb_*", "MB", at_most=60),
)
"""The first whose pattern matches is the bar of a metric."""


def bar_of(metric: str) -> Bar:
    """The bar of a metric.

    Raises
    ------
    KeyError : nobody has said what this metric is.
    """
    for bar in BARS:
        if fnmatchcase(metric, bar.pattern):
            return bar
    raise KeyError(metric)


def table(metrics: Mapping[str, float]) -> Iterable[str]:
    """Lines of text: metric, value, target, verdict."""
    yield f"{'metric':34} {'value':>12} {'target':>10}  "
    for metric, value in metrics.items():
        bar = bar_of(metric)
        verdict = ("ok" if bar.holds(value) else "MISSED") if str(bar) else ""
        yield f"{metric:34} {value:12,.3g} {bar!s:>10}  {bar.unit:14} {verdict}".rstrip()
