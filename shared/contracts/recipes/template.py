"""Prompt templates: Jinja2 cut down to placeholders, conditions and a few harmless filters.

A node that is not on the list is refused, so there are no loops, calls, imports, attributes or arithmetic, and a
rendered prompt cannot be much larger than template and values. For the gateway (checks) and the workers (renders)."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from shared.contracts.recipes.errors import TemplateError

MAX_TEMPLATE_BYTES: Final = 16 * 1024
MAX_PROMPT_BYTES: Final = 64 * 1024
MAX_TEMPLATE_NODES: Final = 1_000
"""Texts, names, values, comparisons and the like: what they become is compiled by Python in one go, which holds up
whatever else the process does, some 15 µs each."""
MAX_JOINED_VALUES: Final = 256
"""In all `~` of a template. The size of what they make is seen only once it is made: 1 MB, with the longest values."""
COMPILED_TEMPLATES: Final = 128
ALLOWED_FILTERS: Final = frozenset(
    {"upper", "lower", "title", "capitalize", "trim", "length", "default", "string", "int"}
)
ALLOWED_NODES: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Concat,
    nodes.Filter,
)
REFUSED_WORDS: Final = {
    nodes.For: "loops ({% for %})",
    nodes.Getattr: "attributes of values (a.b)",
    nodes.Getitem: "parts of values (a[b])",
    nodes.Call: "calls",
    nodes.Assign: "assignments ({% set %})",
    nodes.Macro: "macros",
    nodes.Include: "includes",
    nodes.Import: "imports",
    nodes.FromImport: "imports",
    nodes.Extends: "inheritance",
    nodes.Block: "blocks",
}


class PromptTemplate:
    """A checked template, ready to render."""

    def __init__(self, compiled: Template, names: frozenset[str]) -> None:
        self._compiled = compiled
        self.names = names
        """The attributes that it asks for."""

    def render(self, attributes: Mapping[str, Any]) -> str:
        """Return the prompt of a cell. Raises: TemplateError when it is too large or an attribute is missing."""
        parts: list[str] = []
        size = 0
        try:
            for part in self._compiled.generate(attributes):
                size += len(part.encode())
                if size > MAX_PROMPT_BYTES:
                    raise TemplateError(f"template: the prompt is larger than {MAX_PROMPT_BYTES} bytes.")
                parts.append(part)
        except UndefinedError as error:
            raise TemplateError(f"template: {error.message}.") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise TemplateError(f"template: cannot be rendered: {error}.") from error
        return "".join(parts)


@lru_cache(COMPILED_TEMPLATES)
def compile_template(text: str) -> PromptTemplate:
    """Check and compile a template. Raises: TemplateError that says what is not allowed, and where."""
    if len(text.encode()) > MAX_TEMPLATE_BYTES:
        raise TemplateError(f"template: is larger than {MAX_TEMPLATE_BYTES} bytes.")
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    environment.globals.clear()
    try:
        tree = environment.parse(text)
        _check_nodes(tree)
        return PromptTemplate(environment.from_string(tree), frozenset(find_undeclared_variables(tree)))
    except TemplateSyntaxError as error:
        raise TemplateError(f"template: line {error.lineno}: {error.message}") from error
    except (RecursionError, SyntaxError, MemoryError) as error:
        raise TemplateError("template: is nested too deeply.") from error
    except ValueError as error:
        raise TemplateError(f"template: cannot be read: {error}.") from error


def _check_nodes(tree: nodes.Template) -> None:
    if sum(1 for _ in tree.find_all(nodes.Node)) > MAX_TEMPLATE_NODES:
        raise TemplateError(f"template: has more than {MAX_TEMPLATE_NODES} parts.")
    joined = sum(1 for concat in tree.find_all(nodes.Concat) for _ in concat.find_all(nodes.Name))
    if joined > MAX_JOINED_VALUES:
        raise TemplateError(
            f"template: more than {MAX_JOINED_VALUES} values joined by '~'; write {{{{ a }}}}{{{{ b }}}}."
        )
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, ALLOWED_NODES):
            what = REFUSED_WORDS.get(type(node), f"'{type(node).__name__}' expressions")
            raise TemplateError(f"template: line {node.lineno}: {what} are not allowed in a recipe's template.")
        if isinstance(node, nodes.Filter) and node.name not in ALLOWED_FILTERS:
            raise TemplateError(
                f"template: line {node.lineno}: the filter '{node.name}' is not allowed; "
                f"these are: {', '.join(sorted(ALLOWED_FILTERS))}."
            )
        if isinstance(node, nodes.Name) and node.name.startswith("_"):
            raise TemplateError(f"template: line {node.lineno}: names do not begin with an underscore.")
