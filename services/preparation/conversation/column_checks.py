"""Checks of the column names."""

from services.preparation.conversation.outcome import CheckOutcome

FIELDS = ("prompt", "completion")


def check_column(columns: list[str], name: str) -> tuple[CheckOutcome, list[str]]:
    """The column must be called exactly `name`; another case is renamed. Returns the names afterwards."""
    if name in columns:
        return CheckOutcome("necessary_column"), columns
    found = next((column for column in columns if column.lower() == name), None)
    if found is None:
        error = f"`{name}` column/key is missing. Please make sure you name your columns/keys appropriately, then retry"
        return CheckOutcome("necessary_column", error=error), columns
    outcome = CheckOutcome(
        "necessary_column",
        f"\n- The `{name}` column/key should be lowercase",
        necessary=f"Lower case column name to `{name}`",
    )
    return outcome, [name if column == found else column for column in columns]


def check_additional_columns(columns: list[str]) -> CheckOutcome:
    """Columns beside prompt and completion are dropped."""
    if len(columns) <= len(FIELDS):
        return CheckOutcome("additional_column")
    additional = [column for column in columns if column not in FIELDS]
    warnings = "".join(
        f"\n  WARNING: Some of the additional columns/keys contain `{name}` in their name. These will be ignored, and "
        f"the column/key `{name}` will be used instead. This could also result from a duplicate column/key in the "
        "provided file."
        for name in additional
    )
    return CheckOutcome(
        "additional_column",
        "\n- The input file should contain exactly two columns/keys per row. Additional columns/keys present are: "
        f"{additional}{warnings}",
        necessary=f"Remove additional columns/keys: {additional}",
    )
