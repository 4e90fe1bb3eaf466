"""Published series: taking in a release of Explore education statistics as published, and the figures that count."""

from pilots.published.files import NotReadable
from pilots.published.importing import import_ees
from pilots.published.report import ImportReport
from pilots.published.series import measure_values, report, vintages

__all__ = ["ImportReport", "NotReadable", "import_ees", "measure_values", "report", "vintages"]
