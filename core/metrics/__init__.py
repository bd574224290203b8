"""Numbers that say how well a ranking, an embedding or annotators do: arrays in, numbers out."""

from core.metrics.agreement import (
    Accuracy,
    AgreementSummary,
    Confusions,
    FleissKappa,
    PairAgreement,
    accuracy_against,
    agreement_summary,
    cohen_kappa,
    confusion_against,
    fleiss_kappa,
    krippendorff_alpha,
    pair_agreement,
    percent_agreement,
)
from core.metrics.consensus import DawidSkene, dawid_skene, plurality
from core.metrics.ranking import (
    Interval,
    RecallBin,
    average_precision,
    average_precision_interval,
    discovery_area,
    finds_curve,
    recall_by_bin,
)
from core.metrics.representation import linear_probe_ap, linear_probe_scores

__all__ = [
    "Accuracy",
    "AgreementSummary",
    "Confusions",
    "DawidSkene",
    "FleissKappa",
    "Interval",
    "PairAgreement",
    "RecallBin",
    "accuracy_against",
    "agreement_summary",
    "average_precision",
    "average_precision_interval",
    "cohen_kappa",
    "confusion_against",
    "dawid_skene",
    "discovery_area",
    "finds_curve",
    "fleiss_kappa",
    "krippendorff_alpha",
    "linear_probe_ap",
    "linear_probe_scores",
    "pair_agreement",
    "percent_agreement",
    "plurality",
    "recall_by_bin",
]
