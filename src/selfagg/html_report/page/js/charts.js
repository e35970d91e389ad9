// The figures of this report. Every number comes from the record's analysis; here they are only placed.

// Where there are too many records to tell apart, the first seed of each method is drawn until somebody asks for more.
const hiddenRecords = new Set(RECORDS.length > 6 ? RECORDS.flatMap(({ first }, index) => (first ? [] : [index])) : []);
const figures = [];

const shownRecords = () =>
  RECORDS.map((record, index) => ({ record, index })).filter(({ index }) => !hiddenRecords.has(index));
const redraw = () => figures.forEach(({ draw }) => draw());

const share = { label: "share of answers", format: (value) => percent(value, 0), from: 0, to: 1 };
const byPopulation = { label: "population t", short: "population", format: (value) => String(value), whole: true };
const point = (x, estimate, more) =>
  estimate ? { x, y: estimate[0], low: estimate[1], high: estimate[2], ...more } : { x, y: NaN };
const several = () => shownRecords().length > 1;
const named = (record, what) => (several() ? `${record.label} · ${what}` : what);
const bare = (series) => ({
  ...series,
  points: series.points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)),
});

const METRICS = [
  { key: "accuracy", name: "accuracy", dash: "", band: true },
  { key: "majority", name: "majority", dash: "dotted" },
  { key: "pass_at_n", name: "pass@N", dash: "dashed" },
];

function accuracySpec(chosen) {
  const series = shownRecords().flatMap(({ record }) =>
    METRICS.filter(({ key }) => chosen.has(key)).map(({ key, name, dash, band }) =>
      bare({
        name: named(record, name),
        colour: record.colour,
        dash,
        band,
        marked: key === "accuracy",
        points: record.populations.map((p) => point(p.t, p[key])),
      }),
    ),
  );
  return { series, x: byPopulation, y: share, reads: "Accuracy, majority accuracy and pass@N of each population" };
}

const COSTS = [
  { key: "calls", name: "calls", label: "calls a question" },
  { key: "completion", name: "completion tokens", label: "completion tokens a question" },
  { key: "total", name: "all tokens", label: "prompt and completion tokens a question" },
  { key: "seconds", name: "seconds", label: "seconds of generation a question, one call after the other" },
  { key: "chain", name: "seconds at full parallelism", label: "seconds of the longest chain of calls a question" },
];

function costSpec(cost) {
  const series = shownRecords().flatMap(({ record }) => [
    bare({
      name: record.label,
      colour: record.colour,
      band: true,
      points: record.populations.map((p) =>
        point(p.cost[cost.key] ?? NaN, p.accuracy, { title: `${record.label}, population ${p.t}` }),
      ),
    }),
    bare({
      name: `${record.label} · its own answer`,
      colour: record.colour,
      whiskers: true,
      loose: true,
      points:
        record.uniform || !record.cost
          ? []
          : [point(record.cost[cost.key] ?? NaN, record.answer, { title: `${record.label}, its answer` })],
    }),
  ]);
  return {
    series,
    x: { label: cost.label, short: cost.name, format: short, from: 0 },
    y: share,
    reads: `Accuracy against ${cost.label}`,
  };
}

function diversitySpec(measure) {
  const series = shownRecords().map(({ record }) =>
    bare({
      name: record.label,
      colour: record.colour,
      points: record.populations.map((p) => ({ x: p.t, y: p[measure.key] ?? NaN })),
    }),
  );
  return {
    series,
    x: byPopulation,
    y: { label: measure.label, format: measure.format, from: 0 },
    reads: `${measure.label} by population`,
  };
}

const SPREAD = [
  {
    key: "distinct",
    name: "distinct answers",
    label: "distinct answers a question",
    format: (value) => value.toFixed(1),
  },
  { key: "entropy", name: "answer entropy", label: "entropy of answers, bits", format: (value) => value.toFixed(1) },
  {
    key: "unanswered_share",
    name: "no answer",
    label: "share without an answer",
    format: (value) => percent(value, 0),
  },
  { key: "mean_tokens", name: "length", label: "mean tokens of a reply", format: short },
];

function passSpec() {
  const series = shownRecords().flatMap(({ record }) =>
    [record.pass_at_k.first, record.pass_at_k.last].map((points, last) => ({
      name:
        record.populations.length > 1
          ? named(record, last ? "last population" : "first population")
          : named(record, "samples"),
      colour: record.colour,
      dash: last || record.populations.length === 1 ? "" : "dashed",
      points: (points ?? []).map(([k, ...estimate]) => point(k, estimate)),
    })),
  );
  return {
    series: series.map(bare),
    x: { label: "k", format: String, whole: true },
    y: { ...share, label: "share of questions" },
    reads: "pass@k of the first and the last population",
  };
}

function rescueSpec() {
  const series = shownRecords().map(({ record }) => ({
    name: record.label,
    colour: record.colour,
    whiskers: true,
    points: (record.transitions?.r ?? []).map((r) =>
      point(r.c, r.share, { title: `${r.c} right parents of ${r.k}: ${plural(r.total, "aggregation")}` }),
    ),
  }));
  const k = Math.max(...shownRecords().flatMap(({ record }) => (record.transitions?.r ?? []).map((r) => r.k)), 0);
  return {
    series: series.map(bare),
    guide: [0, 0, k, 1],
    x: { label: "right candidates c in the prompt", format: String, whole: true, from: 0, to: k },
    y: { ...share, label: "r_c" },
    reads: "Share of right aggregations by how many parents were right",
  };
}

function predictedSpec() {
  const series = shownRecords().flatMap(({ record }) => [
    bare({
      name: named(record, "measured"),
      colour: record.colour,
      band: true,
      points: record.transitions ? record.populations.map((p) => point(p.t, p.accuracy)) : [],
    }),
    bare({
      name: named(record, "predicted from r_c"),
      colour: record.colour,
      dash: "dashed",
      marked: false,
      points: (record.transitions?.predicted ?? []).map((estimate, t) => point(t + 1, estimate)),
    }),
  ]);
  return { series, x: byPopulation, y: share, reads: "Accuracy as r_c predicts it beside the measured accuracy" };
}

const recordKey = ({ label, colour }) => h("span", { class: `key colour-${colour % 8}` }, label);

// Options to choose from: of each its input's attributes, and what it says.
const choices = (legend, options, more = "") =>
  h(
    "fieldset",
    { class: `choice ${more}` },
    h("legend", legend),
    options.map(([attributes, words]) => h("label", h("input", attributes), words)),
  );

const choice = (legend, options, chosen, change) =>
  choices(
    legend,
    options.map((option) => [
      { type: "radio", name: `choice-${legend}`, checked: option === chosen, onchange: () => change(option) },
      h("span", option.name),
    ]),
  );

const metricChoice = (chosen, draw) =>
  choices(
    "Curves",
    METRICS.map(({ key, name }) => {
      const flip = (event) => (chosen[event.target.checked ? "add" : "delete"](key), draw());
      return [{ type: "checkbox", checked: chosen.has(key), onchange: flip }, h("span", name)];
    }),
  );

function recordChoice() {
  if (RECORDS.length < 2) return null;
  const options = RECORDS.map((record, index) => {
    const flip = (event) => (hiddenRecords[event.target.checked ? "delete" : "add"](index), redraw());
    return [{ type: "checkbox", checked: !hiddenRecords.has(index), onchange: flip }, recordKey(record)];
  });
  return choices("Records drawn", options, "records");
}

function figure(title, note, specOf, controls) {
  const made = plotFigure(title, note, specOf, controls);
  figures.push(made);
  return made;
}

function showCurves(body) {
  if (!RECORDS.some(({ populations }) => populations.length)) {
    fill(body, [h("p.nothing", "No question is done yet, so there is nothing to draw.")]);
    return;
  }
  const chosen = new Set(RECORDS.length > 2 ? ["accuracy"] : METRICS.map(({ key }) => key));
  let cost = COSTS[0];
  let spread = SPREAD[0];
  const grid = h("div.plots");
  const add = (...entries) => grid.append(...entries.map((entry) => entry.figure));
  const scored = RECORDS.some((record) => record.populations.some((p) => p.accuracy));
  if (scored) {
    const accuracy = figure(
      "By population",
      "Accuracy is the paper’s Pass@1: the mean over members. The band is its 95 % interval, clustered by question.",
      () => accuracySpec(chosen),
      metricChoice(chosen, () => accuracy.draw()),
    );
    const costs = figure(
      "Against cost",
      "What each further population adds, and what it costs.",
      () => costSpec(cost),
      choice("Cost in", COSTS, cost, (option) => ((cost = option), costs.draw())),
    );
    add(accuracy, costs);
  }
  const diversity = figure(
    "Diversity",
    "How far the members of a population still differ.",
    () => diversitySpec(spread),
    choice("Measure", SPREAD, spread, (option) => ((spread = option), diversity.draw())),
  );
  add(diversity);
  if (scored)
    add(
      figure(
        "pass@k",
        "The chance that at least one of k members is right, by the unbiased estimator: what is there to be found at first, and at the end.",
        passSpec,
        null,
      ),
    );
  if (RECORDS.some((record) => record.transitions)) {
    add(
      figure(
        "What aggregation makes of c right candidates",
        withRates(
          "r_c: the share of aggregations that are right when c of their candidates are. Above the line from 0 to 1, aggregation gains.",
        ),
        rescueSpec,
        null,
      ),
      figure(
        withRates("What r_c predicts"),
        withRates(
          "The trajectory that r_c and the first population alone predict, further populations included, beside what was measured.",
        ),
        predictedSpec,
        null,
      ),
    );
  }
  fill(body, [recordChoice(), grid]);
}
