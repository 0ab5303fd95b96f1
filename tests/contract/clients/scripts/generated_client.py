"""What a client does that openapi-python-client has made, in ./made: a chat, a file, a job, an error. Prints JSON."""

import json
import os
import sys
from io import BytesIO

from made import AuthenticatedClient
from made.api.chat import create_chat_completion
from made.api.files import create_file, read_files
from made.api.fine_tuning import create_job
from made.models import ChatMessage, ChatRequest, CreateFileBody, ErrorAnswer, JobRequest
from made.types import File

model, prompt = sys.argv[1:]
client = AuthenticatedClient(base_url=os.environ["BASE_URL"], token=os.environ["OPENAI_API_KEY"])
messages = [ChatMessage(role="user", content=prompt)]

chat = create_chat_completion.sync(client=client, body=ChatRequest(messages=messages, model=model))
rows = BytesIO(b'{"prompt": "a ->", "completion": " b"}\n' * 12)
upload = CreateFileBody(file=File(payload=rows, file_name="rows.jsonl"), purpose="fine-tune")
file = create_file.sync(client=client, body=upload)
files = read_files.sync(client=client)
job = create_job.sync(client=client, body=JobRequest(model=model, training_file=file.id))
error = create_chat_completion.sync(client=client, body=ChatRequest(messages=messages, model="nobody"))
assert isinstance(error, ErrorAnswer)
told = {
    "chat": chat.choices[0].message.content,
    "tokens": chat.usage.total_tokens,
    "file": [file.id, file.bytes_],
    "files": [one.id for one in files.data],
    "job": [job.object_, job.status.value, job.training_file],
    "error": [error.error.param, error.error.code],
}
print(json.dumps(told))
