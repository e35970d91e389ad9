// The pane that shows one question or one member of its populations.

const pane = document.getElementById("reader");
const reader = { open: false, address: null, written: false };
let opening = 0;

// Where the pane covers the page, keys belong to it.
const narrow = matchMedia("(max-width: 60rem)");

const badge = (letter) =>
  h(
    "span",
    { class: `badge ${STATES[letter].name}` },
    h("span", { "aria-hidden": "true" }, STATES[letter].glyph),
    STATES[letter].word,
  );

const linkTo = (more, words) =>
  h("button", { type: "button", class: "link", onclick: () => go({ ...reader.address, ...more }) }, words);

function closeReader() {
  const { open, address } = reader;
  reader.open = false;
  reader.address = null;
  pane.hidden = true;
  document.body.classList.remove("reading");
  unmark();
  if (open && address) {
    history.replaceState(null, "", "#questions");
    const position = RECORDS[address.record].questions.findIndex(({ id }) => id === address.question);
    const card = cards.get(position);
    (card?.querySelector('.cell[tabindex="0"]') ?? card?.querySelector("button"))?.focus({ preventScroll: true });
  }
}

function bar(address, question, title) {
  const { t, i } = address;
  const step = (key, words, arrow) => {
    const next = t && moved(question, [t, i], key);
    return h(
      "button",
      {
        type: "button",
        class: "step",
        "aria-label": words,
        title: words,
        disabled: !next,
        onclick: () => go({ ...address, t: next[0], i: next[1] }),
      },
      arrow,
    );
  };
  const steps = t
    ? [
        step("ArrowUp", "same place, population before", "↑"),
        step("ArrowLeft", "member before", "←"),
        step("ArrowRight", "next member", "→"),
        step("ArrowDown", "same place, next population", "↓"),
      ]
    : [];
  return h(
    "header",
    {},
    h(
      "div",
      {},
      h("p", { class: "kind" }, t ? linkTo({ t: undefined, i: undefined }, question.id) : question.group),
      h("h3", {}, title),
    ),
    h(
      "div",
      { class: "steps" },
      steps,
      h(
        "button",
        { type: "button", class: "step", "aria-label": "Close", title: "Close (Esc)", onclick: closeReader },
        "×",
      ),
    ),
  );
}

const fact = (name, value) =>
  value === null || value === undefined || value === ""
    ? null
    : h("div", {}, h("dt", {}, name), h("dd", { dir: "auto" }, value));

const answerText = (answer, nodes) => (nodes ? fromNode(nodes) : answer);

const STOPS = {
  finished: "finished",
  length: "cut by the limit on its length",
  filtered: "cut by a content filter",
  unknown: "for a reason that nobody knows",
};

function facts(member, packed) {
  const [prompt, cached, completion, thinking] = member.tokens ?? [];
  return h(
    "dl",
    { class: "facts" },
    fact("Answer", answerText(member.answer ?? "none", member.answer_nodes)),
    fact("Gold", answerText(packed.gold, packed.gold_nodes)),
    fact("Score", member.score === null ? "not scored" : String(+member.score.toFixed(4))),
    fact("Stop", member.stop && STOPS[member.stop]),
    fact("Tokens", member.tokens === null ? "not told by the server" : null),
    fact("Prompt", member.tokens && `${count(prompt)} tokens${cached ? `, ${count(cached)} cached` : ""}`),
    fact("Reply", member.tokens && `${count(completion)} tokens${thinking ? `, ${count(thinking)} reasoning` : ""}`),
    fact("Time", member.seconds !== undefined && duration(member.seconds)),
    fact("Tries", member.tries > 1 ? String(member.tries) : null),
    fact("Seed", String(member.seed)),
    fact("Note", member.note),
  );
}

function family(question, t, i) {
  const entries = (level, places) =>
    places.map((place) =>
      h(
        "button",
        {
          type: "button",
          class: `relative ${STATES[question.populations[level - 1].states[place]].name}`,
          title: memberName(level, place),
          onclick: () => go({ ...reader.address, t: level, i: place }),
        },
        h("span", { "aria-hidden": "true" }, STATES[question.populations[level - 1].states[place]].glyph),
        String(place),
      ),
    );
  const line = (words, level, places) =>
    places.length > 0 && h("p", { class: "family" }, `${words} of population ${level}: `, entries(level, places));
  return [
    line("Made from members", t - 1, parentsOf(question, t, i)),
    line("Shown to members", t + 1, childrenOf(question, t, i)),
  ];
}

function replyView(member) {
  const place = h("div", {});
  const draw = () => place.replaceChildren(reader.written ? asWritten(member.text) : typeset(member.nodes));
  const flip = (event) => ((reader.written = event.target.checked), draw());
  draw();
  return h(
    "section",
    { class: "reply", "aria-label": "Reply" },
    h(
      "h4",
      {},
      "Reply",
      h(
        "label",
        { class: "as-written" },
        h("input", { type: "checkbox", checked: reader.written, onchange: flip }),
        " as written",
      ),
    ),
    member.text.trim() ? place : h("p", { class: "nothing" }, "The reply is empty."),
  );
}

function memberView(packed, question, { t, i }) {
  const told = packed.members[`${t}.${i}`];
  if (!told) return [h("p", { class: "nothing" }, "This member was not computed.")];
  const member = { ...told, parents: parentsOf(question, t, i) };
  return [
    h("p", { class: "state" }, badge(question.populations[t - 1].states[i])),
    facts(member, packed),
    family(question, t, i),
    member.error !== null ? h("p", { class: "error" }, `The call failed: ${member.error}`) : replyView(member),
    member.reasoning && lazily(["Reasoning"], () => asWritten(member.reasoning), { class: "part" }),
    (member.also ?? []).map(({ role, text, error }) =>
      h("div", { class: "part words" }, h("h4", {}, role), asWritten(error ?? text)),
    ),
    member.error === null && member.tries === 0
      ? h("p", { class: "nothing" }, "A copy of its first candidate: all candidates give one answer, so no call was made.")
      : h(
          "section",
          { class: "prompt", "aria-label": "Prompt" },
          h("h4", {}, "Prompt"),
          promptNote(packed, member),
          promptParts(packed, question, t, i),
        ),
  ];
}

function questionView(packed, question) {
  const last = question.populations.at(-1);
  const answers = new Map();
  (last?.states ?? "").split("").forEach((letter, i) => {
    const group = last.same[i] === null ? "" : String(last.same[i]);
    const entry = answers.get(group) ?? { letter, answer: last.answers[i], members: [] };
    entry.members.push(i);
    answers.set(group, entry);
  });
  const rows = [...answers.values()]
    .sort((a, b) => b.members.length - a.members.length)
    .map(({ letter, answer, members }) =>
      h(
        "tr",
        {},
        h("td", {}, badge(letter)),
        h(
          "td",
          { dir: "auto" },
          answerText(
            answer ?? "no answer",
            packed.members[`${question.populations.length}.${members[0]}`]?.answer_nodes,
          ),
        ),
        h("td", { class: "number" }, members.length),
        h("td", {}, linkTo({ t: question.populations.length, i: members[0] }, "open")),
      ),
    );
  return [
    questionText(packed),
    h("dl", { class: "facts" }, fact("Gold", answerText(packed.gold, packed.gold_nodes)), fact("Kind", question.kind)),
    rows.length > 0 &&
      h(
        "div",
        {},
        h("h4", {}, "Answers of the last population"),
        h("table", { class: "answers" }, h("tbody", {}, rows)),
      ),
  ];
}

function unmark() {
  for (const cell of document.querySelectorAll(".cell.open")) {
    cell.classList.remove("open");
    clearLines(cell.closest(".grid"));
  }
}

function markOpen({ question, t, i }) {
  unmark();
  const position = RECORDS[view.record].questions.findIndex(({ id }) => id === question);
  const card = cards.get(position);
  if (!card) return;
  if (card.hidden) card.hidden = false;
  const grid = ensureGrid(card);
  const cell = t && cellAt(grid, t, i);
  if (cell) cell.classList.add("open");
  return card;
}

// The open member keeps its lines, for as long as no other is pointed at.
function traceOpen() {
  const cell = document.querySelector(".cell.open");
  if (cell) drawLines(cell.closest(".grid"), questionOf(cell.closest(".card")), ...addressOf(cell));
}

async function openReader(address, { scroll }) {
  const mine = ++opening;
  const position = RECORDS[address.record].questions.findIndex(({ id }) => id === address.question);
  const question = RECORDS[address.record].questions[position];
  if (view.record !== address.record) chooseRecord(address.record);
  reader.open = true;
  reader.address = address;
  const before = cards.get(position)?.getBoundingClientRect().top;
  document.body.classList.add("reading");
  pane.hidden = false;
  const card = markOpen(address);
  if (scroll) card?.scrollIntoView({ block: "center", behavior: "instant" });
  else if (card && before > -card.offsetHeight && before < innerHeight)
    scrollBy({ top: card.getBoundingClientRect().top - before, behavior: "instant" });
  traceOpen();
  const packed = await texts(address.record, position);
  if (mine !== opening || !reader.open) return;
  const title = address.t ? `Population ${address.t}, member ${address.i}` : question.id;
  pane.replaceChildren(
    bar(address, question, title),
    fill(
      h("div", { class: "content", tabindex: "0", role: "region", "aria-label": title }),
      address.t ? memberView(packed, question, address) : questionView(packed, question),
    ),
  );
  if (narrow.matches) pane.querySelector(".content").focus({ preventScroll: true });
}
