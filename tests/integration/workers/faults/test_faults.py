"""Every job kind under every fault: one worker holds a row of each kind when it strikes. All kinds go through a fault
side by side, in the fixture; each test looks at one of them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.workers.faults.strikes import STRIKES, run_fault
from tests.support.faults.case import Fault, KindCase
from tests.support.faults.kinds import KINDS
from tests.support.faults.mill import FaultMill, open_fault_mill
from tests.support.faults.texts import Completion, Generation
from tests.support.stack import PrivatePostgres
from tests.support.usual import mark_unusual

pytestmark = [
    *(pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env, pytest.mark.timeout(900)),
    pytest.mark.xdist_group("faults"),
]
USUAL = [fault for fault in STRIKES if fault.name == "killed"]
"""What stands for the others in `make test`, for every kind."""
FAILED_OVER = next(fault for fault in STRIKES if fault.name == "failed_over")
PAYING: tuple[KindCase, ...] = (Completion(), Generation())
"""Kinds whose every call costs money: they go through a failover in `make test`, too."""


@pytest.fixture(scope="module", params=mark_unusual(STRIKES, USUAL), ids=lambda fault: fault.name)
def fault(request: pytest.FixtureRequest) -> Fault:
    """What strikes."""
    found: Fault = request.param
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def struck(
    fault: Fault, postgres_server: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FaultMill]:
    """A mill after the fault, with everything at its end."""
    async with open_fault_mill(tmp_path_factory.mktemp(fault.name), postgres_server) as mill:
        await run_fault(mill, fault)
        yield mill


@pytest.mark.parametrize("case", KINDS, ids=lambda case: case.name)
async def test_a_job_ends_once_and_is_paid_for_as_the_fault_allows(
    struck: FaultMill, fault: Fault, case: KindCase
) -> None:
    assert struck.held[case.name], "no worker held it when the fault struck: the test would prove nothing"
    assert case.name not in struck.problems
    await case.verify(struck, fault)


async def test_calls_that_cost_money_outlast_a_failover(
    postgres_server: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with open_fault_mill(tmp_path_factory.mktemp("paying"), postgres_server) as mill:
        await run_fault(mill, FAILED_OVER, PAYING)
        assert mill.held == {case.name: True for case in PAYING}
        assert mill.problems == {}
        for case in PAYING:
            await case.verify(mill, FAILED_OVER)
