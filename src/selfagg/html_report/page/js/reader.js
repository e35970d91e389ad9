// The pane that shows one question or one member of its populations.

const pane = document.getElementById("reader");
const reader = { open: false, address: null, written: false };
let opening = 0;

// Where the pane covers the page, keys belong to it.
const narrow = matchMedia("(max-width: 60rem)");

const sign = ({ glyph }) => h("span", { "aria-hidden": "true" }, glyph);
const badge = (state) => h("span", { class: `badge ${state.name}` }, sign(state), state.word);

const linkTo = (more, words) =>
  h("button.link", { type: "button", onclick: () => go({ ...reader.address, ...more }) }, words);

const cardOf = ({ record, question }) => cards.get(positionOf(record, question));

function closeReader() {
  const { open, address } = reader;
  reader.open = false;
  reader.address = null;
  pane.hidden = true;
  document.body.classList.remove("reading");
  unmark();
  if (open && address) {
    history.replaceState(null, "", "#questions");
    const card = cardOf(address);
    (card?.querySelector('.cell[tabindex="0"]') ?? card?.querySelector("button"))?.focus({ preventScroll: true });
  }
}

const STEPS = {
  ArrowUp: ["same place, population before", "↑"],
  ArrowLeft: ["member before", "←"],
  ArrowRight: ["next member", "→"],
  ArrowDown: ["same place, next population", "↓"],
};

function bar(address, question, title) {
  const { t, i } = address;
  const button = (words, hint, act, arrow) =>
    h("button.step", { type: "button", "aria-label": words, title: hint, disabled: !act, onclick: act }, arrow);
  const step = ([key, [words, arrow]]) => {
    const next = moved(question, [t, i], key);
    return button(words, words, next && (() => go({ ...address, t: next[0], i: next[1] })), arrow);
  };
  return h(
    "header",
    h("div", h("p.kind", t ? linkTo({ t: undefined, i: undefined }, question.id) : question.group), h("h3", title)),
    h("div.steps", t && Object.entries(STEPS).map(step), button("Close", "Close (Esc)", closeReader, "×")),
  );
}

// Name and value of each fact; those without a value are left out.
function facts(told) {
  const known = Object.entries(told).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl.facts", known.map(([name, value]) => h("div", h("dt", name), h("dd", { dir: "auto" }, value))));
}

const answerText = (answer, nodes) => (nodes ? fromNode(nodes) : answer);

const STOPS = {
  finished: "finished",
  length: "cut by the limit on its length",
  filtered: "cut by a content filter",
  unknown: "for a reason that nobody knows",
};

function memberFacts(member, packed) {
  const { tokens, seconds, score, tries } = member;
  const [prompt, cached, completion, thinking] = tokens ?? [];
  return facts({
    Answer: answerText(member.answer ?? "none", member.answer_nodes),
    Gold: answerText(packed.gold, packed.gold_nodes),
    Score: score === null ? "not scored" : String(+score.toFixed(4)),
    Stop: member.stop && STOPS[member.stop],
    Tokens: tokens === null ? "not told by the server" : null,
    Prompt: tokens && `${count(prompt)} tokens${cached ? `, ${count(cached)} cached` : ""}`,
    Reply: tokens && `${count(completion)} tokens${thinking ? `, ${count(thinking)} reasoning` : ""}`,
    Time: seconds === undefined ? null : duration(seconds),
    Tries: tries > 1 ? tries : null,
    Seed: member.seed,
    Note: member.note,
  });
}

function family(question, words, t, places) {
  if (!places.length) return null;
  const relative = (i) => {
    const state = stateOf(question, t, i);
    const open = () => go({ ...reader.address, t, i });
    const attributes = { type: "button", class: `relative ${state.name}`, title: memberName(t, i), onclick: open };
    return h("button", attributes, sign(state), i);
  };
  return h("p.family", `${words} ${places.length === 1 ? "member" : "members"} of population ${t}: `, places.map(relative));
}

function replyView(member) {
  const place = h("div");
  const draw = () => place.replaceChildren(reader.written ? asWritten(member.text) : typeset(member.nodes));
  const flip = ({ target }) => ((reader.written = target.checked), draw());
  draw();
  const written = h("input", { type: "checkbox", checked: reader.written, onchange: flip });
  return h(
    "section.reply",
    { "aria-label": "Reply" },
    h("h4", "Reply", h("label.as-written", written, " as written")),
    member.text.trim() ? place : h("p.nothing", "The reply is empty."),
  );
}

const questionText = (packed) => (packed.question ? typeset(packed.question) : asWritten(packed.text));

function lazily(summary, content, name = "part") {
  const details = h("details", { class: name }, h("summary", summary));
  const fillOnce = () => details.open && details.childElementCount === 1 && details.append(content());
  details.addEventListener("toggle", fillOnce);
  return details;
}

// A member's prompt, part by part: what was said around the question, and which candidates it showed.
function promptParts(packed, question, t, { shows }) {
  const titles = { words: "Instruction", question: "Question" };
  return packed.prompts[shows.length].map(({ kind, role, text, place, lead }) => {
    if (kind === "question") return lazily(titles.question, () => questionText(packed));
    if (kind !== "candidate")
      return h("div.part.words", h("h4", titles[kind] ?? `Before the question: ${role}`), asWritten(text));
    const parent = shows[place];
    const member = packed.members[`${t - 1}.${parent}`];
    const from = h("span.from", memberName(t - 1, parent));
    const shown = () => (member.shown === null ? typeset(member.nodes) : asWritten(member.shown));
    return lazily(
      [lead || `Candidate ${place + 1}`, from, badge(stateOf(question, t - 1, parent))],
      () => h("div", shown(), linkTo({ t: t - 1, i: parent }, "Open this member")),
      "part candidate",
    );
  });
}

function promptNotes(member, parents) {
  const failed = parents.length - member.shows.length;
  const notes = [
    failed > 0 && `${plural(failed, "parent")} had no reply and could not be shown.`,
    member.cut > 0 &&
      `${plural(member.cut, "candidate")} had to be shortened to fit the model’s context; shown whole here.`,
    !member.exact &&
      member.cut === 0 &&
      member.error === null &&
      "The words of this prompt differ from those that were sent: it was made by another version or with other settings.",
  ];
  return notes.filter(Boolean).map((line) => h("p.note", line));
}

function memberView(packed, question, { t, i }) {
  const member = packed.members[`${t}.${i}`];
  if (!member) return [h("p.nothing", "This member was not computed.")];
  const { error, reasoning, also = [] } = member;
  const parents = parentsOf(question, t, i);
  const copied = error === null && member.tries === 0;
  return [
    h("p.state", badge(stateOf(question, t, i))),
    memberFacts(member, packed),
    family(question, "Made from", t - 1, parents),
    family(question, "Shown to", t + 1, childrenOf(question, t, i)),
    error !== null ? h("p.error", `The call failed: ${error}`) : replyView(member),
    reasoning && lazily("Reasoning", () => asWritten(reasoning)),
    also.map((call) => h("div.part.words", h("h4", call.role), asWritten(call.error ?? call.text))),
    copied
      ? h("p.nothing", "A copy of its first candidate: all candidates give one answer, so no call was made.")
      : h(
          "section.prompt",
          { "aria-label": "Prompt" },
          h("h4", "Prompt"),
          promptNotes(member, parents),
          promptParts(packed, question, t, member),
        ),
  ];
}

function questionView(packed, question) {
  const t = question.populations.length;
  const last = question.populations.at(-1) ?? { states: "" };
  const groups = new Map();
  [...last.states].forEach((_, i) => groups.set(last.same[i], [...(groups.get(last.same[i]) ?? []), i]));
  const rows = [...groups.values()]
    .sort((a, b) => b.length - a.length)
    .map((members) => {
      const [i] = members;
      const answer = answerText(last.answers[i] ?? "no answer", packed.members[`${t}.${i}`]?.answer_nodes);
      return h(
        "tr",
        h("td", badge(stateOf(question, t, i))),
        h("td", { dir: "auto" }, answer),
        h("td.number", members.length),
        h("td", linkTo({ t, i }, "open")),
      );
    });
  return [
    questionText(packed),
    facts({ Gold: answerText(packed.gold, packed.gold_nodes), Kind: question.kind }),
    rows.length > 0 && h("div", h("h4", "Answers of the last population"), h("table.answers", h("tbody", rows))),
  ];
}

function unmark() {
  for (const cell of document.querySelectorAll(".cell.open")) {
    cell.classList.remove("open");
    clearLines(cell.closest(".grid"));
  }
}

// The open member keeps its lines, for as long as no other is pointed at.
function traceOpen() {
  const cell = document.querySelector(".cell.open");
  if (cell) traceFrom(cell);
}

async function openReader(address, scroll) {
  const mine = ++opening;
  const { record, t, i } = address;
  const position = positionOf(record, address.question);
  const question = RECORDS[record].questions[position];
  if (view.record !== record) chooseRecord(record);
  reader.open = true;
  reader.address = address;
  const card = cards.get(position);
  const before = card?.getBoundingClientRect().top;
  document.body.classList.add("reading");
  pane.hidden = false;
  unmark();
  if (card) {
    card.hidden = false;
    const grid = ensureGrid(card);
    if (t) cellAt(grid, t, i).classList.add("open");
    if (scroll) card.scrollIntoView({ block: "center", behavior: "instant" });
    else if (before > -card.offsetHeight && before < innerHeight)
      scrollBy({ top: card.getBoundingClientRect().top - before, behavior: "instant" });
  }
  traceOpen();
  const packed = await texts(record, position);
  if (mine !== opening || !reader.open) return;
  const title = t ? `Population ${t}, member ${i}` : question.id;
  const told = t ? memberView(packed, question, address) : questionView(packed, question);
  const content = h("div.content", { tabindex: "0", role: "region", "aria-label": title }, told);
  pane.replaceChildren(bar(address, question, title), content);
  if (narrow.matches) content.focus({ preventScroll: true });
}

// A question or a member has an address in the page's URL, to be kept or sent.
function go(address, scroll = false) {
  const { record, question, t, i } = address;
  history.replaceState(null, "", `#${new URLSearchParams({ record, question, ...(t && { t, i }) })}`);
  openReader(address, scroll);
}

function addressInUrl() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const record = Number(parts.get("record") ?? 0);
  const question = RECORDS[record]?.questions.find(({ id }) => id === parts.get("question"));
  if (!question) return null;
  const [t, i] = [Number(parts.get("t")), Number(parts.get("i"))];
  const member = question.populations[t - 1]?.states[i] !== undefined;
  return { record, question: question.id, ...(member && { t, i }) };
}
