"""The public tool's own reading calls, for input that is not plain."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, slots=True)
class PandasTable:
    """All cells as text, by column, and what the tool says about the format beside its announcement."""

    columns: list[str]
    values: dict[str, list[str]]
    extra_message: str | None = None
    necessary: str | None = None


def read_with_pandas(path: str, extension: str) -> PandasTable:
    """Read as the tool does.

    Raises:
        ValueError, TypeError: the tool says that the file is not in a valid format.
    """
    if extension in (".csv", ".tsv"):
        return _table(pd.read_csv(path, sep="," if extension == ".csv" else "\t", dtype=str))
    if extension == ".xlsx":
        return _read_workbook(path)
    if extension == ".txt":
        with open(path, encoding="utf-8") as text:
            lines = text.read().split("\n")
        return PandasTable(["prompt", "completion"], {"prompt": [""] * len(lines), "completion": lines})
    return _read_json(path, extension)


def _read_workbook(path: str) -> PandasTable:
    extra = None
    with pd.ExcelFile(path, engine="openpyxl") as book:
        sheet_count = len(book.sheet_names)
    if sheet_count > 1:
        extra = (
            "\n- Your Excel file contains more than one sheet. Please either save as csv or ensure all data is present "
            "in the first sheet. WARNING: Reading only the first sheet..."
        )
    return _table(pd.read_excel(path, dtype=str, engine="openpyxl"), extra)


def _read_json(path: str, extension: str) -> PandasTable:
    # The stubs know `dtype` only as a mapping; the tool passed the type itself.
    lines = pd.read_json(path, lines=True, dtype=str)  # type: ignore[call-overload]
    if extension == ".jsonl" and len(lines) != 1:
        return _table(lines)
    if extension == ".json" and len(lines) != 1:
        extra = "\n- Your JSON file appears to be in a JSONL format. Your file will be converted to JSONL format"
        return _table(lines, extra, "Your format `JSON` will be converted to `JSONL`")
    document = _table(pd.read_json(path, dtype=str))  # type: ignore[call-overload]
    if extension == ".json":
        return document
    extra = "\n- Your JSONL file appears to be in a JSON format. Your file will be converted to JSONL format"
    return PandasTable(document.columns, document.values, extra, "Your format `JSON` will be converted to `JSONL`")


def _table(frame: pd.DataFrame, extra: str | None = None, necessary: str | None = None) -> PandasTable:
    filled = frame.fillna("")
    columns = [str(column) for column in filled.columns]
    values = {name: [str(v) for v in filled.iloc[:, i]] for i, name in enumerate(columns)}
    return PandasTable(columns, values, extra, necessary)
