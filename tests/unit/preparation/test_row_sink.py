"""What is kept of a file's oddities does not grow with the file: the first in words, the rest as numbers."""

from services.preparation.reading.row_sink import KEPT_NOTES, KEPT_PROBLEMS, ReadingProblem, StoreSink
from services.preparation.rows.row_store import RowStore


def test_of_many_notes_and_problems_the_first_are_kept_and_all_are_counted() -> None:
    with RowStore() as store:
        sink = StoreSink(store)
        for number in range(KEPT_NOTES + 500):
            sink.note("word_read_as_empty", number + 1, "`NA` is read as an empty cell")
            sink.note("carriage_return", number + 1, "a lone carriage return")
            sink.add(number + 1, "p", "c")
            sink.reject(ReadingProblem("bad_line", number + 1, 1, "no JSON"))
        assert (len(sink.notes), sink.note_count) == (KEPT_NOTES, 2 * (KEPT_NOTES + 500))
        assert (len(sink.problems), sink.problem_count) == (KEPT_PROBLEMS, KEPT_PROBLEMS + 500)
        assert {code: rows.itemsize * len(rows) for code, rows in sink.noted.items()} == {
            "word_read_as_empty": 8 * (KEPT_NOTES + 500),
            "carriage_return": 8 * (KEPT_NOTES + 500),
        }
