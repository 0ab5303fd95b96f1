"""Models come and go with their folders."""

import json
from pathlib import Path

import pytest

from services.engine.errors import ModelNotFoundError, PermissionDeniedError
from services.engine.registry import ModelRegistry
from services.engine.settings import EngineSettings


def write_card(folder: Path, model_id: str, base: str = "tiny") -> Path:
    folder.mkdir(parents=True)
    (folder / "storymill.json").write_text(json.dumps({"id": model_id, "base": base, "created": 5}))
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> EngineSettings:
    return EngineSettings(
        model="/models/tiny",
        state_dir=tmp_path,
        shipped_adapters_dir=tmp_path / "shipped",
        aliases={"curie": "tiny", "text-davinci-003": "storyteller"},
    )


def test_an_alias_means_its_adapter_if_there_is_one_and_else_the_base(settings: EngineSettings) -> None:
    registry = ModelRegistry(settings)
    assert registry.get_model("text-davinci-003").folder is None
    shipped = write_card(settings.shipped_adapters_dir / "storyteller", "storyteller")
    assert registry.get_model("text-davinci-003").folder == shipped
    assert registry.get_model("curie").id == "tiny"


def test_a_folder_that_appears_is_a_model_and_one_that_goes_is_not(settings: EngineSettings) -> None:
    registry = ModelRegistry(settings)
    folder = write_card(settings.adapters_dir / "one", "ft:tiny:org:a:1")
    assert "ft:tiny:org:a:1" in [entry.id for entry in registry.list_models()]
    (folder / "storymill.json").unlink()
    assert registry.find_model("ft:tiny:org:a:1") is None


def test_a_deleted_model_is_gone_from_disk(settings: EngineSettings) -> None:
    registry = ModelRegistry(settings)
    folder = write_card(settings.adapters_dir / "one", "mine")
    registry.delete_tuned("mine")
    assert not folder.exists()
    with pytest.raises(ModelNotFoundError):
        registry.delete_tuned("mine")


def test_base_alias_and_shipped_models_cannot_be_deleted(settings: EngineSettings) -> None:
    registry = ModelRegistry(settings)
    write_card(settings.shipped_adapters_dir / "storyteller", "storyteller")
    for name in ("tiny", "curie", "storyteller"):
        with pytest.raises(PermissionDeniedError):
            registry.delete_tuned(name)


def test_a_broken_card_or_one_of_another_base_is_passed_over(settings: EngineSettings) -> None:
    write_card(settings.adapters_dir / "other", "other", base="elsewhere")
    broken = write_card(settings.adapters_dir / "broken", "broken")
    (broken / "storymill.json").write_text("{")
    registry = ModelRegistry(settings)
    assert {entry.id for entry in registry.list_models()} == {"tiny", "curie", "text-davinci-003"}
