"""A price folder that cannot be used stops the start."""

from pathlib import Path

import pytest

from services.gateway.settings import GatewaySettings
from services.gateway.wiring import Gateway
from shared.bounds import LiveBounds
from shared.outside.prices.schema import PriceFileError


def test_a_bad_price_file_stops_the_gateway_before_it_serves(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text('provider = "x"\n', encoding="utf-8")
    settings = GatewaySettings.model_validate({"prices_dir": tmp_path})
    with pytest.raises(PriceFileError, match=r"ours\.toml: source: Field required"):
        Gateway.build(settings, LiveBounds(settings))
