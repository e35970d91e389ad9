// The list of questions of one record, with its filters.

const view = { record: 0, tags: new Set(), words: [], order: Object.keys(ORDERS)[0], replies: false };
const list = h("div.cards");
const status = h("p.status", { role: "status" });
const cards = new Map();
let search = 0;

const builder = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => ensureGrid(entry.target)),
  { rootMargin: "800px" },
);

const questionOf = (card) => RECORDS[view.record].questions[Number(card.dataset.position)];

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

function rowsTall(question) {
  return question.populations.reduce(
    (tall, population) => tall + Math.ceil(population.states.length / 16) * 22 + 18,
    0,
  );
}

function buildCard(question, position) {
  const place = h("div.place");
  place.style.minHeight = `${rowsTall(question)}px`;
  const open = () => go({ record: view.record, question: question.id });
  const last = question.populations.at(-1);
  const right =
    last && question.done && question.gold !== null
      ? `${[...last.states].filter((letter) => letter === "r").length} of ${last.states.length} right at the end`
      : "";
  const card = h(
    "article.card",
    { "data-position": position, "aria-label": `Question ${question.id}` },
    h(
      "header",
      h("h3", h("button", { type: "button", onclick: open }, question.id)),
      h("span.group", question.group),
      h("span.score", right),
    ),
    h("p.excerpt", { dir: "auto" }, question.excerpt),
    place,
    h(
      "footer",
      question.tags.map((tag) => h("span", { class: `tag ${tag.replace(" ", "-")}` }, tag)),
      !question.done && h("span.tag", "unfinished"),
    ),
  );
  builder.observe(card);
  return card;
}

function listCards() {
  cards.clear();
  const { questions } = RECORDS[view.record];
  for (const position of ordered(questions, view.order)) cards.set(position, buildCard(questions[position], position));
  list.replaceChildren(...cards.values());
  refilter();
}

async function refilter() {
  const { record, tags, words } = view;
  const { questions } = RECORDS[record];
  const mine = ++search;
  let found = [...cards.keys()].filter((position) => matches(questions[position], words, tags));
  if (view.replies && words.length) {
    const tagged = [...cards.keys()].filter((position) => matches(questions[position], [], tags));
    status.textContent = "Reading the replies …";
    found = await inReplies(record, tagged, words, () => mine !== search);
    if (found === null) return;
  }
  const kept = new Set(found);
  for (const [position, card] of cards) card.hidden = !kept.has(position);
  status.textContent =
    kept.size === questions.length
      ? `${plural(questions.length, "question")}`
      : `${kept.size} of ${plural(questions.length, "question")}`;
}

function tagChips() {
  const { questions } = RECORDS[view.record];
  return Object.entries(TAGS).map(([tag, meaning]) => {
    const number = questions.filter((question) => question.tags.includes(tag)).length;
    const flip = (event) => {
      if (!view.tags.delete(tag)) view.tags.add(tag);
      event.currentTarget.setAttribute("aria-pressed", view.tags.has(tag));
      refilter();
    };
    return h(
      "button.chip",
      {
        type: "button",
        title: meaning,
        "aria-pressed": String(view.tags.has(tag)),
        disabled: number === 0 && !view.tags.has(tag),
        onclick: flip,
      },
      tag,
      h("span.number", number),
    );
  });
}

const chips = h("div.chips", { role: "group", "aria-label": "Filters" });

function chooseRecord(index) {
  view.record = index;
  for (const option of document.querySelectorAll("input[name=shown-record]"))
    option.checked = Number(option.value) === index;
  chips.replaceChildren(...tagChips());
  listCards();
}

function recordTabs() {
  if (RECORDS.length < 2) return null;
  const tabs = RECORDS.map((record, index) => [
    {
      type: "radio",
      name: "shown-record",
      value: index,
      checked: index === view.record,
      onchange: () => chooseRecord(index),
    },
    recordKey(record),
  ]);
  return choices("Record", tabs, "records");
}

function toolbar() {
  let waiting;
  const typed = (event) => {
    view.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    clearTimeout(waiting);
    waiting = setTimeout(refilter, 120);
  };
  const reorder = (event) => ((view.order = event.target.value), listCards());
  const replies = (event) => ((view.replies = event.target.checked), refilter());
  return h(
    "div.toolbar",
    recordTabs(),
    h(
      "div.find",
      h("input", {
        type: "search",
        id: "search",
        placeholder: "Search questions and answers",
        "aria-label": "Search questions and answers",
        oninput: typed,
      }),
      h("label", h("input", { type: "checkbox", id: "search-replies", onchange: replies }), " in replies too"),
      h(
        "label",
        "Order ",
        h(
          "select",
          { id: "order", onchange: reorder },
          Object.keys(ORDERS).map((name) => h("option", name)),
        ),
      ),
    ),
    chips,
    status,
  );
}

const occurring = () => {
  const letters = new Set(
    RECORDS.flatMap(({ questions }) =>
      questions.flatMap(({ populations }) => populations.flatMap(({ states }) => [...states])),
    ),
  );
  return Object.keys(STATES)
    .filter((letter) => letters.has(letter))
    .map((letter) => STATES[letter]);
};

const legendOfCells = () =>
  h(
    "ul.states",
    { "aria-label": "Meaning of the cells" },
    occurring().map(({ name, glyph, word }) => {
      const sample = h("span", { class: `cell ${name}`, "aria-hidden": "true" }, glyph);
      sample.style.setProperty("--part", "50%");
      return h("li", sample, word);
    }),
    h(
      "li.hint",
      "One row a population. Point at a cell for its ancestors; click it, or press Enter, to read it; arrow keys move.",
    ),
  );

function listen() {
  const cellOf = (event) => event.target.closest?.(".grid .cell");
  const trace = (event) => {
    const at = cellOf(event);
    if (at) drawLines(at.closest(".grid"), questionOf(at.closest(".card")), ...addressOf(at));
  };
  const untrace = (event) => {
    const at = cellOf(event);
    if (!at) return;
    clearLines(at.closest(".grid"));
    if (reader.open) traceOpen();
  };
  list.addEventListener("pointerover", trace);
  list.addEventListener("focusin", trace);
  list.addEventListener("pointerout", untrace);
  list.addEventListener("focusout", untrace);
  list.addEventListener("click", (event) => {
    const at = cellOf(event);
    if (at) openCell(at);
  });
  list.addEventListener("keydown", (event) => {
    const at = cellOf(event);
    const next = at && moved(questionOf(at.closest(".card")), addressOf(at), event.key);
    if (!next) return;
    event.preventDefault();
    focusCell(at.closest(".grid"), ...next);
    if (reader.open) openCell(cellAt(at.closest(".grid"), ...next));
  });
}

function openCell(at) {
  const [t, i] = addressOf(at);
  focusCell(at.closest(".grid"), t, i);
  go({ record: view.record, question: questionOf(at.closest(".card")).id, t, i });
}

function showQuestions(body) {
  fill(body, [toolbar(), legendOfCells(), list]);
  listen();
  chooseRecord(0);
  addEventListener("beforeprint", () => [...cards.values()].forEach(ensureGrid));
}
