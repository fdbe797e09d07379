"""identities at other providers

Revision: 0002, after 0001. Old code runs on this schema: what it does not know is new, or may be empty.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _exact(length: int) -> sa.types.TypeEngine[str]:
    binary = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(binary, "mysql", "mariadb")


def _long() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("upstream", _exact(32), nullable=False),
        sa.Column("issuer", _exact(255), nullable=False),
        sa.Column("subject", _exact(255), nullable=False),
        sa.Column("user_id", _exact(128), nullable=False),
        sa.Column("email", sa.String(320), nullable=True),
        sa.Column("profile", _long(), nullable=False),
        sa.Column("tokens", _long(), nullable=True),
        sa.Column("linked_how", _exact(32), nullable=False),
        sa.Column("linked_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("upstream", "issuer", "subject", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_user_id"), "identities", ["user_id"])
    with op.batch_alter_table("sessions") as batch:
        batch.add_column(sa.Column("upstream", _exact(32), nullable=True))
        batch.add_column(sa.Column("auth_time_unproven", sa.Boolean(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("sessions") as batch:
        batch.drop_column("auth_time_unproven")
        batch.drop_column("upstream")
    op.drop_index(op.f("ix_identities_user_id"), table_name="identities")
    op.drop_table("identities")
