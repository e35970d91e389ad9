"""The report: one HTML file that shows what records tell, and opens from disk without a network."""

from selfagg.html_report.build import build_report

__all__ = ["build_report"]
