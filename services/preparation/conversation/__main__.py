"""`python -m services.preparation.conversation -f FILE [-q]`: the public tool under its own options, quick to start."""

import argparse
import sys

from services.preparation.conversation.dialogue import Streams, prepare_like_the_public_tool


def main() -> int:
    """Prepare one file; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-f", "--file", required=True)
    parser.add_argument("-q", "--quiet", action="store_true", help="Accept every recommendation, ask nothing.")
    options = parser.parse_args()

    def ask(question: str) -> bool:
        sys.stdout.write(question + ("Y\n" if options.quiet else ""))
        sys.stdout.flush()
        return options.quiet or input().lower() != "n"

    return prepare_like_the_public_tool(options.file, Streams(sys.stdout, sys.stderr, ask))


if __name__ == "__main__":
    sys.exit(main())
