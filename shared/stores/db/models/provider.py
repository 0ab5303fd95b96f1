"""The verdicts on providers, so that they can be read."""

from sqlalchemy import Integer, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.stores.db.models.base import Base, Created, Moment


class ProviderState(Base):
    """The verdict on a provider, per key: another key begins anew."""

    __tablename__ = "provider_state"

    provider: Mapped[str] = mapped_column(String(64), primary_key=True)
    key_fingerprint: Mapped[str] = mapped_column(String(16), primary_key=True)
    """First digits of the key's SHA-256."""
    verdict: Mapped[str] = mapped_column(String(16))
    """well · down · silent · no_credit · key_refused."""
    since: Mapped[Created]
    until: Mapped[Moment | None]
    """When a silent provider may be asked again."""
    message: Mapped[str | None] = mapped_column(Text)
    """The provider's own words. They may quote another project: only the operator's scope reads them."""
    failure_class: Mapped[str | None] = mapped_column(String(32))
    upstream_status: Mapped[int | None] = mapped_column(Integer)
    limits: Mapped[dict[str, float] | None] = mapped_column(JSONB)
    """What its answers told of its limits, by name."""
    seen_at: Mapped[Created]
    """When it last answered, or failed to."""
