// The questions of one record: their populations as grids of cells, and which of them are listed in which order.

const TAGS = {
  "died out": "a population had a right answer, and the last one has none",
  rescued: "a population had no right answer, and the last one has",
  "all wrong": "nobody was ever right",
  "all right": "the whole last population is right",
  disagreeing: "the last population has more than one answer",
  unanswered: "a reply gave no answer",
  failed: "a call failed for good",
  unscored: "an answer could not be scored",
};

// By the share of right members in the first and the last population.
const ORDERS = {
  "as asked": () => 0,
  "hardest first": (first, last) => last,
  "largest gain first": (first, last) => first - last,
  "largest loss first": (first, last) => last - first,
};

const view = { record: 0, tags: new Set(), words: [], order: Object.keys(ORDERS)[0], replies: false };
const list = h("div.cards");
const status = h("p.status", { role: "status" });
const chips = h("div.chips", { role: "group", "aria-label": "Filters" });
const cards = new Map();
let search = 0;

const questionOf = (element) => RECORDS[view.record].questions[Number(element.closest(".card").dataset.position)];

function cell(question, t, i) {
  const population = question.populations[t - 1];
  const { name, glyph, word } = stateOf(question, t, i);
  const answer = population.answers[i];
  const label = `${memberName(t, i)}: ${word}${answer === null ? "" : `, answer ${answer}`}`;
  const chosen = t === question.populations.length && question.weights?.[i] === 1 && population.states.length > 1;
  const made = h(
    `button.cell.${name}${chosen ? ".chosen" : ""}`,
    { type: "button", role: "gridcell", tabindex: -1, "data-at": `${t}.${i}`, "aria-label": label, title: label },
    glyph,
  );
  if (name === "partial") made.style.setProperty("--part", `${100 * population.scores[i]}%`);
  return made;
}

function buildGrid(question) {
  const rows = question.populations.map(({ states }, index) =>
    h(
      "div.row",
      { role: "row" },
      h("span.t", { role: "rowheader", title: `population ${index + 1}` }, index + 1),
      h("div.cells", { role: "presentation" }, [...states].map((_, i) => cell(question, index + 1, i))),
    ),
  );
  const lines = svg("svg", { class: "lines", "aria-hidden": "true" });
  const grid = h("div.grid", { role: "grid", "aria-label": `Populations of ${question.id}` }, rows, lines);
  grid.querySelector(".cell")?.setAttribute("tabindex", 0);
  return grid;
}

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

// The address a key leads to, or null.
function moved(question, [t, i], key) {
  const size = (of) => question.populations[of - 1].states.length;
  if (key === "Home") return [t, 0];
  if (key === "End") return [t, size(t) - 1];
  if (!MOVES[key]) return null;
  const to = t + MOVES[key][0];
  if (to < 1 || to > question.populations.length) return null;
  const place = Math.min(i, size(to) - 1) + MOVES[key][1];
  return place < 0 || place >= size(to) ? null : [to, place];
}

function focusCell(grid, t, i) {
  for (const old of grid.querySelectorAll('.cell[tabindex="0"]')) old.tabIndex = -1;
  const next = cellAt(grid, t, i);
  next.tabIndex = 0;
  next.focus();
  return next;
}

// A card's grid is built when it comes near the window.
const builder = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => ensureGrid(entry.target)),
  { rootMargin: "800px" },
);

function ensureGrid(card) {
  builder.unobserve(card);
  const place = card.querySelector(".place");
  if (place) {
    const question = questionOf(card);
    place.replaceWith(buildGrid(question));
    if (question.lead) card.querySelector(".excerpt").replaceChildren(...question.lead.flatMap(fromNode));
  }
  return card.querySelector(".grid");
}

function buildCard(question, position) {
  const { id, group, gold, done, populations } = question;
  const place = h("div.place");
  const tall = populations.map(({ states }) => Math.ceil(states.length / 16) * 22 + 18);
  place.style.minHeight = `${tall.reduce((sum, row) => sum + row, 0)}px`;
  const open = () => go({ record: view.record, question: id });
  const last = done && gold !== null && populations.at(-1)?.states;
  const card = h(
    "article.card",
    { "data-position": position, "aria-label": `Question ${id}` },
    h(
      "header",
      h("h3", h("button", { type: "button", onclick: open }, id)),
      h("span.group", group),
      h("span.score", last && `${rightOf(last)} of ${last.length} right at the end`),
    ),
    h("p.excerpt", { dir: "auto" }, question.excerpt),
    place,
    h(
      "footer",
      question.tags.map((tag) => h("span", { class: `tag ${tag.replace(" ", "-")}` }, tag)),
      !done && h("span.tag", "unfinished"),
    ),
  );
  builder.observe(card);
  return card;
}

function listCards() {
  const { questions } = RECORDS[view.record];
  const share = (population) => (population ? rightOf(population.states) / (population.states.length || 1) : 0);
  const keys = questions.map(({ populations }) => ORDERS[view.order](share(populations[0]), share(populations.at(-1))));
  cards.clear();
  for (const position of [...keys.keys()].sort((a, b) => keys[a] - keys[b]))
    cards.set(position, buildCard(questions[position], position));
  list.replaceChildren(...cards.values());
  refilter();
}

function haystack(question) {
  const { id, group, excerpt, gold, populations } = question;
  const answers = () => populations.flatMap((population) => population.answers);
  return (question.haystack ??= [id, group, excerpt, gold ?? "", ...new Set(answers())].join("\n").toLowerCase());
}

async function heldInReplies(record, position, words) {
  const { text, members } = await unpack(record, position);
  const told = Object.values(members).flatMap((member) => [member.text, member.reasoning, member.error]);
  const held = [text, ...told].map((piece) => (piece ?? "").toLowerCase());
  return words.every((word) => held.some((piece) => piece.includes(word)));
}

async function refilter() {
  const { record, tags, words, replies } = view;
  const { questions } = RECORDS[record];
  const mine = ++search;
  const tagged = [...cards.keys()].filter((position) => [...tags].every((tag) => questions[position].tags.includes(tag)));
  const kept = new Set();
  if (replies && words.length) status.textContent = "Reading the replies …";
  for (const position of tagged) {
    if (replies && words.length) {
      if (await heldInReplies(record, position, words)) kept.add(position);
      if (mine !== search) return;
    } else {
      const text = haystack(questions[position]);
      if (words.every((word) => text.includes(word))) kept.add(position);
    }
  }
  for (const [position, card] of cards) card.hidden = !kept.has(position);
  const all = plural(questions.length, "question");
  status.textContent = kept.size === questions.length ? all : `${kept.size} of ${all}`;
}

function tagChip([tag, meaning]) {
  const number = RECORDS[view.record].questions.filter(({ tags }) => tags.includes(tag)).length;
  const on = view.tags.has(tag);
  const flip = ({ currentTarget }) => {
    if (!view.tags.delete(tag)) view.tags.add(tag);
    currentTarget.setAttribute("aria-pressed", view.tags.has(tag));
    refilter();
  };
  const attributes = { type: "button", title: meaning, "aria-pressed": String(on), disabled: !number && !on };
  return h("button.chip", { ...attributes, onclick: flip }, tag, h("span.number", number));
}

function chooseRecord(index) {
  view.record = index;
  for (const option of document.querySelectorAll("input[name=shown-record]"))
    option.checked = Number(option.value) === index;
  chips.replaceChildren(...Object.entries(TAGS).map(tagChip));
  listCards();
}

function toolbar() {
  const tabs = RECORDS.map((record, value) => [
    { type: "radio", name: "shown-record", value, checked: value === 0, onchange: () => chooseRecord(value) },
    recordKey(record),
  ]);
  let waiting;
  const typed = ({ target }) => {
    view.words = target.value.toLowerCase().split(/\s+/).filter(Boolean);
    clearTimeout(waiting);
    waiting = setTimeout(refilter, 120);
  };
  const reorder = ({ target }) => ((view.order = target.value), listCards());
  const replies = ({ target }) => ((view.replies = target.checked), refilter());
  const words = "Search questions and answers";
  return h(
    "div.toolbar",
    RECORDS.length > 1 && choices("Record", tabs, "records"),
    h(
      "div.find",
      h("input", { type: "search", id: "search", placeholder: words, "aria-label": words, oninput: typed }),
      h("label", h("input", { type: "checkbox", id: "search-replies", onchange: replies }), " in replies too"),
      h(
        "label",
        "Order ",
        h("select", { id: "order", onchange: reorder }, Object.keys(ORDERS).map((name) => h("option", name))),
      ),
    ),
    chips,
    status,
  );
}

function legendOfCells() {
  const all = RECORDS.flatMap(({ questions }) => questions.flatMap(({ populations }) => populations));
  const letters = new Set(all.flatMap(({ states }) => [...states]));
  const occurring = Object.entries(STATES).filter(([letter]) => letters.has(letter));
  return h(
    "ul.states",
    { "aria-label": "Meaning of the cells" },
    occurring.map(([, { name, glyph, word }]) => {
      const sample = h("span", { class: `cell ${name}`, "aria-hidden": "true" }, glyph);
      sample.style.setProperty("--part", "50%");
      return h("li", sample, word);
    }),
    h(
      "li.hint",
      "One row a population. Point at a cell for its ancestors; click it, or press Enter, to read it; arrow keys move.",
    ),
  );
}

function openCell(at) {
  const [t, i] = addressOf(at);
  focusCell(at.closest(".grid"), t, i);
  go({ record: view.record, question: questionOf(at).id, t, i });
}

const traceFrom = (at) => drawLines(at.closest(".grid"), questionOf(at), ...addressOf(at));

function listen() {
  const onCell = (events, act) => {
    for (const name of events)
      list.addEventListener(name, (event) => {
        const at = event.target.closest?.(".grid .cell");
        if (at) act(at, event);
      });
  };
  onCell(["pointerover", "focusin"], traceFrom);
  onCell(["pointerout", "focusout"], (at) => {
    clearLines(at.closest(".grid"));
    if (reader.open) traceOpen();
  });
  onCell(["click"], openCell);
  onCell(["keydown"], (at, event) => {
    const next = moved(questionOf(at), addressOf(at), event.key);
    if (!next) return;
    event.preventDefault();
    const there = focusCell(at.closest(".grid"), ...next);
    if (reader.open) openCell(there);
  });
}

function showQuestions(body) {
  fill(body, [toolbar(), legendOfCells(), list]);
  listen();
  chooseRecord(0);
  addEventListener("beforeprint", () => [...cards.values()].forEach(ensureGrid));
}
