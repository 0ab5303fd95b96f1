// The official client of JavaScript with only base URL and key set: chats, responses, files, batches, errors. Prints JSON.
import OpenAI, { toFile } from 'openai';

const [model, prompt] = process.argv.slice(2);
const client = new OpenAI({ maxRetries: 0 });
const messages = [{ role: 'user', content: prompt }];

const gather = async (stream, read) => {
  let text = '';
  for await (const piece of stream) text += read(piece) ?? '';
  return text;
};
const nameError = async (asked) => {
  try {
    await asked;
  } catch (error) {
    return [error.constructor.name, error.status, error.code ?? null, error.param ?? null, error.requestID?.slice(0, 4)];
  }
};
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const chat = await client.chat.completions.create({ model, messages });
const chunks = await client.chat.completions.create({ model, messages, stream: true });
const helped = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
const response = await client.responses.create({ model, input: prompt });
const events = [];
const responseStream = client.responses.stream({ model, input: prompt });
for await (const event of responseStream) events.push(event.type);
const background = await client.responses.create({ model, input: prompt, background: true });
let read = background;
while (!['completed', 'failed'].includes(read.status)) {
  await sleep(100);
  read = await client.responses.retrieve(background.id);
}

const line = (model) => JSON.stringify({ custom_id: 'one', method: 'POST', url: '/v1/chat/completions', body: { model, messages } });
const upload = async (lines) => client.files.create({ file: await toFile(Buffer.from(lines), 'asked.jsonl'), purpose: 'batch' });
const runBatch = async (file) => {
  const asked = { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h', metadata: { client: 'node' } };
  let batch = await client.batches.create(asked);
  while (!['completed', 'failed'].includes(batch.status)) {
    await sleep(200);
    batch = await client.batches.retrieve(batch.id);
  }
  return batch;
};
const file = await upload(line(model));
const listed = [];
for await (const one of client.files.list({ purpose: 'batch' })) listed.push(one.id);
const batch = await runBatch(file);
const answered = JSON.parse(await (await client.files.content(batch.output_file_id)).text());
const refused = await runBatch(await upload(line('nobody')));

const told = {
  chat: chat.choices[0].message.content,
  chat_usage: chat.usage.total_tokens,
  request_id: chat._request_id.slice(0, 4),
  chat_streamed: await gather(chunks, (chunk) => chunk.choices[0]?.delta.content),
  chat_helped: await helped.finalContent(),
  helped_usage: (await helped.totalUsage()).total_tokens,
  response: response.output_text,
  response_streamed: (await responseStream.finalResponse()).output_text,
  events: [events[0], events.at(-1)],
  background: [background.status, read.status, read.output_text],
  file: [file.filename, file.bytes, file.purpose],
  content: (await (await client.files.content(file.id)).text()) === line(model),
  listed: listed.includes(file.id),
  batch: [batch.status, batch.request_counts, batch.metadata],
  answered: [answered.custom_id, answered.response.body.choices[0].message.content],
  refused: [refused.status, refused.errors?.data?.map((error) => [error.code, error.line])],
  deleted: (await client.files.delete(file.id)).deleted,
  models: (await client.models.list()).data.map((one) => one.id),
  errors: [
    await nameError(client.chat.completions.create({ model: 'nobody', messages })),
    await nameError(client.chat.completions.create({ model, messages, temperature: 9 })),
    await nameError(client.withOptions({ apiKey: 'sm_wrong' }).models.list()),
    await nameError(client.files.retrieve('file-1')),
    await nameError(client.batches.retrieve('batch_1')),
  ],
};
console.log(JSON.stringify(told));
