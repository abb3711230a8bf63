"""What the dashboards show: rows of panels, each with its queries.

Units are Grafana's: `s` seconds, `bytes`, `percentunit` (1 is 100 %), `cps` counts a second,
`short` counts.
"""

from __future__ import annotations

from typing import NamedTuple

RATE = "[$__rate_interval]"


class Query(NamedTuple):
    """One PromQL query of a panel."""

    expr: str
    legend: str


class PanelSpec(NamedTuple):
    """One panel."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    description: str = ""
    is_stat: bool = False
    """A single number in place of a line over time."""


class RowSpec(NamedTuple):
    """Panels under one heading."""

    title: str
    panels: tuple[PanelSpec, ...]


def _rate(metric: str, by: str, legend: str = "", where: str = "") -> Query:
    labels = 'job=~"$job"' + (f", {where}" if where else "")
    expr = f"sum by ({by}) (rate({metric}{{{labels}}}{RATE}))"
    return Query(expr, legend or " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(",")))


def _quantile(q: float, metric: str, by: str = "agent") -> Query:
    buckets = f'sum by ({by}, le) (rate({metric}_bucket{{job=~"$job"}}{RATE}))'
    return Query(f"histogram_quantile({q}, {buckets})", f"{{{{{by}}}}} p{100 * q:g}")


def _panel(title: str, unit: str, *queries: Query, description: str = "") -> PanelSpec:
    return PanelSpec(title, unit, queries, description)


def _stat(title: str, unit: str, expr: str, legend: str = "", description: str = "") -> PanelSpec:
    return PanelSpec(title, unit, (Query(expr, legend),), description, is_stat=True)


NOW = RowSpec(
    "Now",
    (
        _stat(
            "Oldest record that waits", "s", 'max(penstock_consumer_lag_seconds{job=~"$job"})',
            description="Age of the oldest record that is not answered.",
        ),
        _stat("Answered", "cps",
              f'sum(rate(penstock_records_total{{job=~"$job", outcome="answered"}}{RATE}))'),
        _stat("Workers ready", "short", 'sum(penstock_worker_ready{job=~"$job"})'),
        _stat("Alerts that fire", "short",
              'count(ALERTS{alertname=~"Penstock.*", alertstate="firing"}) or vector(0)'),
        _stat("Missed budget, last hour", "percentunit",
              'max(penstock:budget_missed:ratio_rate1h{job=~"$job"})'),
    ),
)  # fmt: skip
SERVICE_LEVEL = RowSpec(
    "Service level",
    (
        _panel(
            "Records that miss their budget", "percentunit",
            Query('penstock:budget_missed:ratio_rate5m{job=~"$job"}', "{{agent}} 5 min"),
            Query('penstock:budget_missed:ratio_rate1h{job=~"$job"}', "{{agent}} 1 h"),
            description="1 % in 30 days is the objective; 14.4 % pages.",
        ),
        _panel(
            "Age of answers", "s",
            *(_quantile(q, "penstock_event_age_seconds") for q in (0.5, 0.99)),
            description="From a record's Kafka timestamp to the acknowledgement of its result.",
        ),
        _panel(
            "Lag in seconds", "s",
            Query('max by (topic) (penstock_consumer_lag_seconds{job=~"$job"})', "{{topic}}"),
        ),
        _panel(
            "Lag in records", "short",
            Query('sum by (topic) (penstock_consumer_lag_records{job=~"$job"})', "{{topic}}"),
        ),
    ),
)  # fmt: skip
RECORDS = RowSpec(
    "Records",
    (
        _panel("In", "cps", _rate("penstock_records_in_total", "agent")),
        _panel("Finished, by outcome", "cps", _rate("penstock_records_total", "agent, outcome")),
        _panel("Results", "cps", _rate("penstock_results_total", "topic")),
        _panel("Dead letters, by reason", "cps",
               _rate("penstock_dead_letters_total", "agent, reason")),
        _panel("In flight", "short",
               Query('sum by (agent) (penstock_records_in_flight{job=~"$job"})', "{{agent}}")),
        _panel("Filtered, by reason", "cps",
               _rate("penstock_records_filtered_total", "agent, reason")),
    ),
)  # fmt: skip
CAPACITY = RowSpec(
    "Capacity",
    (
        _panel(
            "Busy", "percentunit",
            Query(f'avg by (agent) (rate(penstock_busy_seconds_total{{job=~"$job"}}{RATE}))',
                  "{{agent}}"),
            description="Share of time with work; 1 is full.",
        ),
        _panel(
            "Records per busy second", "cps",
            Query(
                "sum by (agent) "
                f'(rate(penstock_records_total{{job=~"$job", outcome="answered"}}{RATE}))'
                f' / sum by (agent) (rate(penstock_busy_seconds_total{{job=~"$job"}}{RATE}))',
                "{{agent}}",
            ),
            description="What one process reaches at the present batch sizes.",
        ),
        _panel("Seconds by stage", "s",
               _rate("penstock_stage_duration_seconds_sum", "agent, stage")),
        _panel(
            "Events per batch", "short",
            Query(
                f'sum by (agent) (rate(penstock_batch_size_sum{{job=~"$job"}}{RATE}))'
                f' / sum by (agent) (rate(penstock_batch_size_count{{job=~"$job"}}{RATE}))',
                "{{agent}}",
            ),
            Query('min by (agent) (penstock_batch_size_limit{job=~"$job"})', "{{agent}} limit"),
        ),
        _panel("Wait for the model", "s",
               *(_quantile(q, "penstock_queue_wait_seconds") for q in (0.5, 0.99))),
    ),
)  # fmt: skip
MODELS = RowSpec(
    "Models",
    (
        _panel("Share of anomalies", "percentunit",
               Query('penstock:anomalies:ratio_rate10m{job=~"$job"}', "{{agent}}")),
        _panel("Incidents, by kind", "cps", _rate("penstock_model_incidents_total", "agent, kind")),
        _panel("Snapshots, by outcome", "cps", _rate("penstock_snapshots_total", "agent, outcome")),
        _panel("Size of a snapshot", "bytes",
               Query('max by (agent) (penstock_snapshot_bytes{job=~"$job"})', "{{agent}}")),
        _panel(
            "State restored", "bytes",
            Query('sum by (agent) (penstock_state_restored_bytes_total{job=~"$job"})', "{{agent}}"),
        ),
        _panel(
            "Which model", "short",
            Query('sum by (agent, model, version, device) (penstock_model_info{job=~"$job"})',
                  "{{agent}}: {{model}} {{version}} on {{device}}"),
        ),
    ),
)  # fmt: skip
WORKERS = RowSpec(
    "Workers",
    (
        _panel("Processor time", "percentunit",
               Query(f'rate(process_cpu_seconds_total{{job=~"$job"}}{RATE})',
                     "{{instance}} {{process}}")),
        _panel("Memory", "bytes",
               Query('process_resident_memory_bytes{job=~"$job"}', "{{instance}} {{process}}")),
        _panel("Threads", "short",
               Query('penstock_process_threads{job=~"$job"}', "{{instance}} {{process}}")),
        _panel(
            "Time lost to rebalances", "percentunit",
            Query(f'rate(penstock_rebalance_seconds_total{{job=~"$job"}}{RATE})',
                  "{{instance}} {{process}}"),
        ),
        _panel("Rebalances", "short",
               Query('penstock_rebalances_total{job=~"$job"}', "{{instance}} {{process}}")),
        _panel(
            "Versions", "short",
            Query("count by (version, python) (penstock_build_info)",
                  "Penstock {{version}}, Python {{python}}"),
        ),
    ),
)  # fmt: skip
GROUP = RowSpec(
    "The group, from outside (penstock lag --serve)",
    (
        _panel("Records that wait", "short",
               Query("sum by (group, topic) (penstock_group_lag_records)", "{{group}} {{topic}}")),
        _panel("Oldest that waits", "s",
               Query("max by (group, topic) (penstock_group_lag_seconds)", "{{group}} {{topic}}")),
        _panel("Members", "short", Query("penstock_group_members", "{{group}}")),
    ),
)  # fmt: skip
GPUS = RowSpec(
    "GPUs",
    (
        _panel("Use", "percentunit",
               Query("penstock_gpu_utilization_ratio", "{{instance}} GPU {{gpu}}")),
        _panel("Memory in use", "percentunit",
               Query("penstock_gpu_memory_used_bytes / penstock_gpu_memory_total_bytes",
                     "{{instance}} GPU {{gpu}}")),
        _panel("Calls that ran out of memory", "short",
               Query("sum by (agent) (penstock_out_of_memory_total)", "{{agent}}")),
    ),
)  # fmt: skip

DASHBOARDS = {
    "penstock": ("Penstock", (NOW, SERVICE_LEVEL, RECORDS, CAPACITY, MODELS, WORKERS, GROUP)),
    "penstock-gpus": ("Penstock: GPUs", (GPUS,)),
}
"""Title and rows by the dashboard's uid."""
