"""The outcome of a preparation for people: in the terminal and as one self-contained HTML page."""
