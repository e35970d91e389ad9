// The figures of this report. Every number comes from the record's analysis; here they are only placed.

// One curve is one method: its seeds are pooled, and bands are over questions and seeds.
const hiddenMethods = new Set();
const figures = [];

const shownMethods = () => METHODS.filter((_, index) => !hiddenMethods.has(index));
const redraw = () => figures.forEach(({ draw }) => draw());

const share = { label: "share of answers", format: (value) => percent(value, 0), from: 0, to: 1 };
const byPopulation = { label: "population t", short: "population", format: (value) => String(value), whole: true };
const point = (x, estimate, more) =>
  estimate ? { x, y: estimate[0], low: estimate[1], high: estimate[2], ...more } : { x, y: NaN };
const several = () => shownMethods().length > 1;
const named = (method, what) => (several() ? `${method.label} · ${what}` : what);
const bare = (series) => ({
  ...series,
  points: series.points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)),
});

const METRICS = [
  { key: "accuracy", name: "accuracy", dash: "", band: true },
  { key: "majority", name: "majority", dash: "dotted" },
  { key: "pass_at_n", name: "pass@N", dash: "dashed" },
];

// A method that chooses among all its samples has one answer, at the end: a level line.
function levelAnswers(chosen) {
  const last = Math.max(...METHODS.map(({ populations }) => populations.length));
  if (!chosen.has("accuracy") || last < 2) return [];
  return shownMethods()
    .filter(({ uniform, answer }) => !uniform && answer)
    .map((method) => ({
      name: named(method, "its own answer"),
      colour: method.colour,
      dash: "dashed",
      marked: false,
      points: [point(1, method.answer), point(last, method.answer)],
    }));
}

function accuracySpec(chosen) {
  const series = shownMethods().flatMap((method) =>
    METRICS.filter(({ key }) => chosen.has(key)).map(({ key, name, dash, band }) =>
      bare({
        name: named(method, name),
        colour: method.colour,
        dash,
        band,
        marked: key === "accuracy",
        points: method.populations.map((p) => point(p.t, p[key])),
      }),
    ),
  );
  return {
    series: [...series, ...levelAnswers(chosen)],
    x: byPopulation,
    y: share,
    reads: "Accuracy, majority accuracy and pass@N of each population",
  };
}

const COSTS = [
  { key: "calls", name: "calls", label: "calls a question" },
  { key: "completion", name: "completion tokens", label: "completion tokens a question" },
  { key: "total", name: "all tokens", label: "prompt and completion tokens a question" },
  { key: "seconds", name: "seconds", label: "seconds of generation a question, one call after the other" },
  { key: "chain", name: "seconds at full parallelism", label: "seconds of the longest chain of calls a question" },
];

function costSpec(cost) {
  const series = shownMethods().flatMap((method) => [
    bare({
      name: method.label,
      colour: method.colour,
      band: true,
      points: method.populations.map((p) =>
        point(p.cost[cost.key] ?? NaN, p.accuracy, { title: `${method.label}, population ${p.t}` }),
      ),
    }),
    bare({
      name: `${method.label} · its own answer`,
      colour: method.colour,
      whiskers: true,
      loose: true,
      points:
        method.uniform || !method.cost
          ? []
          : [point(method.cost[cost.key] ?? NaN, method.answer, { title: `${method.label}, its answer` })],
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
  const series = shownMethods().map((method) =>
    bare({
      name: method.label,
      colour: method.colour,
      points: method.populations.map((p) => ({ x: p.t, y: p[measure.key] ?? NaN })),
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
  const series = shownMethods().flatMap((method) =>
    [method.pass_at_k.first, method.pass_at_k.last].map((points, last) => ({
      name:
        method.populations.length > 1
          ? named(method, last ? "last population" : "first population")
          : named(method, "samples"),
      colour: method.colour,
      dash: last || method.populations.length === 1 ? "" : "dashed",
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
  const series = shownMethods().map((method) => ({
    name: method.label,
    colour: method.colour,
    whiskers: true,
    points: (method.transitions?.r ?? []).map((r) =>
      point(r.c / r.k, r.share, { title: `${r.c} right parents of ${r.k}: ${plural(r.total, "aggregation")}` }),
    ),
  }));
  return {
    series: series.map(bare),
    guide: [0, 0, 1, 1],
    x: { label: "share c / K of right candidates in the prompt", format: (value) => percent(value, 0), from: 0, to: 1 },
    y: { ...share, label: "r_c" },
    reads: "Share of right aggregations by how many parents were right",
  };
}

function predictedSpec() {
  const series = shownMethods().flatMap((method) => [
    bare({
      name: named(method, "measured"),
      colour: method.colour,
      band: true,
      points: method.transitions ? method.populations.map((p) => point(p.t, p.accuracy)) : [],
    }),
    bare({
      name: named(method, "predicted from r_c"),
      colour: method.colour,
      dash: "dashed",
      marked: false,
      points: (method.transitions?.predicted ?? []).map((estimate, t) => point(t + 1, estimate)),
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

function methodChoice() {
  if (METHODS.length < 2) return null;
  const options = METHODS.map((method, index) => {
    const flip = (event) => (hiddenMethods[event.target.checked ? "delete" : "add"](index), redraw());
    const key = h(`span.key.colour-${method.colour % 8}`, method.label);
    return [{ type: "checkbox", checked: !hiddenMethods.has(index), onchange: flip }, key];
  });
  return choices("Methods drawn", options, "records");
}

function figure(title, note, specOf, controls) {
  const made = plotFigure(title, note, specOf, controls);
  figures.push(made);
  return made;
}

function showCurves(body) {
  if (!METHODS.some(({ populations }) => populations.length)) {
    fill(body, [h("p.nothing", "No question is done yet, so there is nothing to draw.")]);
    return;
  }
  const chosen = new Set(METHODS.length > 2 ? ["accuracy"] : METRICS.map(({ key }) => key));
  let cost = COSTS[0];
  let spread = SPREAD[0];
  const grid = h("div.plots");
  const add = (...entries) => grid.append(...entries.map((entry) => entry.figure));
  const scored = METHODS.some((method) => method.populations.some((p) => p.accuracy));
  if (scored) {
    const accuracy = figure(
      "By population",
      "Accuracy is the paper’s Pass@1: the mean over members. The band is its 95 % interval, over questions, with the seeds of each averaged.",
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
  if (METHODS.some((method) => method.transitions)) {
    add(
      figure(
        "What aggregation makes of c right candidates",
        withRates(
          "r_c: the share of aggregations that are right when c of their candidates are. Over c / K the line of no gain is the same for every K: a candidate taken at random. Above it, aggregation gains.",
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
  fill(body, [methodChoice(), grid]);
}
