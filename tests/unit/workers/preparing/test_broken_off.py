"""A preparation that ended by a signal: its own doing is told otherwise than somebody else's."""

import signal

import pytest

from services.workers.preparing.child import explain_end
from shared.bounds import Bounds


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (signal.SIGABRT, r"broke off \(SIGABRT\) at one of its sources, which is likely damaged"),
        (signal.SIGSEGV, r"broke off \(SIGSEGV\)"),
        (signal.SIGKILL, "ended from outside by SIGKILL"),
        (signal.SIGXCPU, "of a processor"),
    ],
)
def test_it_is_told_who_ended_it(number: signal.Signals, says: str) -> None:
    with pytest.raises(Exception, match=says):
        raise explain_end(-number, b"", Bounds())
