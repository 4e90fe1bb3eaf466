"""Published series: taking in what was published as it is (Explore education statistics, LAIT), and the figures that count."""

from pilots.published.accounting import CellAccount, account_of_file, account_of_vintage
from pilots.published.changes import VintageChanges, compare_vintages
from pilots.published.files import NotReadable
from pilots.published.importing import import_ees
from pilots.published.lait import import_lait, import_published
from pilots.published.report import ImportReport
from pilots.published.series import counting, measure_values, report, vintages

__all__ = [
    "CellAccount",
    "ImportReport",
    "NotReadable",
    "VintageChanges",
    "account_of_file",
    "account_of_vintage",
    "compare_vintages",
    "counting",
    "import_ees",
    "import_lait",
    "import_published",
    "measure_values",
    "report",
    "vintages",
]
