// What every script of a JavaScript client shares: runs its checks, and prints one line of JSON that says which passed.
import { readFileSync } from "node:fs";

export const base = process.argv[2];
export const url = base.replace(/\/v1$/, ""); // Anthropic's client adds /v1 itself
export const model = "simulated-7b";
export const question = "What is 17 * 23?";
export const weather = "Ask get_weather for the weather in Paris.";

export function same(got, expected) {
  if (JSON.stringify(got) !== JSON.stringify(expected))
    throw new Error(`${JSON.stringify(got)} is not ${JSON.stringify(expected)}`);
}

export function deliberated(text) {
  if (typeof text !== "string" || !text.includes("aggregated") || text.includes("population 1"))
    throw new Error(`${JSON.stringify(text)} is no answer of RSA`);
}

export function contains(text, part) {
  if (!String(text).includes(part)) throw new Error(`${JSON.stringify(text)} lacks ${JSON.stringify(part)}`);
}

export async function main(name, checks) {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  const passed = [];
  const failed = {};
  for (const [check, run] of Object.entries(checks)) {
    try {
      await run();
      passed.push(check);
    } catch (error) {
      failed[check] = String(error?.stack ?? error).slice(0, 500);
    }
  }
  console.log(JSON.stringify({ version, passed, failed }));
  process.exit(0);
}
