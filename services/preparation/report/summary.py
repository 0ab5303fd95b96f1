"""The numbers of a preparation, ready for the terminal, the page and the wire."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.preparation.billing import TrainingEstimate, estimate_training
from services.preparation.chosen_template import ChosenTemplate
from services.preparation.findings.board import Finding
from services.preparation.findings.inspection import Inspection
from services.preparation.findings.scripts import NAMES
from services.preparation.tokenizers.model_view import ModelView

HISTOGRAM_BINS = 24


@dataclass(frozen=True, slots=True)
class Histogram:
    """`edges` has one value more than `counts`."""

    counts: tuple[int, ...]
    edges: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything a report shows."""

    title: str
    source: dict[str, Any]
    counts: dict[str, int]
    task_type: str
    model: str
    encoding: str
    is_exact: bool
    tokens: dict[str, float]
    token_histogram: Histogram
    length_histogram: Histogram
    scripts: dict[str, int]
    findings: tuple[Finding, ...]
    contract: ChosenTemplate
    estimate: TrainingEstimate
    examples: tuple[ModelView, ...]

    def to_json(self) -> dict[str, Any]:
        """The wire form, without examples' tokens."""
        return {
            "title": self.title,
            "source": self.source,
            "counts": self.counts,
            "task_type": self.task_type,
            "tokens": {"model": self.model, "encoding": self.encoding, "exact": self.is_exact, **self.tokens},
            "histograms": {
                name: {"counts": list(h.counts), "edges": list(h.edges)}
                for name, h in (("tokens", self.token_histogram), ("characters", self.length_histogram))
            },
            "scripts": self.scripts,
            "findings": [finding.to_json() for finding in self.findings],
            "template": self.contract.to_json(),
            "training": {
                "epochs": self.estimate.epochs,
                "tokens_per_epoch": self.estimate.tokens_per_epoch,
                "billed_tokens": self.estimate.billed_tokens,
            },
        }


def summarise(
    title: str,
    source: dict[str, Any],
    counts: dict[str, int],
    inspection: Inspection,
    contract: ChosenTemplate,
    examples: tuple[ModelView, ...],
) -> Summary:
    """Work out the numbers."""
    tokens, survey = inspection.tokens, inspection.survey
    scripts = np.bincount(survey.scripts, minlength=len(NAMES)).tolist()
    return Summary(
        title=title,
        source=source,
        counts=counts,
        task_type=inspection.task_type,
        model=inspection.model.model,
        encoding=inspection.model.encoding,
        is_exact=inspection.model.is_exact,
        tokens=_spread(tokens),
        token_histogram=make_histogram(tokens),
        length_histogram=make_histogram(survey.completion_lengths),
        scripts={name: count for name, count in zip(NAMES, scripts, strict=True) if count},
        findings=inspection.findings,
        contract=contract,
        estimate=estimate_training(tokens, inspection.model.limit),
        examples=examples,
    )


def make_histogram(values: NDArray[np.integer[Any]]) -> Histogram:
    """Equal bins from the least to the greatest value."""
    if not len(values):
        return Histogram((), (0.0,))
    counts, edges = np.histogram(values, bins=min(HISTOGRAM_BINS, max(1, int(values.max() - values.min()))))
    return Histogram(tuple(counts.tolist()), tuple(edges.tolist()))


def _spread(values: NDArray[np.int64]) -> dict[str, float]:
    if not len(values):
        return {"total": 0, "mean": 0.0, "median": 0.0, "p95": 0.0, "max": 0}
    return {
        "total": int(values.sum()),
        "mean": round(float(values.mean()), 1),
        "median": float(np.median(values)),
        "p95": float(np.percentile(values, 95)),
        "max": int(values.max()),
    }
