"""The paper's section IV: classification, metrics, evaluation, neighbours, prediction, reports."""
