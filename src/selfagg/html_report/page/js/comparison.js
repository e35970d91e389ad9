// What was run, what it came to, and whether the differences hold.

const estimateText = (estimate) =>
  estimate
    ? [
        h("strong", percent(estimate[0])),
        h("span.interval", ` [${(100 * estimate[1]).toFixed(1)}, ${(100 * estimate[2]).toFixed(1)}]`),
      ]
    : "–";

function intervalBar(estimate, colour) {
  if (!estimate) return "";
  const [mean, low, high] = estimate.map((value) => 4 + 152 * value);
  return svg(
    "svg",
    { class: "bar", width: 160, height: 16, "aria-hidden": "true" },
    svg("line", { class: "axis", x1: 4, x2: 156, y1: 8, y2: 8 }),
    svg("line", { class: `whisker series colour-${colour % 8}`, x1: low, x2: high, y1: 8, y2: 8 }),
    dressed(MARKERS[colour % MARKERS.length](mean, 8), { class: `point series colour-${colour % 8}` }, []),
  );
}

const HEADS = [
  "Its answer is right",
  "95 % interval",
  "pass@N, last",
  "Majority, last",
  "Calls",
  "Completion tokens",
  "All tokens",
  "Time",
];

// Said in each row only where the records differ in it; otherwise it stands at the top of the page.
const whatModel = (one) =>
  RECORDS.some(({ model }) => model !== one.model) && [h("small", one.model), simulatedMark(one)];

function recordRow(record) {
  const last = record.populations.at(-1) || {};
  const cells = [
    estimateText(record.answer),
    intervalBar(record.answer, record.colour),
    estimateText(last.pass_at_n),
    estimateText(last.majority),
    count(record.calls),
    short(record.usage.completion),
    short(record.usage.prompt === null ? null : record.usage.prompt + record.usage.completion),
    duration(record.seconds),
  ];
  return namedRow(record, `${record.setting} · seed ${record.seed}`, HEADS, cells);
}

function namedRow(one, setting, heads, cells) {
  const name = h("th", { scope: "row" }, recordKey(one), h("small", setting), whatModel(one));
  return h(
    "tr",
    name,
    cells.map((cell, at) => h("td", { "data-head": heads[at] }, cell)),
  );
}

const simulatedMark = (record) => record.simulated && h("span.simulated", "simulated model");

function scrolled(label, heads, rows) {
  const head = h(
    "tr",
    ["Method", ...heads].map((name) => h("th", { scope: "col" }, name)),
  );
  return h(
    "div.scroll",
    { tabindex: "0", role: "region", "aria-label": label },
    h("table.runs", h("thead", head), h("tbody", rows)),
  );
}

const recordTable = () => scrolled("Each record", HEADS, RECORDS.map(recordRow));

const PER_QUESTION = [
  "Its answer is right",
  "95 % interval",
  "Calls",
  "Completion tokens",
  "All tokens",
  "Seconds of generation",
];

const overSeeds = ({ over_seeds, seeds }) => `± ${(100 * over_seeds).toFixed(1)} over ${plural(seeds.length, "seed")}`;

function entryRow(entry, colour) {
  const { calls, completion, total, seconds } = entry.cost;
  const cells = [
    [estimateText(entry.accuracy), entry.over_seeds !== null && h("small", {}, overSeeds(entry))],
    intervalBar(entry.accuracy, colour),
    short(calls),
    short(completion),
    short(total),
    duration(seconds),
  ];
  const seeds = entry.seeds.length > 1 ? plural(entry.seeds.length, "seed") : `seed ${entry.seeds[0]}`;
  return namedRow({ ...entry, colour }, `${entry.setting} · ${seeds}`, PER_QUESTION, cells);
}

const entryTable = () => [
  scrolled("Methods compared", PER_QUESTION, DATA.entries.map(entryRow)),
  h("p.note", "Costs are means of a question."),
];

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)}`;

function verdictRow(pair) {
  const differs = `${signed(pair.difference)} points [${signed(pair.low)}, ${signed(pair.high)}]`;
  const least =
    pair.smallest === null
      ? "too few questions to show any difference"
      : `so many questions can show ${(100 * pair.smallest).toFixed(1)} points or more`;
  return h(
    "li",
    { class: `verdict ${pair.verdict.replace(" ", "-")}` },
    h("span.word", pair.verdict),
    h("span.who", h("b", pair.a), " than ", h("b", pair.b)),
    h("span.numbers", differs),
    h("small", `p = ${pair.p.toPrecision(2)} over ${plural(pair.questions, "question")}; ${least}. ${pair.how}`),
  );
}

function tiles(record) {
  const first = record.populations[0] || {};
  const last = record.populations.at(-1) || {};
  const entries = [
    ["Its answer is right", estimateText(record.answer)],
    ["First population", estimateText(first.accuracy)],
    ["pass@N, last", estimateText(last.pass_at_n)],
    ["Majority, last", estimateText(last.majority)],
    ["Calls", [count(record.calls), h("small", ` in ${duration(record.seconds)}`)]],
    [
      "Tokens",
      [short(record.usage.prompt), h("small", " prompt + "), short(record.usage.completion), h("small", " completion")],
    ],
  ];
  return h(
    "dl.tiles",
    entries.map(([name, value]) => h("div", h("dt", name), h("dd", value))),
  );
}

function findings(method) {
  const told = method.transitions?.findings ?? [];
  if (!told.length) return null;
  const name = METHODS.length > 1 && h("h3", { class: `key colour-${method.colour % 8}` }, method.label);
  return h(
    "div",
    name,
    h(
      "ul",
      told.map((line) => h("li", withRates(line))),
    ),
  );
}

// Failed calls, answers that could not be scored, tokens that nobody told.
const lacking = ({ label, missing }) =>
  missing.length > 0 && h("p.note", `${RECORDS.length > 1 ? `${label}: ` : ""}${missing.join(" ")}`);

const unfinished = ({ label, done, questions }) =>
  h("p.note", `${label}: ${done} of ${plural(questions.length, "question")} are done; its numbers are theirs.`);

function showComparison(body) {
  if (RECORDS.length === 1)
    for (const title of document.querySelectorAll("#comparison-title, nav a[href='#comparison']"))
      title.textContent = "Result";
  fill(body, [
    RECORDS.length === 1 && tiles(RECORDS[0]),
    DATA.entries.length > 0 && entryTable(),
    DATA.comparisons.length ? h("ul.verdicts", DATA.comparisons.map(verdictRow)) : null,
    RECORDS.filter(({ done, questions }) => done < questions.length).map(unfinished),
    RECORDS.map(lacking),
    DATA.notes.map((note) => h("p.note", note)),
    RECORDS.length > 1 &&
      h("details.each", { open: DATA.entries.length === 0 }, h("summary", "Each record"), recordTable()),
    h("div.findings", METHODS.map(findings)),
  ]);
}

function showAbout(body) {
  const [first] = RECORDS;
  const models = [...new Set(RECORDS.map(({ model }) => model))];
  const told = [
    RECORDS.length === 1 && [h("b", first.label), ` ${first.setting} · seed ${first.seed}`],
    /\bquestions?\b/.test(first.source)
      ? first.source
      : `${plural(first.questions.length, "question")} from ${first.source}`,
    models.join(", "),
    RECORDS.every(({ simulated }) => simulated) && simulatedMark(first),
  ];
  body.append(
    h(
      "p.about",
      told.filter(Boolean).map((piece) => h("span", piece)),
    ),
  );
}
