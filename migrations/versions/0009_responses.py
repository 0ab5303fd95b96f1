"""responses: what a response knows beside its text, what a provider said beside its choice, and which of a job's events
tell what our own tell.

Revision: 0009; after: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    op.add_column("completion", sa.Column("told", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column(
        "fine_tuning_event", sa.Column("is_repeat", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_table(
        "response",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("completion_id", sa.String(length=64), nullable=False),
        sa.Column("background", sa.Boolean(), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("input", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_response_project_id_project")),
        sa.ForeignKeyConstraint(
            ["completion_id"], ["completion.id"], name=op.f("fk_response_completion_id_completion")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_response")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("response")
    op.drop_column("fine_tuning_event", "is_repeat")
    op.drop_column("completion", "told")
