"""How a drawn table compares with the real one: functions of two tables, and a report.

Tables are DataFrames of pandas or polars, or arrays, read as the estimators read theirs. Each of
these functions can judge rows of any origin: none asks for a model.

======================================  ===========================================
:func:`two_sample_auc`                  can a classifier tell drawn from real rows?
:func:`column_distances`                is each column distributed as the real one?
:func:`pair_distances`                  do columns hang together as they do there?
:func:`relations_kept`                  what always holds there, does it hold here?
:func:`train_on_synthetic`              is what is learnt from them of use?
:func:`closest_records`                 are drawn rows copies of real ones?
:func:`membership_advantage`            do they tell who was in the real table?
:func:`synthetic_report`                all of it on one page
:class:`ClosestRecords`                 what :func:`closest_records` finds
:class:`RelationKept`                   what :func:`relations_kept` finds
:class:`SyntheticReport`                what :func:`synthetic_report` makes
======================================  ===========================================
"""

from .classifiers import train_on_synthetic, two_sample_auc
from .distances import column_distances, pair_distances
from .privacy import ClosestRecords, closest_records, membership_advantage
from .relations import RelationKept, relations_kept
from .report import SyntheticReport, synthetic_report

__all__ = [
    "ClosestRecords",
    "RelationKept",
    "SyntheticReport",
    "closest_records",
    "column_distances",
    "membership_advantage",
    "pair_distances",
    "relations_kept",
    "synthetic_report",
    "train_on_synthetic",
    "two_sample_auc",
]
