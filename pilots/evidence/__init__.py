"""The evidence on one outcome of a plan: estimates, inference for few areas, checks, rating and reading, as plain JSON."""

from pilots.evidence.document import evidence, headline_cluster, panel_for

__all__ = ["evidence", "headline_cluster", "panel_for"]
