"""The tables. Names are the vocabulary of the product; see docs/glossary.md."""

from shared.db.models.base import Base
from shared.db.models.dataset import Dataset, DatasetRow, DatasetVersion
from shared.db.models.file import File
from shared.db.models.generation import Attempt, Generation, LedgerEntry, Story
from shared.db.models.idempotency import IdempotencyKey
from shared.db.models.interactive import Completion
from shared.db.models.recipe import Recipe, RecipeVersion
from shared.db.models.tenancy import ApiKey, Project

__all__ = [
    "ApiKey",
    "Attempt",
    "Base",
    "Completion",
    "Dataset",
    "DatasetRow",
    "DatasetVersion",
    "File",
    "Generation",
    "IdempotencyKey",
    "LedgerEntry",
    "Project",
    "Recipe",
    "RecipeVersion",
    "Story",
]
