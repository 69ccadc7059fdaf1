"""Reports: a run's files as plain data, and that data as one HTML page which opens offline."""

from __future__ import annotations

from hwsearch.report.data import ReportData, report_data
from hwsearch.report.page import write_report

__all__ = ["ReportData", "report_data", "write_report"]
