"""The commands of `pilots`, told apart by what they are for. A new command is one function and one line here.

Modules are imported when their command is asked for, so that a check of a file does not wait for the statistics to load.
"""

USER_FAULT = 1  # exit code of what the user can put right; click ends with 2 on wrong usage
STOPPED = 130  # of a command stopped by Ctrl-C, as shells have it

# Section → command → (module of this package, what it does in one line).
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Screens": {
        "serve": ("serve", "Open the screens in a browser, on this machine."),
        "demonstration": ("serve", "Build the synthetic demonstration programme."),
        "accounts": ("accounts", "List accounts; add one; sign somebody out everywhere."),
    },
    "The store": {
        "audit": ("store", "List the audit log, write it to a file, or check that it is whole."),
        "backup": ("store", "Copy the whole store into one file, while it is in use."),
        "restore": ("store", "Fill an empty store from a backup, or only check the backup."),
        "purge": ("store", "Remove refused files that hold identifiers of persons."),
        "migrate": ("store", "Show the version of the tables, or go back to an older one."),
    },
    "Returns": {
        "guide": ("templates", "Show what a return must look like, in plain English."),
        "template": ("templates", "Write a return to fill in (XLSX or CSV)."),
        "check": ("returns", "Check a file without submitting it."),
        "submit": ("returns", "Check a file and submit it as a region's return."),
        "returns": ("returns", "List returns; what is due; explain, sign, accept, send back, withdraw, nil."),
        "findings": ("returns", "Show what the check of a return found."),
        "compare": ("compared", "Set a return beside what came before it."),
    },
    "Register and published data": {
        "register": ("data", "Add a file to the reform register."),
        "spells": ("data", "List who had which reform, and when."),
        "neighbours": ("data", "List an authority's neighbours, on the map and in the figures."),
        "import-ees": ("data", "Import a release of Explore education statistics (ZIP)."),
        "import-lait": ("data", "Import the Local Authority Interactive Tool (CSV, Parquet)."),
        "vintages": ("data", "List the published data that were imported."),
        "published": ("published", "What became of every cell; two vintages side by side."),
    },
    "Case-level files": {
        "cells": ("cells", "Add case-level rows up to cells; the rows stay where they are."),
    },
    "Evaluation": {
        "release": ("evaluations", "Freeze the data of today as a release."),
        "releases": ("releases", "List the releases; compare two; effect of restatements."),
        "plans": ("plans", "List the plans: registered, and shipped."),
        "plan": ("plans", "Seal a plan before looking at results, or show its seal."),
        "plan-register": ("plans", "The same as plan seal, for a file."),
        "evaluate": ("evaluations", "Estimate what plans ask, on a release."),
        "runs": ("evaluations", "List the runs."),
        "overview": ("evaluations", "Every reform with each outcome asked, on one view."),
        "show": ("evaluations", "Show a run's results."),
        "rerun": ("bundles", "Run again from plan and release, or from a bundle, and compare."),
        "bundle": ("bundles", "Write a run with its data and plain scripts into a folder."),
    },
}
COMMANDS: dict[str, tuple[str, str]] = {name: entry for section in SECTIONS.values() for name, entry in section.items()}
