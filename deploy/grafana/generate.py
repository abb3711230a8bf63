"""Write the dashboards as JSON: `python deploy/grafana/generate.py`, after a change of panels.py.

Needs `grafana-foundation-sdk`, Grafana's own builder, which the development environment has.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh
from panels import DASHBOARDS, PanelSpec, RowSpec

FOLDER = Path(__file__).parent / "dashboards"
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
#: Grafana's grid is 24 wide.
_STAT_WIDTH, _PANEL_WIDTH, _STAT_HEIGHT, _PANEL_HEIGHT = 4, 8, 5, 8


def build(uid: str, title: str, rows: tuple[RowSpec, ...]) -> Any:
    """Return a dashboard."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .tags(["penstock"])
        .time("now-1h", "now")
        .refresh("10s")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("job")
            .datasource(_SOURCE)
            .query("label_values(penstock_live, job)")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .include_all(True)
            .all_value(".*")
            .multi(True)
        )
    )
    for row in rows:
        made = made.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            made = made.with_panel(_panel(panel))
    return made.build()


def _panel(spec: PanelSpec) -> Any:
    legend = (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
    )
    panel = stat.Panel() if spec.is_stat else timeseries.Panel().min(0).legend(legend)
    width, height = (_STAT_WIDTH, _STAT_HEIGHT) if spec.is_stat else (_PANEL_WIDTH, _PANEL_HEIGHT)
    panel = panel.title(spec.title).unit(spec.unit).datasource(_SOURCE).span(width).height(height)
    if spec.description:
        panel = panel.description(spec.description)
    for number, query in enumerate(spec.queries):
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend)
        panel = panel.with_target(target.ref_id(chr(ord("A") + number)))
    return panel


def main(folder: Path = FOLDER) -> None:
    """Write each dashboard into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for uid, (title, rows) in DASHBOARDS.items():
        text = JSONEncoder(sort_keys=True, indent=2).encode(build(uid, title, rows))
        (folder / f"{uid}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
