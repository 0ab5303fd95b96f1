"""The tables. Names are the vocabulary of the product; see docs/glossary.md."""

from shared.stores.db.models.base import Base
from shared.stores.db.models.batch import Batch
from shared.stores.db.models.dataset import Dataset, DatasetRow, DatasetVersion
from shared.stores.db.models.delivery import Outbox, TrackerRun, WebhookEndpoint
from shared.stores.db.models.file import File, Upload, UploadPart
from shared.stores.db.models.fine_tuning import (
    FineTuningChange,
    FineTuningCheckpoint,
    FineTuningEvent,
    FineTuningJob,
    FineTuningMetric,
)
from shared.stores.db.models.generation import Attempt, DistinctText, Generation, LedgerEntry, NearText, Story
from shared.stores.db.models.idempotency import IdempotencyKey
from shared.stores.db.models.interactive import Completion
from shared.stores.db.models.provider import ProviderState
from shared.stores.db.models.recipe import Recipe, RecipeVersion
from shared.stores.db.models.response import StoredResponse
from shared.stores.db.models.tenancy import ApiKey, ConsoleSession, Project
from shared.stores.db.models.tuned_model import (
    ComparisonPair,
    Model,
    ModelAlias,
    ModelAliasChange,
    ModelComparison,
    ModelEvaluation,
)

__all__ = [
    "ApiKey",
    "Attempt",
    "Base",
    "Batch",
    "ComparisonPair",
    "Completion",
    "ConsoleSession",
    "Dataset",
    "DatasetRow",
    "DatasetVersion",
    "DistinctText",
    "File",
    "FineTuningChange",
    "FineTuningCheckpoint",
    "FineTuningEvent",
    "FineTuningJob",
    "FineTuningMetric",
    "Generation",
    "IdempotencyKey",
    "LedgerEntry",
    "Model",
    "ModelAlias",
    "ModelAliasChange",
    "ModelComparison",
    "ModelEvaluation",
    "NearText",
    "Outbox",
    "Project",
    "ProviderState",
    "Recipe",
    "RecipeVersion",
    "StoredResponse",
    "Story",
    "TrackerRun",
    "Upload",
    "UploadPart",
    "WebhookEndpoint",
]
