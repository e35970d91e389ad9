// Asking: the form, the stream, the answer.

const byId = (id) => document.getElementById(id);
const number = (id) => Number(byId(id).value);
const key = () => byId("key").value.trim();
let running = null;

const reader = new Reader(byId("reader"), (text) => nodesOf(text, key()));

async function look() {
  const found = await served(key());
  byId("key-field").hidden = !found.needsKey && !key();
  byId("model").textContent = found.name || "";
  return found.name;
}

function say(text, error = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("error", error);
}

function requested(model) {
  const rsa = { n: number("n"), k: number("k"), t: number("t"), kind: byId("kind").value, answer: byId("answer").value || undefined };
  return {
    model,
    messages: [{ role: "user", content: byId("question").value }],
    stream: true,
    stream_options: { include_usage: true },
    rsa: { ...rsa, method: "rsa", progress: "members" },
  };
}

async function ask() {
  const model = await look();
  if (!model) throw new Refused("this server asks for an API key");
  const populations = new Populations(byId("populations"), (member) => reader.show(member, populations));
  const written = h("div", { class: "text written", dir: "auto" });
  byId("final").replaceChildren(written);
  let text = "";
  for await (const chunk of completion(requested(model), key(), running.signal)) {
    if (chunk.selfagg) {
      populations.add(chunk.selfagg);
      const needed = populations.needed.reduce((sum, size) => sum + size, 0);
      say(`${populations.members.size} of at most ${needed} members are there`);
    }
    const delta = chunk.choices[0]?.delta ?? {};
    if (delta.content) {
      byId("outcome").hidden = false;
      text += delta.content;
      written.append(...textNodes(delta.content));
      say("the answer is being written");
    }
    if (chunk.usage) finish(chunk.usage);
  }
  byId("final").replaceChildren(typeset(await nodesOf(text, key())));
}

function finish(usage) {
  const untold = usage.selfagg.calls_without_usage;
  const estimated = untold ? `; ${plural(untold, "call")} by estimate` : "";
  const copied = usage.selfagg.copies ? ` (and ${usage.selfagg.copies} copied)` : "";
  const agreed = usage.selfagg.stopped ? `; population ${usage.selfagg.depth} agreed` : "";
  const cut = usage.selfagg.cut_short ? "; ended early: the best answer at hand" : "";
  byId("usage").textContent =
    `${plural(usage.selfagg.calls, "call")}${copied}, ${count(usage.selfagg.prompt_tokens)} prompt tokens ` +
    `(${count(usage.selfagg.prompt_tokens_details.cached_tokens)} cached), ` +
    `${count(usage.selfagg.completion_tokens)} written${estimated}${agreed}${cut}`;
}

async function go(event) {
  event.preventDefault();
  if (running) return;
  running = new AbortController();
  byId("work").hidden = false;
  byId("outcome").hidden = true;
  byId("usage").textContent = "";
  byId("go").disabled = true;
  byId("stop").hidden = false;
  reader.close();
  say("the first population is being written");
  try {
    await ask();
    say("done");
  } catch (error) {
    if (error.name === "AbortError") say("stopped");
    else say(error instanceof Refused ? error.message : "the server cannot be reached", true);
  } finally {
    running = null;
    byId("go").disabled = false;
    byId("stop").hidden = true;
  }
}

byId("ask").addEventListener("submit", go);
byId("stop").addEventListener("click", () => running?.abort());
byId("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("ask").requestSubmit();
});
look().catch(() => say("the server cannot be reached", true));
