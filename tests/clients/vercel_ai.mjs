// Vercel's AI SDK with @ai-sdk/openai, whose default is the Responses API, and with its chat model.
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { base, contains, deliberated, main, model, question, same, weather } from "./checks.mjs";

const openai = createOpenAI({ baseURL: base, apiKey: "none" });
const inputSchema = z.object({ city: z.string() });
const get_weather = tool({ description: "Weather.", inputSchema, execute: async ({ city }) => `12 degrees in ${city}` });
const schema = z.object({ city: z.string(), degrees: z.number() });
const plain = { maxRetries: 0, prompt: question };

await main("ai", {
  chat: async () => deliberated((await generateText({ ...plain, model: openai.chat(model) })).text),
  responses: async () => deliberated((await generateText({ ...plain, model: openai(model) })).text),
  stream: async () => {
    for (const speaking of [openai.chat(model), openai(model)]) {
      const first = streamText({ ...plain, model: speaking });
      deliberated(await first.text);
      const turn = { role: "user", content: question };
      const messages = [turn, ...(await first.response).messages, turn];
      deliberated((await generateText({ maxRetries: 0, model: speaking, messages })).text);
    }
  },
  tools: async () => {
    for (const speaking of [openai.chat(model), openai(model)]) {
      const asked = { maxRetries: 0, prompt: weather, tools: { get_weather }, stopWhen: stepCountIs(3) };
      contains((await generateText({ ...asked, model: speaking })).text, "12 degrees in Paris");
    }
  },
  structured: async () => {
    for (const speaking of [openai.chat(model), openai(model)]) {
      const answer = await generateText({ ...plain, model: speaking, output: Output.object({ schema }) });
      same(answer.output.city, "Paris");
    }
  },
  completions: async () => deliberated((await generateText({ ...plain, model: openai.completion(model) })).text),
});
