// The official OpenAI client for JavaScript.
import OpenAI from "openai";
import { base, contains, deliberated, main, model, question, same, weather } from "./checks.mjs";

const client = new OpenAI({ baseURL: base, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: question }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const schema = { ...parameters, additionalProperties: false };

await main("openai", {
  chat: async () => deliberated((await client.chat.completions.create({ model, messages })).choices[0].message.content),
  stream: async () => {
    const stream = client.chat.completions.stream({ model, messages });
    deliberated((await stream.finalChatCompletion()).choices[0].message.content);
  },
  tools: async () => {
    const run = async ({ city }) => `12 degrees in ${city}`;
    const tool = { type: "function", function: { name: "get_weather", description: "Weather.", parameters, parse: JSON.parse, function: run } };
    const runner = client.chat.completions.runTools({ model, messages: [{ role: "user", content: weather }], tools: [tool] });
    contains(await runner.finalContent(), "12 degrees in Paris");
  },
  structured: async () => {
    const response_format = { type: "json_schema", json_schema: { name: "report", strict: true, schema } };
    same((await client.chat.completions.parse({ model, messages, response_format })).choices[0].message.parsed, { city: "Paris" });
  },
  completions: async () => deliberated((await client.completions.create({ model, prompt: question })).choices[0].text),
  responses: async () => {
    deliberated((await client.responses.create({ model, input: question })).output_text);
    const stream = client.responses.stream({ model, input: question });
    deliberated((await stream.finalResponse()).output_text);
  },
  background: async () => {
    let answer = await client.responses.create({ model, input: question, background: true });
    while (["queued", "in_progress"].includes(answer.status)) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      answer = await client.responses.retrieve(answer.id);
    }
    deliberated(answer.output_text);
  },
});
