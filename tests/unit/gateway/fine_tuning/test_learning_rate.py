"""The hint for tuning a tuned model again."""

from services.gateway.fine_tuning.learning_rate import HIGHEST, LOWEST, hint_learning_rate


def test_the_fewer_the_new_rows_the_larger_the_hint() -> None:
    hints = [hint_learning_rate(rows, 486) for rows in (486, 300, 135, 60, 5)]
    assert hints == sorted(hints)
    assert (hints[0], hints[-1]) == (LOWEST, HIGHEST)


def test_the_articles_second_tuning_is_near_its_own_choice() -> None:
    assert 0.15 <= hint_learning_rate(135, 486) <= 0.2


def test_without_earlier_rows_the_lowest_is_hinted() -> None:
    assert hint_learning_rate(100, None) == LOWEST
