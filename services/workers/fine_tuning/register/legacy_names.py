"""Names of tuned models as the routes of 2023 gave them."""

import re
from datetime import datetime

LONGEST_PART = 40


def make_legacy_name(base_model: str, project_name: str, suffix: str | None, moment: datetime) -> str:
    """Return `{base}:ft-{org}:{suffix}-{time}`; without a suffix the organization comes right before the time."""
    organization = make_slug(project_name) or "personal"
    stamp = moment.strftime("%Y-%m-%d-%H-%M-%S")
    owner = f"{organization}:{make_slug(suffix)}" if suffix and make_slug(suffix) else organization
    return f"{base_model}:ft-{owner}-{stamp}"


def make_slug(text: str) -> str:
    """Return a name in small letters, digits and single dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:LONGEST_PART].strip("-")
