"""StartPlan a whole mill from what `storymill up` was asked for."""

import sys

from storymill.launcher.api_key_command import build_key_step
from storymill.launcher.options import UpOptions
from storymill.launcher.plan import StartPlan, Step
from storymill.launcher.ports import claim_port, find_free_port
from storymill.launcher.sealing import build_sealing_environment
from storymill.launcher.secrets_file import ensure_secrets
from storymill.launcher.services import Addresses, build_environment, build_services
from storymill.launcher.state_dir import StateDir
from storymill.launcher.step import run_step
from storymill.launcher.stores import build_stores


def plan_mill(options: UpOptions, state: StateDir) -> StartPlan:
    """Choose ports and passwords and lay out every process; makes the database cluster on the first start.

    Raises: LauncherError for a port that is taken or a store that cannot be made.
    """
    addresses = Addresses(
        gateway_port=claim_port(options.gateway_port, "--gateway-port"),
        streaming_port=claim_port(options.streaming_port, "--streaming-port"),
        engine_port=find_free_port(),
    )
    stores = build_stores(state, ensure_secrets(state))
    environment = build_environment(options, state, stores, addresses) | build_sealing_environment(state)
    return StartPlan(
        gateway_url=addresses.gateway_url,
        streaming_url=addresses.streaming_url,
        stores=[[spec] for spec in stores.specs],
        steps=[
            build_migration_step(state, environment),
            build_key_step(state, environment, addresses.gateway_url + "/v1", addresses.streaming_url),
        ],
        services=build_services(options, state, environment, addresses),
    )


def build_migration_step(state: StateDir, environment: dict[str, str]) -> Step:
    """StartPlan the step that brings the schema up to date."""

    async def run() -> None:
        command = [sys.executable, "-m", "shared.stores.db.migrate"]
        await run_step("migrating the database", command, environment, state.log_file("migrations"))

    return Step("migrations", run)
