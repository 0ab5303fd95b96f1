// What a program does with the types that openapi-typescript has made, in ./made.d.ts: a chat, a file, a job, an error.
// It is compiled strictly, so that a field that is not declared, or is declared otherwise, ends it. Prints JSON.
import createClient from 'openapi-fetch';
import type { components, paths } from './made.js';

const [model, prompt] = process.argv.slice(2) as [string, string];
const client = createClient<paths>({
  baseUrl: process.env['BASE_URL']!,
  headers: { authorization: `Bearer ${process.env['OPENAI_API_KEY']}` },
});
const ask = (name: string) =>
  client.POST('/v1/chat/completions', { body: { model: name, messages: [{ role: 'user', content: prompt }] } });

// A chat may be a stream, which is text: who asks for none gets the object.
const whole = <Answer>(told: Answer | string | undefined): Exclude<Answer, string> => {
  if (told === undefined || typeof told === 'string') throw new Error('no object');
  return told as Exclude<Answer, string>;
};

const chat = whole((await ask(model)).data);
const form = new FormData();
form.set('purpose', 'fine-tune');
form.set('file', new Blob(['{"prompt": "a ->", "completion": " b"}\n'.repeat(12)]), 'rows.jsonl');
const { data: file } = await client.POST('/v1/files', {
  body: { file: '', purpose: 'fine-tune' },
  bodySerializer: () => form,
});
const { data: files } = await client.GET('/v1/files', {});
const { data: job } = await client.POST('/v1/fine_tuning/jobs', { body: { model, training_file: file!.id } });
const { error } = await ask('nobody');
const inner: components['schemas']['InnerError'] = error!.error;

const told = {
  chat: chat.choices[0]!.message.content satisfies string | null,
  tokens: chat.usage!.total_tokens satisfies number,
  file: [file!.id, file!.bytes],
  files: files!.data.map((one) => one.id),
  job: [job!.object, job!.status, job!.training_file],
  error: [inner.param, inner.code],
};
console.log(JSON.stringify(told));
