"""Objects as other tools write them, turned into pairs, chats and preference pairs. Knows no file.

A shape is told by its keys. What cannot be turned over is refused with a reason: nothing is left out in silence.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

Object = dict[str, Any]
SPEAKERS: Final = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "assistant": "assistant",
    "system": "system",
    "developer": "developer",
    "tool": "tool",
    "observation": "tool",
    "function_response": "tool",
    "function": "function",
}
TALKS: Final = ("conversations", "conversation")
# Question and answer under other names: (the question's key, the answer's keys).
PAIR_NAMES: Final = (
    ("instruction", ("output", "response", "completion", "answer")),
    ("question", ("answer", "response")),
    ("query", ("response", "answer")),
    ("input", ("output", "target", "label")),
)
# Beside `text`, such a name says that the text is no more than what was asked.
ANSWER_NAMES: Final = frozenset(name for _, answers in PAIR_NAMES for name in answers)
# What an export of ours says of a story beside its attributes.
STORY_FACTS: Final = frozenset(
    {
        *("story", "attributes", "id", "position", "repeat", "finish_reason", "model", "prompt_tokens"),
        *("completion_tokens", "sha256", "review", "status", "cost_usd"),
    }
)


class ConversionError(Exception):
    """An object that its shape cannot be read from; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How objects of some tool become rows. `mapping` says it to people."""

    name: str
    mapping: str
    convert: Callable[[Object], Object]


def find_shape(value: Object) -> Shape | None:
    """Tell whose objects these are; None when they are rows already, or nothing that is known."""
    if "messages" in value:
        return ANTHROPIC if isinstance(value.get("system"), str) and isinstance(value["messages"], list) else None
    told = next((shape for shape, is_of in SIGNS if is_of(value)), None)
    if told or {"prompt", "completion"} & {key.lower() for key in value}:
        return told
    return _find_pair_shape(value) or (TEXT if "text" in value and ANSWER_NAMES.isdisjoint(value) else None)


def _find_pair_shape(value: Object) -> Shape | None:
    for question, answers in PAIR_NAMES:
        answer = next((name for name in answers if name in value), None)
        if question in value and answer:
            return _pair_shape(question, answer, value)
    return None


def _turn(speaker: object, text: object, at: int) -> Object:
    role = SPEAKERS.get(speaker.lower()) if isinstance(speaker, str) else None
    if role is None:
        raise ConversionError(f"turn {at} has the unknown speaker {speaker!r:.60}")
    return {"role": role, "content": text}


def _from_sharegpt(value: Object) -> Object:
    name = next((name for name in TALKS if name in value), TALKS[0])
    talk = value.get(name)
    if not isinstance(talk, list) or not talk:
        raise ConversionError(f'"{name}" must be a list of at least one turn')
    messages: list[Object] = []
    if isinstance(value.get("system"), str) and value["system"]:
        messages.append({"role": "system", "content": value["system"]})
    for at, turn in enumerate(talk, start=1):
        if not isinstance(turn, dict):
            raise ConversionError(f"turn {at} must be an object")
        if "role" in turn:
            messages.append({**turn, **_turn(turn["role"], turn.get("content", turn.get("value")), at)})
        else:
            messages.append(_turn(turn.get("from"), turn.get("value"), at) | _weight_of(turn))
    tools = _tools_of(value.get("tools"))
    return {"messages": messages, "tools": tools} if tools else {"messages": messages}


def _weight_of(turn: Object) -> Object:
    """What a turn says about being learned: `weight`, or `loss` as agents' data have it."""
    weight = turn.get("weight", turn.get("loss"))
    return {} if weight in (None, True, 1) else {"weight": 0 if weight is False else weight}


def _tools_of(told: object) -> list[Any] | None:
    """The tools of a talk: a list, or its JSON."""
    if isinstance(told, str) and told.strip():
        try:
            told = json.loads(told)
        except (ValueError, RecursionError) as error:
            raise ConversionError('"tools" is no JSON') from error
    if told in (None, "", [], {}) or (isinstance(told, str) and not told.strip()):
        return None
    if not isinstance(told, list):
        raise ConversionError('"tools" must be a list')
    return [
        one if isinstance(one, dict) and "function" in one else {"type": "function", "function": one} for one in told
    ]


def _from_anthropic(value: Object) -> Object:
    if not isinstance(value.get("messages"), list) or not isinstance(value.get("system", ""), str):
        raise ConversionError('"messages" must be a list, and "system" a text')
    if "system" not in value:
        return value
    rest = {key: other for key, other in value.items() if key != "system"}
    return {**rest, "messages": [{"role": "system", "content": value["system"]}, *value["messages"]]}


def _from_gemini(value: Object) -> Object:
    contents = value.get("contents")
    told = value.get("systemInstruction", value.get("system_instruction"))
    if not isinstance(contents, list) or not contents:
        raise ConversionError('"contents" must be a list of at least one turn')
    messages = [{"role": "system", "content": _gemini_text(told, 0)}] if told else []
    for at, turn in enumerate(contents, start=1):
        if not isinstance(turn, dict):
            raise ConversionError(f"turn {at} must be an object")
        messages.append(_turn(turn.get("role"), _gemini_text(turn, at), at))
    return {"messages": messages}


def _gemini_text(turn: object, at: int) -> str:
    parts = turn.get("parts") if isinstance(turn, dict) else None
    told = [part.get("text") if isinstance(part, dict) else None for part in parts] if isinstance(parts, list) else []
    texts = [text for text in told if isinstance(text, str)]
    if not texts or len(texts) < len(told):
        raise ConversionError(f"turn {at} has parts that are no text")
    return "".join(texts)


def _from_dpo(value: Object) -> Object:
    prompt, chosen, rejected = (
        value.get("prompt", value.get("question", [])),
        value.get("chosen"),
        value.get("rejected"),
    )
    if isinstance(chosen, list) and isinstance(rejected, list):
        shared = [a for a, b in zip(chosen, rejected, strict=False) if a == b]
        before = _as_messages(prompt) or shared
        return _preference(before, chosen[-1:], rejected[-1:])
    if not isinstance(chosen, str) or not isinstance(rejected, str):
        raise ConversionError('"chosen" and "rejected" must both be texts, or both be lists of messages')
    return _preference(
        _as_messages(prompt), [{"role": "assistant", "content": chosen}], [{"role": "assistant", "content": rejected}]
    )


def _as_messages(prompt: object) -> list[Any]:
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return prompt if isinstance(prompt, list) else []


def _preference(before: list[Any], preferred: list[Any], rejected: list[Any]) -> Object:
    return {"input": {"messages": before}, "preferred_output": preferred, "non_preferred_output": rejected}


def _from_batch_output(value: Object) -> Object:
    response = value.get("response")
    body = response.get("body") if isinstance(response, dict) else None
    choices = body.get("choices") if isinstance(body, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    if not isinstance(text, str):
        raise ConversionError(
            f"the request {value.get('custom_id')!r:.80} has no answer in text: {value.get('error')!r:.80}"
        )
    return {"prompt": "", "completion": text, "finish_reason": choice.get("finish_reason")}


def _refuse_batch_input(value: Object) -> Object:
    raise ConversionError("this is a request of a batch: it holds no answer to learn")


def _from_label_studio(value: Object) -> Object:
    told, annotations = value.get("data"), value.get("annotations")
    data = told if isinstance(told, dict) else {}
    asked = [data[name] for name in ("prompt", "instruction", "question", "text") if isinstance(data.get(name), str)]
    done = [one for one in annotations if isinstance(one, dict)] if isinstance(annotations, list) else []
    results = [result for one in done if not one.get("was_cancelled") for result in _results_of(one)]
    answers = [answer for answer in map(_label_studio_answer, results) if answer is not None]
    if not asked or not answers:
        raise ConversionError("the task has no text, or no annotation with a text or a choice")
    return {"prompt": asked[0], "completion": answers[0]}


def _results_of(annotation: Object) -> list[Object]:
    results = annotation.get("result")
    return [result for result in results if isinstance(result, dict)] if isinstance(results, list) else []


def _label_studio_answer(result: Object) -> str | None:
    told = result.get("value")
    found = (told.get("text") or told.get("choices")) if isinstance(told, dict) else None
    if isinstance(found, list) and all(isinstance(one, str) for one in found):
        return "\n".join(found)
    return found if isinstance(found, str) else None


def _pair_shape(question: str, answer: str, value: Object) -> Shape:
    """Alpaca's three keys and their relatives; with a history or a system message they are talks."""
    further = next((name for name in ("input", "context") if question == "instruction" and name in value), None)
    is_talk = question == "instruction" and ("history" in value or "system" in value)
    asked = f"{question} + {further}" if further else question

    def convert(row: Object) -> Object:
        if question not in row or answer not in row:
            raise ConversionError(f'"{question if question not in row else answer}" is missing')
        more = row.get(further) if further else None
        prompt = f"{row[question]}\n\n{more}" if isinstance(more, str) and more else row[question]
        used = {question, answer, further, "history", "system"}
        if is_talk:
            return {"messages": _talk_of(row, prompt, row[answer])}
        return {"prompt": prompt, "completion": row[answer], **{k: v for k, v in row.items() if k not in used}}

    target = "messages" if is_talk else "prompt and completion"
    return Shape("alpaca" if question == "instruction" else "pairs", f"{asked}, {answer} → {target}", convert)


def _talk_of(row: Object, prompt: object, answer: object) -> list[Object]:
    history = row.get("history") or []
    if not isinstance(history, list) or not all(isinstance(turn, list) and len(turn) == 2 for turn in history):
        raise ConversionError('"history" must be a list of pairs')
    messages: list[Object] = [{"role": "system", "content": row["system"]}] if row.get("system") else []
    for asked, answered in [*history, (prompt, answer)]:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    return messages


def _from_text(value: Object) -> Object:
    if "text" not in value:
        raise ConversionError('"text" is missing')
    rest = {key: other for key, other in value.items() if key != "text"}
    return {"prompt": "", "completion": value["text"], **rest}


def _from_story(value: Object) -> Object:
    """Our own export: the prompt is the attributes' values, as a dataset of the run has it."""
    told = value.get("attributes")
    named = {key: other for key, other in value.items() if key not in STORY_FACTS}
    attributes = told if isinstance(told, dict) else named
    if not isinstance(value.get("story"), str):
        raise ConversionError('"story" must be a text')
    prompt = ",".join(map(str, attributes.values()))
    return {"prompt": prompt, "completion": value["story"], "finish_reason": value.get("finish_reason")}


STORY: Final = Shape("story", "attributes, story → prompt, completion", _from_story)
SHAREGPT: Final = Shape("sharegpt", "from and value → role and content", _from_sharegpt)
ANTHROPIC: Final = Shape("anthropic", "system → the first message", _from_anthropic)
GEMINI: Final = Shape("gemini", "contents with parts → messages", _from_gemini)
DPO: Final = Shape("dpo", "prompt, chosen, rejected → a preference pair", _from_dpo)
BATCH_OUTPUT: Final = Shape("batch_output", "the first choice's text → completion, with no prompt", _from_batch_output)
BATCH_INPUT: Final = Shape("batch_input", "", _refuse_batch_input)
LABEL_STUDIO: Final = Shape("label_studio", "data and the first annotation → prompt and completion", _from_label_studio)
TEXT: Final = Shape("text", "text → completion, with no prompt", _from_text)
# How each is told by the first object of a file.
SIGNS: Final[tuple[tuple[Shape, Callable[[Object], bool]], ...]] = (
    (SHAREGPT, lambda value: any(isinstance(value.get(name), list) for name in TALKS)),
    (DPO, lambda value: {"chosen", "rejected"} <= value.keys()),
    (GEMINI, lambda value: isinstance(value.get("contents"), list)),
    (BATCH_OUTPUT, lambda value: {"custom_id", "response"} <= value.keys()),
    (BATCH_INPUT, lambda value: {"custom_id", "body"} <= value.keys()),
    (LABEL_STUDIO, lambda value: isinstance(value.get("data"), dict) and "annotations" in value),
    (STORY, lambda value: isinstance(value.get("story"), str) and not {"prompt", "completion"} & value.keys()),
)
