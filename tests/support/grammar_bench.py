"""Writes texts of random tokens that a grammar allows: what comes of the worst of models."""

import random
from typing import Any

import torch

from services.engine.constraints.compiler import CompiledGrammar, GrammarCompiler

LONGEST_TEXT = 3000


class GrammarBench:
    """Compiles for one tokenizer and writes with it."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.end: int = tokenizer.eos_token_id
        self.compiler = GrammarCompiler(tokenizer, len(tokenizer), [self.end], most_bytes=8192)

    def write(self, grammar: CompiledGrammar, seed: int) -> str:
        """Return a text that ended by itself. Raises: AssertionError when it never does."""
        constraint, dice, tokens = grammar.start(), random.Random(seed), list[int]()
        while not constraint.complete and len(tokens) < LONGEST_TEXT:
            allowed = torch.nonzero(~constraint.get_forbidden()).flatten().tolist()
            token = self.end if self.end in allowed and dice.random() < 0.2 else dice.choice(allowed)
            if token == self.end:
                break
            constraint.accept(token)
            tokens.append(token)
        assert len(tokens) < LONGEST_TEXT, "the text never ended"
        return str(self.tokenizer.decode(tokens))
