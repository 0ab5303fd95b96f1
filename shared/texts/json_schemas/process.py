"""`python -m shared.texts.json_schemas.process`: a JSON schema on the first line of the standard input, then texts,
each as
a JSON string on a line; answered by a line each: what is wrong, or null. The first answer is about the schema.

In a process of its own, since a small schema may ask for more time than there is (references that double on every
level),
and its evaluation holds the interpreter's lock. Each answer may take a second of a processor, then the system ends this
process. Patterns are matched in linear time, nothing is fetched. Ends with its standard input, and not when it is
asked to."""

import resource
import signal
import sys
from collections.abc import Callable
from typing import IO, Any, Final

import orjson
from jsonschema_rs import ReferencingError, RegexOptions, ValidationError, Validator, validator_for

ANSWER_SECONDS: Final = 1.0
"""Of a processor, for the schema and for each text; what people write takes a thousandth."""
MOST_BYTES: Final = 1 << 30
"""Of address space."""
PATTERN_BYTES: Final = 1 << 20
"""What one pattern may be compiled to."""
LONGEST_ANSWER: Final = 300
SHOWN_VALUE: Final = "the value"
"""Stands for a value in the reasons: it may be the whole text."""


class BadSchemaError(Exception):
    """It is no schema that texts could be held to; the message says why."""


def compile_schema(schema: Any) -> Validator:
    """Return what texts are held to. Raises: BadSchemaError when it is no schema, or leads outside of itself."""
    patterns = RegexOptions(size_limit=PATTERN_BYTES, dfa_size_limit=PATTERN_BYTES)
    try:
        return validator_for(schema, pattern_options=patterns, mask=SHOWN_VALUE, offline=True, validate_formats=True)
    except (ValidationError, ReferencingError, ValueError, RecursionError) as error:
        raise BadSchemaError(describe(error)) from error


def find_breach(validator: Validator, text: str) -> str | None:
    """Return why a text is not what its schema asks for; None when it is."""
    try:
        validator.validate(orjson.loads(text))
    except orjson.JSONDecodeError:
        return "is no JSON"
    except (ValidationError, ValueError, RecursionError) as error:
        return f"breaks the schema {describe(error)}"
    return None


def describe(error: Exception) -> str:
    """Return an error in a line, with its place if it has one."""
    if not isinstance(error, ValidationError):
        return str(error).split("\n")[0]
    place = "".join(f"/{part}" for part in error.instance_path)
    return f"at {place}: {error.message}" if place else f"at its top: {error.message}"


def answer(words: Callable[[], str | None], answers: IO[bytes]) -> None:
    """Write an answer, or be ended when it takes too long."""
    signal.setitimer(signal.ITIMER_PROF, ANSWER_SECONDS)
    found = words()
    signal.setitimer(signal.ITIMER_PROF, 0)
    shown = found if found is None or len(found) <= LONGEST_ANSWER else f"{found[: LONGEST_ANSWER - 1]}…"
    answers.write(orjson.dumps(shown) + b"\n")
    answers.flush()


def main(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until nobody asks any more; of a schema that is none, say so and end."""
    validators: list[Validator] = []

    def read_schema() -> str | None:
        try:
            validators.append(compile_schema(orjson.loads(questions.readline())))
        except BadSchemaError as error:
            return str(error)
        return None

    answer(read_schema, answers)
    for line in questions if validators else ():
        text = orjson.loads(line)
        answer(lambda text=text: find_breach(validators[0], text), answers)  # type: ignore[misc]


if __name__ == "__main__":
    for asked in (signal.SIGINT, signal.SIGTERM):  # the whole group gets them; who asks may have texts to ask about yet
        signal.signal(asked, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main(sys.stdin.buffer, sys.stdout.buffer)
