"""indexes for look-ups: what every request and every round of the reaper asks for.

Revision: 0004; after: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_dataset_report_file_id", "dataset", ["report_file_id"], "report_file_id is not null"),
    ("ix_fine_tuning_checkpoint_model", "fine_tuning_checkpoint", ["model"], None),
    ("ix_fine_tuning_job_fine_tuned_model", "fine_tuning_job", ["fine_tuned_model"], "fine_tuned_model is not null"),
    ("ix_fine_tuning_job_queued", "fine_tuning_job", ["provider", "id"], "status = 'queued'"),
    ("ix_fine_tuning_job_upstream_model", "fine_tuning_job", ["upstream_model"], "upstream_model is not null"),
    ("ix_generation_cancelled", "generation", ["id"], "status = 'cancelled'"),
    ("ix_generation_open", "generation", ["id"], "status in ('queued', 'running')"),
    ("ix_ledger_entry_fine_tuning_job_id", "ledger_entry", ["fine_tuning_job_id"], "fine_tuning_job_id is not null"),
    ("ix_model_name", "model", ["name"], None),
    ("ix_model_parent_id", "model", ["parent_id"], "parent_id is not null"),
    ("ix_model_removal_due_at", "model", ["removal_due_at"], "removal_due_at is not null"),
    ("ix_upload_part_sha256", "upload_part", ["sha256"], None),
    ("ix_upload_pending", "upload", ["expires_at"], "status = 'pending'"),
)


def upgrade() -> None:
    """Add them."""
    for name, table, columns, condition in INDEXES:
        op.create_index(name, table, columns, postgresql_where=None if condition is None else sa.text(condition))


def downgrade() -> None:
    """Drop them."""
    for name, table, _, _ in reversed(INDEXES):
        op.drop_index(name, table_name=table)
