"""The dashboards as Grafana's JSON, made from `lowtide.report.dashboards`.

Units, the variables for data source, namespace and job, and the links from a series to the job's
page are added for Grafana; everything else is also on the page drawn without Grafana.
"""

import json
from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as prometheus_models

from lowtide.report.dashboards import Dashboard, Panel, PanelKind, PanelUnit
from lowtide.report.dashboards.model import placed

TAG = "lowtide"
JOB_UID = "lowtide-job"
UNITS = {
    PanelUnit.JOULES: "joule",
    PanelUnit.WATTS: "watt",
    PanelUnit.GRAMS: "massg",
    PanelUnit.GRAMS_PER_KWH: "suffix: g/kWh",
    PanelUnit.SECONDS: "s",
    PanelUnit.RATIO: "percentunit",
    PanelUnit.COUNT: "short",
    PanelUnit.PER_SECOND: "ops",
    PanelUnit.TIME: "dateTimeAsIso",
    PanelUnit.NONE: "none",
}
DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")


INTERVAL_ONLY = ("auto", "auto_count", "auto_min")
"""Fields that the SDK writes into every variable; Grafana 13 knows them only in intervals."""


def text(board: Dashboard) -> str:
    """Return the JSON of one dashboard."""
    built = json.loads(JSONEncoder().encode(_dashboard(board).build()))
    for variable in built["templating"]["list"]:
        for field in INTERVAL_ONLY:
            variable.pop(field, None)
    return json.dumps(built, sort_keys=True, indent=2) + "\n"


def _dashboard(board: Dashboard) -> dashboard.Dashboard:
    builder = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.question)
        .tags([TAG])
        .refresh("30s")
        .time("now-24h", "now")
        .timezone("browser")
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Source").type("prometheus")
        )
        .link(
            dashboard.DashboardLink("Lowtide")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    for name in board.variables:
        builder = builder.with_variable(_variable(name))
    for number, (panel, left, top) in enumerate(placed(board.panels), start=1):
        place = models.GridPos(x=left, y=top, w=panel.width, h=panel.height)
        builder = builder.with_panel(_panel(panel).id(number).grid_pos(place))
    return builder


def _variable(name: str) -> dashboard.QueryVariable:
    """Return a choice of namespaces or jobs; all of them by default."""
    within = '{namespace=~"$namespace"}' if name == "trainingjob" else ""
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(DATASOURCE)
        .query(f"label_values(lowtide_trainingjob_info{within}, {name})")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .include_all(True)
        .multi(True)
        .all_value(".*")
    )


def _panel(panel: Panel) -> Any:
    """Return the builder of one panel without its place."""
    builder: Any
    match panel.kind:
        case PanelKind.STAT:
            builder = stat.Panel().reduce_options(_last())
        case PanelKind.BARS:
            builder = (
                bargauge.Panel()
                .reduce_options(_last())
                .orientation(common_models.VizOrientation.HORIZONTAL)
            )
        case PanelKind.TABLE:
            builder = table.Panel().with_transformation(
                models.DataTransformerConfig(id_val="seriesToRows", options={})
                if len(panel.queries) == 1
                else models.DataTransformerConfig(id_val="merge", options={})
            )
        case _:
            builder = timeseries.Panel().legend(
                common.VizLegendOptions()
                .display_mode(common_models.LegendDisplayMode.LIST)
                .placement(common_models.LegendPlacement.BOTTOM)
                .show_legend(True)
            )
    if panel.kind is PanelKind.STACKED:
        stacking = common.StackingConfig().mode(common_models.StackingMode.NORMAL)
        builder = builder.fill_opacity(30).stacking(stacking)
    builder = builder.title(panel.title).description(panel.description).unit(UNITS[panel.unit])
    builder = builder.datasource(DATASOURCE)
    if panel.links_to_job:
        builder = builder.data_links([_job_link()])
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        builder = builder.with_target(_target(panel, query.expression, query.legend, letter))
    return builder


def _target(panel: Panel, expression: str, legend: str, letter: str) -> prometheus.Dataquery:
    target = (
        prometheus.Dataquery()
        .expr(expression)
        .legend_format(legend or "__auto")
        .ref_id(letter)
        .datasource(DATASOURCE)
    )
    if panel.kind in (PanelKind.TIMESERIES, PanelKind.STACKED):
        return target.range()
    if panel.kind is PanelKind.TABLE and len(panel.queries) > 1:
        return target.instant().format(prometheus_models.PromQueryFormat.TABLE)
    return target.instant()


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _job_link() -> dashboard.DashboardLink:
    """Return the link from a series to the page of its job."""
    fields = "${__field.labels.%s}"
    choice = f"var-namespace={fields % 'namespace'}&var-trainingjob={fields % 'trainingjob'}"
    return (
        dashboard.DashboardLink("Open the job")
        .type(models.DashboardLinkType.LINK)
        .url(f"/d/{JOB_UID}?{choice}&${{__url_time_range}}")
    )
