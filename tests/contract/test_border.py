"""One border for what comes in: no place but the storable module mends a text, none but the border reads what providers
send. Exceptions are listed with their reason; one that is not needed any more must go."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.stack import PROJECT_ROOT

HOME = "shared/contracts/storable.py"
BORDER = "shared/outside/providers/border/"
OUR_ROOTS = ("shared", "services/gateway", "services/streaming", "services/workers", "services/preparation")
MENDING_ERRORS = {"replace", "backslashreplace", "surrogatepass", "surrogateescape"}
UNSTORABLE = ("\x00", "\\u0000", "\\x00", "\ufffd")

MAY_NAME_WHAT_CANNOT_BE_KEPT = {
    "services/gateway/fine_tuning/schemas.py": "refuses control characters in a request",
    "services/gateway/http/json_request.py": "the words of a refusal",
    "services/preparation/conversation/column_profile.py": "separates texts of a column in memory",
    "services/gateway/datasets/encoding_check.py": "tells a text file from others by its bytes",
    "services/gateway/generations/workbook_export.py": "leaves out what no workbook can hold",
    "services/preparation/near_duplicates/signatures.py": "hashes whatever characters a row has",
    "services/preparation/findings/pattern_checks.py": "finds such characters in training rows, and says so",
    "services/preparation/fixes/text_repairs.py": "a fix that a client asks for takes them out of training rows",
    "services/preparation/reading/binary_kind.py": "knows files that are no text by how they begin",
    "services/preparation/reading/delimited.py": "shows the bytes of a line that is no text",
    "services/preparation/reading/json_lines.py": "shows the bytes of a line that is no text",
    "services/preparation/reading/plain_text.py": "shows the bytes of a line that is no text",
    "services/workers/batches/file_check.py": "hashes whatever a client names a line",
    "services/gateway/batches/service.py": "spells a reason in a header, which is ASCII",
    "shared/texts/plausibility.py": "tells letters from signs",
    "services/preparation/reading/source_file.py": "looks at a sample to tell the form of a file",
    "shared/texts/file_encoding.py": "looks at a sample to tell its encoding",
    "services/preparation/reading/workbook_cells.py": "joins halves of characters that a workbook's escapes wrote",
    "services/preparation/tokenizers/model_view.py": "what a tokenizer gives for a part of a character",
    "shared/auth/keys.py": "hashes whatever a client sends as its key",
    "shared/auth/tickets.py": "hashes whatever a client sends as its ticket",
    "shared/texts/training_rows.py": "names a row of which only a patient parser took a field that nobody reads",
    "shared/http/request_limits.py": "refuses a URL that holds one",
}
MAY_PARSE = {
    "shared/outside/prices/schema.py": "price files, TOML of ours and of the operator",
    "shared/outside/providers/configuration.py": "the operator's settings, TOML",
    "shared/outside/providers/toml_lines.py": "the operator's settings, TOML",
    "services/workers/batches/line_check.py": "a client's file, line by line, each a request",
    "services/workers/deliveries/sink_process.py": "answers of our own child process",
    "services/workers/deliveries/sinks/__main__.py": "orders of our own worker, in a child that may lack our packages",
    "services/workers/generation/first_calls.py": "what our workers wrote to Redis",
    "services/workers/generation/run.py": "a batch's own bodies, as its check wrote them",
    "services/workers/preparing/origins.py": "a file that we wrote",
    "services/workers/preparing/recording.py": "a file that our own child process wrote",
    "services/workers/preparing/task.py": "a file that our own child process wrote",
    "services/workers/preparing/version_identity.py": "a file that we wrote",
    "services/workers/providers/dialect_store.py": "what our workers wrote to Redis",
    "services/workers/providers/health.py": "what our workers wrote to Redis",
}
PARSERS = frozenset({"loads", "model_validate_json", "raw_decode", "reader", "DictReader"})
MAY_CUT = {
    "services/workers/deliveries/sinks/__main__.py": "a child that may lack our packages; its worker mends the answer",
    "services/workers/deliveries/sinks/mlflow_sink.py": "what the tracker takes, not what we keep",
    "services/workers/fine_tuning/register/legacy_names.py": "a part of a name, of letters, digits and dashes",
}
LONG_CUT = 100
"""Shorter slices are of ids, hashes and excerpts inside a message of ours."""


def parse_sources(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield the path and tree of each of our files."""
    for folder in folders:
        for path in sorted((PROJECT_ROOT / folder).rglob("*.py")):
            yield str(Path(path).relative_to(PROJECT_ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def names_unstorable(tree: ast.Module) -> bool:
    """Say whether a file spells a character that cannot be kept, or an error handler that mends texts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
            if any(mark in text for mark in UNSTORABLE):
                return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            given = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "errors")]
            handlers = {item.value for item in given if isinstance(item, ast.Constant) and isinstance(item.value, str)}
            if name in {"encode", "decode", "open", "TextIOWrapper", "str"} and handlers & {*MENDING_ERRORS, "ignore"}:
                return True
    return False


def parses_bytes(tree: ast.Module) -> bool:
    """Say whether a file calls `loads`, `model_validate_json`, a reader of CSV, or the `json` of an answer."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    named = {(node.func.attr, bool(node.args)) for node in calls if isinstance(node.func, ast.Attribute)}
    return any(name in PARSERS and given for name, given in named) or ("json", False) in named


def cuts_texts(tree: ast.Module) -> bool:
    """Say whether a file slices off all but the first many of something, by number or by a constant of characters."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Slice) or node.lower is not None or node.upper is None:
            continue
        upper = node.upper
        if isinstance(upper, ast.Constant) and isinstance(upper.value, int) and upper.value >= LONG_CUT:
            return True
        if isinstance(upper, ast.Name) and any(word in upper.id for word in ("LONGEST", "CHARACTERS", "CHARS")):
            return True
    return False


def test_only_the_storable_module_mends_texts() -> None:
    found = {path for path, tree in parse_sources(*OUR_ROOTS) if names_unstorable(tree)} - {HOME}
    assert sorted(found) == sorted(MAY_NAME_WHAT_CANNOT_BE_KEPT)


def test_only_the_border_reads_what_a_provider_sends() -> None:
    """Answers of others arrive in workers and `shared.outside`; elsewhere we read our clients and ourselves."""
    found = {path for path, tree in parse_sources("shared/outside", "services/workers") if parses_bytes(tree)}
    assert sorted(path for path in found if not path.startswith(BORDER)) == sorted(MAY_PARSE)


def test_only_the_storable_module_cuts_what_is_kept() -> None:
    sources = parse_sources("shared/outside", "shared/stores", "services/workers")
    assert sorted(path for path, tree in sources if cuts_texts(tree)) == sorted(MAY_CUT)
