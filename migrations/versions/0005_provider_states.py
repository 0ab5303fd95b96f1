"""provider states: the verdict on a provider, until when a run is paused by itself, and when a row was retried.

Revision: 0005; after: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "provider_state",
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("key_fingerprint", sa.String(length=16), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("failure_class", sa.String(length=32), nullable=True),
        sa.Column("upstream_status", sa.Integer(), nullable=True),
        sa.Column("limits", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("provider", "key_fingerprint", name=op.f("pk_provider_state")),
    )
    op.add_column("generation", sa.Column("resumes_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("story", sa.Column("retried_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_generation_resumes_at", "generation", ["resumes_at"], postgresql_where=sa.text("resumes_at is not null")
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_generation_resumes_at", table_name="generation")
    op.drop_column("story", "retried_at")
    op.drop_column("generation", "resumes_at")
    op.drop_table("provider_state")
