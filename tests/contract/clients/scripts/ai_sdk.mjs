// The AI SDK's OpenAI provider at its default, which is /v1/responses: whole, streamed, with a tool. Prints JSON.
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const [model, prompt] = process.argv.slice(2);
const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY });

const whole = await generateText({ model: openai(model), prompt });
let streamed = '';
for await (const piece of streamText({ model: openai(model), prompt }).textStream) streamed += piece;

const weather = tool({
  description: 'Says the weather.',
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `${city} ${prompt}`,
});
const asked = await generateText({
  model: openai(model),
  prompt: `weather ${prompt}`,
  tools: { weather },
  stopWhen: stepCountIs(3),
});
const warnings = whole.warnings ?? [];
console.log(JSON.stringify({ whole: whole.text, usage: whole.usage, streamed, steps: asked.steps.length, asked: asked.text, warnings }));
