"""pilots: runs that write some stories, spread over their grid, and pause; near texts: what the texts of a run are
compared by.

Revision: 0014; after: 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add how many stories a run's pilot has, and whether they are written."""
    op.add_column("generation", sa.Column("pilot", sa.Integer(), nullable=True))
    op.add_column(
        "generation", sa.Column("pilot_is_over", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_table(
        "near_text",
        sa.Column("generation_id", sa.String(length=64), nullable=False),
        sa.Column("story_id", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("keys", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generation.id"], name=op.f("fk_near_text_generation_id_generation")
        ),
        sa.PrimaryKeyConstraint("generation_id", "story_id", name=op.f("pk_near_text")),
    )
    op.create_index(
        "ix_near_text_keys",
        "near_text",
        ["keys"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("near_text")
    op.drop_column("generation", "pilot_is_over")
    op.drop_column("generation", "pilot")
