// The Codex CLI without a terminal: it speaks the Responses API alone, always with tools.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { base, contains, deliberated, main, model, question, same } from "./checks.mjs";

const environment = { ...process.env, CODEX_HOME: `${process.cwd()}/codex-home`, SELFAGG_KEY: "none" };
mkdirSync("codex-home");
writeFileSync(
  "codex-home/config.toml",
  `model_provider = "selfagg"
[model_providers.selfagg]
name = "selfagg"
base_url = "${base}"
wire_api = "responses"
env_key = "SELFAGG_KEY"
`,
);
writeFileSync(
  "schema.json",
  '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}',
);

function codex(name, text, ...more) {
  const told = ["exec", "--skip-git-repo-check", "--json", "-o", "last.txt", "-m", name, ...more, text];
  const options = { env: environment, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] };
  const lines = execFileSync("node_modules/.bin/codex", told, options).trim().split("\n");
  return { events: lines.map(JSON.parse), last: readFileSync("last.txt", "utf8") };
}

await main("@openai/codex", {
  responses: () => deliberated(codex(`${model}:rsa-2-2-2`, question).last),
  stream: () => {
    const { events } = codex(`${model}:rsa-2-2-2`, question);
    contains(events.find(({ item }) => item?.type === "reasoning").item.text, "population 1: 2 of 2");
    same(events.at(-1).usage.input_tokens, 11);
  },
  tools: () => {
    // The simulated model runs a command that does not exist; Codex shows what the shell says.
    const { last } = codex(model, "Run exec_command.", "--dangerously-bypass-approvals-and-sandbox");
    contains(last, "not found");
  },
  structured: () => same(JSON.parse(codex(`${model}:rsa-2-2-2`, question, "--output-schema", "schema.json").last), { city: "Paris" }),
  second_turn: () => deliberated(codex(`${model}:rsa-2-2-2`, question, "resume", "--last").last),
});
