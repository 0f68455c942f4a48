"""Dashboards as data, drawn by Grafana and by `lowtide dashboard`."""

from lowtide.report.dashboards.cluster import CLUSTER
from lowtide.report.dashboards.efficiency import EFFICIENCY
from lowtide.report.dashboards.health import HEALTH
from lowtide.report.dashboards.job import JOB
from lowtide.report.dashboards.model import Dashboard, Panel, PanelKind, PanelUnit, Query

DASHBOARDS: tuple[Dashboard, ...] = (CLUSTER, JOB, EFFICIENCY, HEALTH)

__all__ = ["DASHBOARDS", "Dashboard", "Panel", "PanelKind", "PanelUnit", "Query"]
