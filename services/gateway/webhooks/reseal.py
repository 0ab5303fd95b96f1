"""Seal stored secrets with the present key: `python -m services.gateway.webhooks.reseal`."""

import asyncio
import sys

from shared.errors import StorymillError
from shared.settings import load_settings
from shared.stores.db.repositories.webhook_secrets import reseal_secrets
from shared.stores.db.session import Database
from shared.stores.sealing import KEY_VARIABLE, SecretSeal


async def reseal_all() -> int:
    """Return of how many endpoints the secrets were sealed anew. Raises: SealError for one that no key opens,
    StoreAwayError when Postgres is out of reach."""
    seal = SecretSeal()
    database = Database(load_settings())
    try:
        return await reseal_secrets(database, seal)
    finally:
        await database.close()


def main() -> int:
    """Seal, and say of how many endpoints; 1 with a plain message when that cannot be done."""
    try:
        if not SecretSeal().prefix:
            sys.stderr.write(f"{KEY_VARIABLE} is not set: there is no key to seal with.\n")
            return 1
        count = asyncio.run(reseal_all())
    except StorymillError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Sealed anew: the secrets of {count} webhook endpoint{'' if count == 1 else 's'}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
