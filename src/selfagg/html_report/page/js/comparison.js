// What was run, what it came to, and whether the differences hold.

const ends = (estimate) => `[${(100 * estimate[1]).toFixed(1)}, ${(100 * estimate[2]).toFixed(1)}]`;
const estimateText = (estimate) =>
  estimate ? [h("strong", percent(estimate[0])), h("span.interval", ` ${ends(estimate)}`)] : "–";

function intervalBar(estimate, colour) {
  if (!estimate) return "";
  const [mean, low, high] = estimate.map((value) => 4 + 152 * value);
  return svg(
    "svg",
    { class: "bar", width: 160, height: 16, "aria-hidden": "true" },
    svg("line", { class: "axis", x1: 4, x2: 156, y1: 8, y2: 8 }),
    svg("line", { class: `whisker series colour-${colour % 8}`, x1: low, x2: high, y1: 8, y2: 8 }),
    marker(colour, mean, 8),
  );
}

// Said in each row only where the records differ in it; otherwise it stands at the top of the page.
const whatModel = (one) =>
  RECORDS.some(({ model }) => model !== one.model) && [h("small", one.model), simulatedMark(one)];
const simulatedMark = ({ simulated }) => simulated && h("span.simulated", "simulated model");

// A table of methods: of each row the method, its setting in words, and its cells by their heads.
function methodTable(label, rows) {
  const heads = Object.keys(rows[0][2]);
  const head = ["Method", ...heads].map((name) => h("th", { scope: "col" }, name));
  const body = rows.map(([one, setting, cells]) =>
    h(
      "tr",
      h("th", { scope: "row" }, recordKey(one), h("small", setting), whatModel(one)),
      heads.map((name) => h("td", { "data-head": name }, cells[name])),
    ),
  );
  const table = h("table.runs", h("thead", h("tr", head)), h("tbody", body));
  return h("div.scroll", { tabindex: "0", role: "region", "aria-label": label }, table);
}

const allTokens = ({ prompt, completion }) => (prompt === null ? null : prompt + completion);

function recordRow(record) {
  const last = record.populations.at(-1) || {};
  const cells = {
    "Its answer is right": estimateText(record.answer),
    "95 % interval": intervalBar(record.answer, record.colour),
    "pass@N, last": estimateText(last.pass_at_n),
    "Majority, last": estimateText(last.majority),
    Calls: count(record.calls),
    "Completion tokens": short(record.usage.completion),
    "All tokens": short(allTokens(record.usage)),
    Time: duration(record.seconds),
  };
  return [record, `${record.setting} · seed ${record.seed}`, cells];
}

function entryRow(entry, colour) {
  const { calls, completion, total, seconds } = entry.cost;
  const seeds = entry.seeds.length > 1 ? plural(entry.seeds.length, "seed") : `seed ${entry.seeds[0]}`;
  const spread = entry.over_seeds !== null && h("small", ` ± ${(100 * entry.over_seeds).toFixed(1)} over ${seeds}`);
  const cells = {
    "Its answer is right": [estimateText(entry.accuracy), spread],
    "95 % interval": intervalBar(entry.accuracy, colour),
    Calls: short(calls),
    "Completion tokens": short(completion),
    "All tokens": short(total),
    "Seconds of generation": duration(seconds),
  };
  return [{ ...entry, colour }, `${entry.setting} · ${seeds}`, cells];
}

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
  const { prompt, completion } = record.usage;
  const entries = {
    "Its answer is right": estimateText(record.answer),
    "First population": estimateText(first.accuracy),
    "pass@N, last": estimateText(last.pass_at_n),
    "Majority, last": estimateText(last.majority),
    Calls: [count(record.calls), h("small", ` in ${duration(record.seconds)}`)],
    Tokens: [short(prompt), h("small", " prompt + "), short(completion), h("small", " completion")],
  };
  return h("dl.tiles", Object.entries(entries).map(([name, value]) => h("div", h("dt", name), h("dd", value))));
}

function findings(method) {
  const told = method.transitions?.findings ?? [];
  if (!told.length) return null;
  const name = METHODS.length > 1 && h("h3", { class: keyOf(method.colour) }, method.label);
  return h("div", name, h("ul", told.map((line) => h("li", withRates(line)))));
}

// Failed calls, answers that could not be scored, tokens that nobody told.
const lacking = ({ label, missing }) =>
  missing.length > 0 && h("p.note", `${RECORDS.length > 1 ? `${label}: ` : ""}${missing.join(" ")}`);

const unfinished = ({ label, done, questions }) =>
  h("p.note", `${label}: ${done} of ${plural(questions.length, "question")} ${done === 1 ? "is" : "are"} done; its numbers are theirs.`);

function showComparison(body) {
  const single = RECORDS.length === 1;
  const compared = DATA.entries.length > 0;
  if (single)
    for (const title of document.querySelectorAll("#comparison-title, nav a[href='#comparison']"))
      title.textContent = "Result";
  fill(body, [
    single && tiles(RECORDS[0]),
    compared && [
      methodTable("Methods compared", DATA.entries.map(entryRow)),
      h("p.note", "Costs are means of a question."),
    ],
    DATA.comparisons.length > 0 && h("ul.verdicts", DATA.comparisons.map(verdictRow)),
    RECORDS.filter(({ done, questions }) => done < questions.length).map(unfinished),
    RECORDS.map(lacking),
    DATA.notes.map((note) => h("p.note", note)),
    !single &&
      h("details.each", { open: !compared }, h("summary", "Each record"), methodTable("Each record", RECORDS.map(recordRow))),
    h("div.findings", METHODS.map(findings)),
  ]);
}

function showAbout(body) {
  const [first] = RECORDS;
  const asked = plural(first.questions.length, "question");
  const told = [
    RECORDS.length === 1 && [h("b", first.label), ` ${first.setting} · seed ${first.seed}`],
    /\bquestions?\b/.test(first.source) ? first.source : `${asked} from ${first.source}`,
    [...new Set(RECORDS.map(({ model }) => model))].join(", "),
    RECORDS.every(({ simulated }) => simulated) && simulatedMark(first),
  ];
  body.append(h("p.about", told.filter(Boolean).map((piece) => h("span", piece))));
}
