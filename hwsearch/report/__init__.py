"""Reports: a run's files as plain data, and that data as one HTML page which opens offline.

Of one run, of several devices side by side, or of a family.
"""

from __future__ import annotations

from hwsearch.report.data import ReportData, report_data
from hwsearch.report.devices_page import write_devices_report
from hwsearch.report.family_page import write_family_report
from hwsearch.report.page import write_report

__all__ = ["ReportData", "report_data", "write_devices_report", "write_family_report", "write_report"]
