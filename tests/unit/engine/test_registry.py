"""Models come and go with their folders."""

import json
from pathlib import Path

import pytest

from services.engine.admission.fingerprint import Fingerprint
from services.engine.errors import ModelNotFoundError, ModelUnavailableError, PermissionDeniedError
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


def test_an_alias_means_its_adapter_and_never_the_base_in_its_place(settings: EngineSettings) -> None:
    registry = ModelRegistry(settings)
    with pytest.raises(ModelUnavailableError, match="stands for 'storyteller', which is not there"):
        registry.get_model("text-davinci-003")
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


def test_the_built_in_models_name_stands_for_the_base_whichever_is_served(settings: EngineSettings) -> None:
    settings.aliases["davinci"] = "gemma-3-270m"
    assert ModelRegistry(settings).get_model("davinci").id == "tiny"


def test_a_broken_card_is_passed_over_and_a_model_of_another_base_is_listed_as_such(settings: EngineSettings) -> None:
    write_card(settings.adapters_dir / "other", "other", base="elsewhere")
    broken = write_card(settings.adapters_dir / "broken", "broken")
    (broken / "storymill.json").write_text("{")
    registry = ModelRegistry(settings)
    listed = {entry.id: entry.unavailable for entry in registry.list_models()}
    assert set(listed) == {"tiny", "curie", "text-davinci-003", "other"}
    assert "was tuned on 'elsewhere', and this engine serves 'tiny'" in (listed["other"] or "")
    with pytest.raises(ModelUnavailableError):
        registry.get_model("other")


@pytest.mark.parametrize("part", ["weights", "tokenizer", "template"])
def test_a_model_of_another_base_under_the_same_name_is_refused(settings: EngineSettings, part: str) -> None:
    served = Fingerprint("w", "t", "c")
    folder = write_card(settings.adapters_dir / "one", "mine")
    card = json.loads((folder / "storymill.json").read_text())
    (folder / "storymill.json").write_text(json.dumps({**card, "fingerprint": {**served.to_json(), part: "other"}}))
    registry = ModelRegistry(settings)
    assert registry.get_model("mine").id == "mine"  # nothing is served yet: the request will wait for the base
    registry.base_fingerprint = served
    with pytest.raises(ModelUnavailableError, match=f"another base of the same name \\(other {part}"):
        registry.get_model("mine")
    (folder / "storymill.json").write_text(json.dumps({**card, "fingerprint": served.to_json(), "created": 6}))
    assert registry.get_model("mine").created == 6


def test_a_model_that_tells_no_fingerprint_is_refused_and_says_what_to_write(settings: EngineSettings) -> None:
    write_card(settings.adapters_dir / "one", "mine")
    registry = ModelRegistry(settings)
    registry.base_fingerprint = Fingerprint("w", "t", "c")
    with pytest.raises(ModelUnavailableError, match=r'add "fingerprint": \{"weights": "w"'):
        registry.get_model("mine")
    registry.delete_tuned("mine")
    assert registry.find_model("mine") is None
