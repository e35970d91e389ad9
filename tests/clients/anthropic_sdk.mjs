// The official Anthropic client for JavaScript.
import Anthropic from "@anthropic-ai/sdk";
import { deliberated, main, model, question, same, url, weather } from "./checks.mjs";

const client = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
const asked = { model, max_tokens: 500, messages: [{ role: "user", content: question }] };
const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };

await main("@anthropic-ai/sdk", {
  messages: async () => deliberated((await client.messages.create(asked)).content[0].text),
  stream: async () => deliberated(await client.messages.stream(asked).finalText()),
  tools: async () => {
    const tools = [{ name: "get_weather", description: "Weather.", input_schema: schema }];
    const turns = [{ role: "user", content: weather }];
    const said = await client.messages.create({ ...asked, messages: turns, tools });
    const call = said.content.find((block) => block.type === "tool_use");
    const result = { type: "tool_result", tool_use_id: call.id, content: "12 degrees" };
    turns.push({ role: "assistant", content: said.content }, { role: "user", content: [result] });
    same((await client.messages.create({ ...asked, messages: turns, tools })).content[0].text, "The tool says 12 degrees.");
  },
  structured: async () => {
    const answer = await client.messages.create({ ...asked, output_config: { format: { type: "json_schema", schema } } });
    same(JSON.parse(answer.content[0].text), { city: "Paris" });
  },
});
