"""Names of the sheets that this project itself puts into a workbook: templates, marked copies, corrected tables."""

RETURN = "Return"
GUIDE = "Guide"
LISTS = "Lists"
FINDINGS = "Findings"
CORRECTIONS = "Corrections"
# Very hidden; keys in column A, values in column B: contract, version, region, period.
IDENTITY = "_contract"
IDENTITY_KEYS = ("contract", "version", "region", "period")

# Sheets of ours that hold no rows of a return.
OURS = frozenset({GUIDE, LISTS, FINDINGS, CORRECTIONS, IDENTITY})
