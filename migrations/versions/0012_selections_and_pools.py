"""selections and pools: which cells of a recipe's grid are written, and texts of which its prompts show a few.

Revision: 0012; after: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    op.add_column("recipe_version", sa.Column("selection", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("recipe_version", sa.Column("pools", postgresql.JSONB(astext_type=sa.Text()), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("recipe_version", "pools")
    op.drop_column("recipe_version", "selection")
