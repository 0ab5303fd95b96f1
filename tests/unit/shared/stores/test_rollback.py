"""What a rollback of an alias goes back to."""

from shared.stores.db.models import ModelAliasChange
from shared.stores.db.repositories.aliases import find_rollback


def history(*actions: str) -> list[ModelAliasChange]:
    return [
        ModelAliasChange(alias="a", version=number, action=action, model=f"m{number}")
        for number, action in enumerate(actions, start=1)
    ]


def target(*actions: str) -> int | None:
    found = find_rollback(history(*actions))
    return found.version if found else None


def test_each_rollback_goes_one_change_further_back() -> None:
    assert target("created") is None
    assert target("created", "promoted") == 1
    assert target("created", "promoted", "canary") == 2
    assert target("created", "promoted", "canary", "rolled_back") == 1
    assert target("created", "promoted", "canary", "rolled_back", "rolled_back") is None
    assert target("created", "promoted", "rolled_back", "promoted") == 1


def test_nothing_before_a_deletion_comes_back() -> None:
    assert target("created", "promoted", "deleted", "created") is None
    assert target("created", "deleted", "created", "promoted") == 3
