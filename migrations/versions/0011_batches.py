"""batches and extended runs: OpenAI's batches, the runs that answer them, and what a line's answer holds beside a
story's columns; repeats that are added to a run; rules of recipes, and the texts that break them.

Revision: 0011; after: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


REFERENCES = (
    ("project_id", "project"),
    ("api_key_id", "api_key"),
    ("input_file_id", "file"),
    ("generation_id", "generation"),
    ("output_file_id", "file"),
    ("error_file_id", "file"),
)
MOMENTS = ("in_progress_at", "finalizing_at", "cancelling_at", "finished_at")


def upgrade() -> None:
    """Add them."""
    op.alter_column("generation", "recipe_version_id", existing_type=sa.String(length=64), nullable=True)
    op.add_column("generation", sa.Column("layers", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("story", sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("recipe_version", sa.Column("rules", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("attempt", sa.Column("rejected_text", sa.Text(), nullable=True))
    op.add_column("attempt", sa.Column("rejected_because", sa.Text(), nullable=True))
    op.create_table(
        "distinct_text",
        sa.Column("generation_id", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("story_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generation.id"], name=op.f("fk_distinct_text_generation_id_generation")
        ),
        sa.PrimaryKeyConstraint("generation_id", "sha256", name=op.f("pk_distinct_text")),
    )
    op.create_table(
        "batch",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("api_key_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("completion_window", sa.String(length=8), nullable=False),
        sa.Column("input_file_id", sa.String(length=64), nullable=False),
        sa.Column("batch_metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("generation_id", sa.String(length=64), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker_id", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("errors", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("usage", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("output_file_id", sa.String(length=64), nullable=True),
        sa.Column("error_file_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=True) for name in MOMENTS),
        *(
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=op.f(f"fk_batch_{column}_{table}"))
            for column, table in REFERENCES
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
    )
    add_indexes()


def add_indexes() -> None:
    """Add what batches, and the runs that they are told apart by, are looked up by."""
    op.create_index("ix_batch_project_id_id", "batch", ["project_id", "id"])
    op.create_index("ix_batch_input_file_id", "batch", ["input_file_id"])
    op.create_index(
        "ix_batch_open",
        "batch",
        ["id"],
        postgresql_where=sa.text("status in ('validating', 'finalizing', 'cancelling', 'in_progress')"),
    )
    op.create_index(
        "ix_batch_generation_id",
        "batch",
        ["generation_id"],
        postgresql_where=sa.text("generation_id is not null"),
    )
    op.create_index(
        "ix_generation_of_batch",
        "generation",
        ["project_id"],
        postgresql_where=sa.text("recipe_version_id is null"),
    )


def downgrade() -> None:
    """Drop them, and the runs that stand on no recipe."""
    op.drop_table("batch")
    op.drop_table("distinct_text")
    op.drop_index("ix_generation_of_batch", table_name="generation")
    op.execute(
        "delete from story using generation"
        " where generation.id = story.generation_id and generation.recipe_version_id is null"
    )
    op.execute("delete from generation where recipe_version_id is null")
    op.drop_column("attempt", "rejected_because")
    op.drop_column("attempt", "rejected_text")
    op.drop_column("recipe_version", "rules")
    op.drop_column("story", "answer")
    op.drop_column("generation", "layers")
    op.alter_column("generation", "recipe_version_id", existing_type=sa.String(length=64), nullable=False)
