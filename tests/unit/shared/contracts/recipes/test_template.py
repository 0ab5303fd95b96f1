"""Templates: what they may do, and what they may not."""

import contextlib
import time

import pytest

from shared.contracts.recipes.errors import TemplateError
from shared.contracts.recipes.template import MAX_PROMPT_BYTES, compile_template


def test_placeholders_conditions_and_plain_filters_render() -> None:
    template = compile_template("{{ a|upper }}{% if b == 'x' %}, {{ b ~ '!' }}{% else %}.{% endif %}\n")
    assert template.render({"a": "q", "b": "x"}) == "Q, x!\n"
    assert template.render({"a": "q", "b": "y"}) == "Q.\n"
    assert template.names == {"a", "b"}


def test_values_are_not_templates_and_not_escaped() -> None:
    assert compile_template("{{ a }}").render({"a": "{{ b }} <唐>"}) == "{{ b }} <唐>"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{% for x in a %}{{ x }}{% endfor %}", "loops"),
        ("{% for i in range(10**9) %}x{% endfor %}", "loops"),
        ("{{ a.__class__ }}", "attributes of values"),
        ("{{ a['__class__'] }}", "parts of values"),
        ("{{ ''.__class__.__mro__ }}", "attributes of values"),
        ("{{ a() }}", "calls"),
        ("{{ a.upper() }}", "not allowed"),
        ("{{ 'x' * 1000000000 }}", "Mul"),
        ("{{ 9 ** 999999999 }}", "Pow"),
        ("{{ '%1000000000d' % 1 }}", "Mod"),
        ("{{ a|center(1000000000) }}", "center"),
        ("{{ a|attr('__class__') }}", "attr"),
        ("{{ a|replace('', 'xxxx') }}", "replace"),
        ("{% set b = a %}", "assignments"),
        ("{% macro m() %}{% endmacro %}", "macros"),
        ("{% include 'x' %}", "includes"),
        ("{% import 'x' as y %}", "imports"),
        ("{% extends 'x' %}", "inheritance"),
        ("{% block b %}{% endblock %}", "blocks"),
        ("{% filter upper %}x{% endfilter %}", "FilterBlock"),
        ("{{ _a }}", "underscore"),
        ("{{ [a, a] }}", "List"),
        ("{{ {1: a} }}", "Dict"),
        ("{{ a", "line 1"),
        ("{% if a %}", "line 1"),
        ("{{ a|nosuch }}", "nosuch"),
        ("{{ a is callable }}", "Test"),
        ("{{ " + "9" * 5000 + " }}", "cannot be read"),
        ("{{ a" + " ~ a" * 400 + " }}", "joined by '~'"),
        ("{{ " + "a<" * 7000 + "a }}", "more than 1000 parts"),
        ("{{a}}" * 1100, "more than 1000 parts"),
    ],
)
def test_a_template_that_does_more_than_fill_in_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(text)
    assert said in caught.value.message


def test_a_prompt_of_a_megabyte_is_refused_without_being_built() -> None:
    template = compile_template("{{ a }}" * 300)
    with pytest.raises(TemplateError, match=str(MAX_PROMPT_BYTES)):
        template.render({"a": "字" * 4096})


@pytest.mark.parametrize(
    "text",
    [
        "x" * 17_000,
        "{{ " + "(" * 5000 + "a" + ")" * 5000 + " }}",
        "{% if a %}" * 700 + "{% endif %}" * 700,
        "{{ " + "not " * 4000 + "a }}",
        "{{ " + "a ~ " * 3000 + "a }}",
    ],
)
def test_a_template_that_would_exhaust_the_parser_ends_quickly(text: str) -> None:
    started = time.monotonic()
    with contextlib.suppress(TemplateError):
        compile_template(text)
    assert time.monotonic() - started < 5


def test_an_unknown_name_is_an_error_and_not_an_empty_text() -> None:
    with pytest.raises(TemplateError, match="nobody"):
        compile_template("{{ nobody }}").render({})
