"""Rerun bundles: one folder with a run's data, plan and scripts, which gives the same numbers on an empty machine."""

from pilots.bundles.again import BundleRerun, rerun_bundle
from pilots.bundles.making import Bundle, make_bundle

__all__ = ["Bundle", "BundleRerun", "make_bundle", "rerun_bundle"]
