"""litellm's responses and batches. Prints JSON."""

import json
import sys
import time

import litellm

base_url, key, model, prompt = sys.argv[1:]
server = {"api_base": base_url, "api_key": key}
whole = litellm.responses(model=f"openai/{model}", input=prompt, **server)
events = list(litellm.responses(model=f"openai/{model}", input=prompt, stream=True, **server))
stored = litellm.get_responses(response_id=whole.id, custom_llm_provider="openai", **server)
deleted = litellm.delete_responses(response_id=whole.id, custom_llm_provider="openai", **server)

line = {
    "custom_id": "one",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": model, "messages": [{"role": "user", "content": prompt}]},
}
openai = {"custom_llm_provider": "openai", **server}
asked = ("asked.jsonl", json.dumps(line).encode())
file = litellm.create_file(file=asked, purpose="batch", **openai)
batch = litellm.create_batch(
    input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"}, **openai
)
deadline = time.monotonic() + 60
while batch.status not in {"completed", "failed"} and time.monotonic() < deadline:
    time.sleep(0.2)
    batch = litellm.retrieve_batch(batch_id=batch.id, **openai)
listed = litellm.list_batches(limit=5, **openai)
answered = json.loads(litellm.file_content(file_id=batch.output_file_id, **openai).content)
print(
    json.dumps(
        {
            "whole": whole.output_text,
            "usage": whole.usage.total_tokens,
            "events": [str(getattr(event.type, "value", event.type)) for event in events],
            "streamed": "".join(event.delta for event in events if event.type == "response.output_text.delta"),
            "stored": stored.output_text,
            "deleted": deleted.deleted,
            "batch": [batch.status, batch.metadata],
            "listed": [one.id for one in listed.data] == [batch.id],
            "answered": [answered["custom_id"], answered["response"]["body"]["choices"][0]["message"]["content"]],
        }
    )
)
