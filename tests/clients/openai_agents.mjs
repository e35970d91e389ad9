// OpenAI Agents for JavaScript, whose default is the Responses API.
import { Agent, OpenAIChatCompletionsModel, run, setDefaultOpenAIClient, setTracingDisabled, tool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";
import { base, contains, deliberated, main, model, question, same, weather } from "./checks.mjs";

const client = new OpenAI({ baseURL: base, apiKey: "none", maxRetries: 0 });
setDefaultOpenAIClient(client);
setTracingDisabled(true);
const parameters = z.object({ city: z.string() });
const get_weather = tool({ name: "get_weather", description: "Weather.", parameters, execute: async ({ city }) => `12 degrees in ${city}` });

await main("@openai/agents", {
  responses: async () => deliberated((await run(new Agent({ name: "a", model }), question)).finalOutput),
  stream: async () => {
    const stream = await run(new Agent({ name: "a", model }), question, { stream: true });
    await stream.completed;
    deliberated(stream.finalOutput);
  },
  tools: async () => contains((await run(new Agent({ name: "a", model, tools: [get_weather] }), weather)).finalOutput, "12 degrees in Paris"),
  structured: async () => same((await run(new Agent({ name: "a", model, outputType: parameters }), question)).finalOutput, { city: "Paris" }),
  chat: async () => {
    const speaking = new OpenAIChatCompletionsModel(client, model);
    deliberated((await run(new Agent({ name: "a", model: speaking }), question)).finalOutput);
  },
});
