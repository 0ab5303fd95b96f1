"""The article's code against a server: everything that openai 0.27.4 does with completions. Prints JSON."""

import json
import sys

import backoff
import openai

openai.api_base = sys.argv[1]
model, prompt = sys.argv[2], sys.argv[3]


@backoff.on_exception(backoff.expo, openai.error.RateLimitError)
def complete(**arguments):
    """The article's retrying call."""
    return openai.Completion.create(**arguments)


def name_of_error(call):
    """The class and code of the error that a call raises."""
    try:
        call()
    except openai.error.OpenAIError as error:
        return [type(error).__name__, getattr(error, "code", None), error.http_status, error.request_id]
    return None


def stream(**arguments):
    """The article's loop over a stream."""
    return "".join(chunk["choices"][0]["text"] for chunk in openai.Completion.create(stream=True, **arguments))


fields = {"max_tokens": 2048, "temperature": 0.5, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0}
whole = complete(engine=model, prompt=prompt, **fields)
chat = openai.ChatCompletion.create(model=model, messages=[{"role": "user", "content": prompt}])
chat_stream = openai.ChatCompletion.create(model=model, messages=[{"role": "user", "content": prompt}], stream=True)
print(
    json.dumps(
        {
            "whole": whole.choices[0].text,
            "usage": whole.usage.to_dict(),
            "by_model": complete(model=model, prompt=prompt).choices[0].text,
            "many": [choice.text for choice in complete(model=model, prompt=[prompt, "b"], n=2).choices],
            "streamed": stream(model=model, prompt=prompt, temperature=0.7, max_tokens=2000, stop=["."]),
            "streamed_by_engine": stream(engine=model, prompt=prompt),
            "chat": chat.choices[0].message.content,
            "chat_streamed": "".join(chunk.choices[0].delta.get("content", "") for chunk in chat_stream),
            "timeout_field": complete(model=model, prompt=prompt, timeout=5).choices[0].text,
            "models": [item.id for item in openai.Model.list().data],
            "model": openai.Model.retrieve(model).id,
            "engines": [item.id for item in openai.Engine.list().data],
            "unknown_model": name_of_error(lambda: openai.Completion.create(model="nobody", prompt="x")),
            "wrong_type": name_of_error(lambda: openai.Completion.create(model=model, prompt="x", max_tokens="many")),
            "file_probe": name_of_error(lambda: openai.File.retrieve("data/prepared_data_prepared.jsonl")),
            "wrong_key": name_of_error(lambda: openai.Model.list(api_key="sm_wrong")),
        }
    )
)
