"""The kinds that every fault strikes. A new kind is a class like these, and a line here."""

from tests.support.faults.batches import Batch
from tests.support.faults.case import KindCase
from tests.support.faults.jobs import Dataset, FineTuning
from tests.support.faults.models import Comparison, Evaluation, Removal
from tests.support.faults.texts import Completion, Expansion, Generation
from tests.support.faults.told import Tracker, Webhook

KINDS: tuple[KindCase, ...] = (
    Completion(),
    Generation(),
    Expansion(),
    Batch(),
    Dataset(),
    FineTuning(),
    Evaluation(),
    Comparison(),
    Removal(),
    Webhook(),
    Tracker(),
)
