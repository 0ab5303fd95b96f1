"""The properties of the fold over far more streams than a working day's run looks at."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.shared.contracts.stream import test_fold_properties as properties

EXAMPLES = 3_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "property_test",
    [
        properties.test_a_client_that_resubscribes_at_every_hole_folds_the_written_text,
        properties.test_a_viewer_who_reads_seldom_sees_rising_cursors_and_the_whole_text,
        properties.test_a_buffer_fed_from_a_checkpoint_and_the_log_after_it_holds_the_text,
    ],
    ids=lambda test: test.__name__.removeprefix("test_"),
)
def test_the_folded_text_is_the_written_text(property_test: Callable[..., None]) -> None:
    check = property_test.hypothesis.inner_test  # type: ignore[attr-defined]
    settings(max_examples=EXAMPLES, deadline=None)(given(st.data(), properties.ATTEMPTS)(check))()
    assert check.__name__ == property_test.__name__
