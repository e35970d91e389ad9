// The conversation: ask, follow up, retry, clear.

const key = () => byId("key").value.trim();
const typesetText = (text) => nodesOf(text, key());
const conversation = new Conversation();
const controls = new Controls();
const reader = new Reader(byId("reader"), typesetText);
let running = null;

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

const viewOf = (turn) => new TurnView(turn, (member, populations) => reader.show(member, populations), start);

function show() {
  const { turns, dropped } = conversation.kept;
  const note = dropped && h("p.note", `${plural(dropped, "earlier turn")} did not fit into what this browser keeps.`);
  const views = turns.map(viewOf);
  byId("thread").replaceChildren();
  fill(byId("thread"), [note || null, views.map(({ element }) => element)]);
  byId("clear").hidden = !turns.length;
  return Promise.all(views.map((view) => view.end(typesetText)));
}

const shown = () => [...byId("thread").querySelectorAll(".turn")];

async function ask(view) {
  const model = await look();
  if (!model) throw new Refused("this server asks for an API key");
  const { turn } = view;
  const body = {
    model,
    messages: conversation.messages(turn),
    stream: true,
    stream_options: { include_usage: true },
    rsa: { ...turn.rsa, progress: "members" },
  };
  for await (const chunk of completion(body, key(), running.signal)) {
    if (chunk.selfagg) {
      view.add(chunk.selfagg);
      say(view.summary.textContent);
    }
    const delta = chunk.choices[0]?.delta ?? {};
    if (delta.content) {
      view.write(delta.content);
      say("the answer is being written");
    }
    if (chunk.usage) finish(turn, chunk.usage.selfagg);
  }
}

function finish(turn, spent) {
  const untold = spent.calls_without_usage;
  const estimated = untold ? `; ${plural(untold, "call")} by estimate` : "";
  const copied = spent.copies ? ` (and ${spent.copies} copied)` : "";
  const agreed = spent.stopped ? `; population ${spent.depth} agreed` : "";
  const ended = spent.cut_short ? "; ended early: the best answer at hand" : "";
  turn.chosen = spent.chosen[0];
  turn.usage =
    `${plural(spent.calls, "call")}${copied}, ${count(spent.prompt_tokens)} prompt tokens ` +
    `(${count(spent.prompt_tokens_details.cached_tokens)} cached), ` +
    `${count(spent.completion_tokens)} written${estimated}${agreed}${ended}`;
}

function busy(now) {
  running = now ? new AbortController() : null;
  byId("go").disabled = byId("clear").disabled = now;
  byId("stop").hidden = !now;
}

// Tells how long nothing has come, until the first member is there: a first population may take minutes.
function waiting(turn) {
  const began = Date.now();
  const tell = () => {
    if (!turn.members.length && !turn.answer)
      say(`the first population is being written: no member yet, ${duration((Date.now() - began) / 1000)}`);
  };
  tell();
  return setInterval(tell, 1000);
}

async function start({ id = `${Date.now()}.${Math.random()}`, question }) {
  if (running) return;
  busy(true);
  reader.close();
  const fresh = { answer: "", usage: "", note: "", state: "running", chosen: null, needed: [], members: [] };
  const turn = { id, question, rsa: controls.asked(), ...fresh };
  conversation.keep(turn);
  byId("clear").hidden = false;
  const view = viewOf(turn);
  shown().find(({ dataset }) => dataset.id === id)?.remove(); // a retry is of the last turn
  byId("thread").append(view.element);
  view.element.scrollIntoView({ block: "start" });
  const clock = waiting(turn);
  const left = () => conversation.keep(turn);
  addEventListener("pagehide", left);
  try {
    await ask(view);
    turn.state = "done";
    say("done");
  } catch (error) {
    const stopped = error.name === "AbortError";
    turn.state = stopped ? "stopped" : "failed";
    if (!stopped) turn.note = error instanceof Refused ? error.message : "the server cannot be reached";
    say(turn.note || "stopped", !stopped);
  } finally {
    clearInterval(clock);
    removeEventListener("pagehide", left);
    conversation.keep(turn);
    busy(false);
    await view.end(typesetText);
    if (shown().length !== conversation.kept.turns.length) await show(); // another tab asked too, or old turns went
  }
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = byId("question").value.trim();
  if (!question || running) return;
  byId("question").value = "";
  start({ question });
});
byId("stop").addEventListener("click", () => running?.abort());
byId("clear").addEventListener("click", () => {
  if (!confirm("Forget this conversation? No copy of it is kept.")) return;
  conversation.clear();
  reader.close();
  say("");
  show();
});
byId("key").addEventListener("change", () => look().then(() => running || show()));
byId("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("ask").requestSubmit();
});
addEventListener("storage", () => running || (conversation.read(), show()));
Promise.all([look(), controls.load(), show()]).catch(() => say("the server cannot be reached", true));
