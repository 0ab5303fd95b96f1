"""The body of a fine-tune of 2023, and from it to the job of today."""

import re
from typing import Annotated, Any, Final

from pydantic import Field

from services.gateway.fine_tuning.hyperparameters import BatchSize, Epochs, LossWeight, Multiplier
from services.gateway.fine_tuning.schemas import FileId, JobRequest, ModelName, StrictBody

DEFAULT_MODEL: Final = "curie"
"""What the routes of 2023 took when no model was named."""
LONGEST_SUFFIX: Final = 40
HYPERPARAMETERS: Final = ("n_epochs", "batch_size", "learning_rate_multiplier", "prompt_loss_weight")


class FineTuneRequest(StrictBody):
    """What the client of 2023 posts. The classification fields are accepted; their metrics are not computed."""

    training_file: FileId
    validation_file: FileId | None = None
    model: ModelName | None = None
    suffix: Annotated[str, Field(max_length=128)] | None = None
    n_epochs: Epochs = None
    batch_size: BatchSize = None
    learning_rate_multiplier: Multiplier = None
    prompt_loss_weight: LossWeight = None
    compute_classification_metrics: bool | None = None
    classification_n_classes: int | None = None
    classification_positive_class: str | None = None
    classification_betas: list[float] | None = None

    def modernise(self) -> JobRequest:
        """Return the same as a job of today."""
        given = {name: getattr(self, name) for name in HYPERPARAMETERS if getattr(self, name) is not None}
        body: dict[str, Any] = {
            "model": self.model or DEFAULT_MODEL,
            "training_file": self.training_file,
            "validation_file": self.validation_file or None,
            "suffix": clean_suffix(self.suffix) or None,
            "method": {"type": "supervised", "supervised": {"hyperparameters": given}},
        }
        return JobRequest.model_validate(body)


def clean_suffix(suffix: str | None) -> str:
    """Return the suffix as it becomes a part of a name: the article's command line sends it with its quotes."""
    dashed = re.sub(r"[\W_]+", "-", (suffix or "").lower())
    return dashed.strip("-")[:LONGEST_SUFFIX].rstrip("-")
