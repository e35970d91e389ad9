// The figures of this report. Every number comes from the record's analysis; here they are only placed.

// One curve is one method: its seeds are pooled, and bands are over questions and seeds.
const hiddenMethods = new Set();
const figures = [];

const shownMethods = () => METHODS.filter((_, index) => !hiddenMethods.has(index));

const share = { label: "share of answers", format: (value) => percent(value, 0), from: 0, to: 1 };
const byPopulation = { label: "population t", short: "population", format: String, whole: true };
const point = (x, estimate, more) =>
  estimate ? { x, y: estimate[0], low: estimate[1], high: estimate[2], ...more } : { x, y: NaN };
const named = (method, what) => (shownMethods().length > 1 ? `${method.label} · ${what}` : what);
const series = (method, name, points, more) => ({
  name,
  colour: method.colour,
  points: points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)),
  ...more,
});

const METRICS = [
  { key: "accuracy", name: "accuracy", dash: "", band: true },
  { key: "majority", name: "majority", dash: "dotted", marked: false },
  { key: "pass_at_n", name: "pass@N", dash: "dashed", marked: false },
];

function accuracySpec(chosen) {
  const last = Math.max(...METHODS.map(({ populations }) => populations.length));
  const drawn = shownMethods().flatMap((method) =>
    METRICS.filter(({ key }) => chosen.has(key)).map(({ key, name, ...more }) =>
      series(method, named(method, name), method.populations.map((p) => point(p.t, p[key])), more),
    ),
  );
  // A method that chooses among all its samples has one answer, at the end: a level line.
  const choosing = ({ uniform, answer }) => !uniform && answer && last > 1 && chosen.has("accuracy");
  for (const method of shownMethods().filter(choosing)) {
    const points = [point(1, method.answer), point(last, method.answer)];
    drawn.push(series(method, named(method, "its own answer"), points, { dash: "dashed", marked: false }));
  }
  const reads = "Accuracy, majority accuracy and pass@N of each population";
  return { series: drawn, x: byPopulation, y: share, reads };
}

const COSTS = [
  { key: "calls", name: "calls", label: "calls a question" },
  { key: "completion", name: "completion tokens", label: "completion tokens a question" },
  { key: "total", name: "all tokens", label: "prompt and completion tokens a question" },
  { key: "seconds", name: "seconds", label: "seconds of generation a question, one call after the other" },
  { key: "chain", name: "seconds at full parallelism", label: "seconds of the longest chain of calls a question" },
];

function costSpec({ key, name, label }) {
  const at = (cost, estimate, title) => point(cost[key] ?? NaN, estimate, { title });
  const drawn = shownMethods().flatMap((method) => {
    const steps = method.populations.map((p) => at(p.cost, p.accuracy, `${method.label}, population ${p.t}`));
    const own = method.uniform || !method.cost ? [] : [at(method.cost, method.answer, `${method.label}, its answer`)];
    return [
      series(method, method.label, steps, { band: true }),
      series(method, `${method.label} · its own answer`, own, { whiskers: true, loose: true }),
    ];
  });
  const x = { label, short: name, format: short, from: 0 };
  return { series: drawn, x, y: share, reads: `Accuracy against ${label}` };
}

const tenths = (value) => value.toFixed(1);
const SPREAD = [
  { key: "distinct", name: "distinct answers", label: "distinct answers a question", format: tenths },
  { key: "entropy", name: "answer entropy", label: "entropy of answers, bits", format: tenths },
  { key: "unanswered_share", name: "no answer", label: "share without an answer", format: share.format },
  { key: "mean_tokens", name: "length", label: "mean tokens of a reply", format: short },
];

const diversitySpec = ({ key, label, format }) => ({
  series: shownMethods().map((method) =>
    series(method, method.label, method.populations.map((p) => ({ x: p.t, y: p[key] ?? NaN }))),
  ),
  x: byPopulation,
  y: { label, format, from: 0 },
  reads: `${label} by population`,
});

function passSpec() {
  const drawn = shownMethods().flatMap((method) => {
    const single = method.populations.length === 1;
    const names = single ? ["samples", "samples"] : ["first population", "last population"];
    return [method.pass_at_k.first, method.pass_at_k.last].map((points, last) => {
      const shares = (points ?? []).map(([k, ...estimate]) => point(k, estimate));
      return series(method, named(method, names[last]), shares, { dash: last || single ? "" : "dashed" });
    });
  });
  return {
    series: drawn,
    x: { label: "k", format: String, whole: true },
    y: { ...share, label: "share of questions" },
    reads: "pass@k of the first and the last population",
  };
}

const rescueSpec = () => ({
  series: shownMethods().map((method) => {
    const said = (r) => `${r.c} right parents of ${r.k}: ${plural(r.total, "aggregation")}`;
    const rates = (method.transitions?.r ?? []).map((r) => point(r.c / r.k, r.share, { title: said(r) }));
    return series(method, method.label, rates, { whiskers: true });
  }),
  guide: [0, 0, 1, 1],
  x: { ...share, label: "share c / K of right candidates in the prompt" },
  y: { ...share, label: "r_c" },
  reads: "Share of right aggregations by how many parents were right",
});

function predictedSpec() {
  const drawn = shownMethods().flatMap((method) => {
    const measured = method.transitions ? method.populations.map((p) => point(p.t, p.accuracy)) : [];
    const predicted = (method.transitions?.predicted ?? []).map((estimate, t) => point(t + 1, estimate));
    return [
      series(method, named(method, "measured"), measured, { band: true }),
      series(method, named(method, "predicted from r_c"), predicted, { dash: "dashed", marked: false }),
    ];
  });
  const reads = "Accuracy as r_c predicts it beside the measured accuracy";
  return { series: drawn, x: byPopulation, y: share, reads };
}

const keyOf = (colour) => `key colour-${colour % 8}`;
const recordKey = ({ label, colour }) => h("span", { class: keyOf(colour) }, label);

// Options to choose from: of each its input's attributes, and what it says.
const choices = (legend, options, more = "") =>
  h(
    "fieldset",
    { class: `choice ${more}` },
    h("legend", legend),
    options.map(([attributes, words]) => h("label", h("input", attributes), words)),
  );

const choice = (legend, options, change) =>
  choices(
    legend,
    options.map((option, place) => [
      { type: "radio", name: `choice-${legend}`, checked: place === 0, onchange: () => change(option) },
      h("span", option.name),
    ]),
  );

const redraw = () => figures.forEach(({ draw }) => draw());

function showCurves(body) {
  if (!METHODS.some(({ populations }) => populations.length)) {
    fill(body, [h("p.nothing", "No question is done yet, so there is nothing to draw.")]);
    return;
  }
  const chosen = new Set(METHODS.length > 2 ? ["accuracy"] : METRICS.map(({ key }) => key));
  let cost = COSTS[0];
  let spread = SPREAD[0];
  const flip = (set, entry, on) => (event) => (set[event.target.checked === on ? "add" : "delete"](entry), redraw());
  const add = (title, note, specOf, controls = null) => figures.push(plotFigure(title, note, specOf, controls));
  const scored = METHODS.some((method) => method.populations.some((p) => p.accuracy));
  if (scored) {
    const metrics = METRICS.map(({ key, name }) => [
      { type: "checkbox", checked: chosen.has(key), onchange: flip(chosen, key, true) },
      h("span", name),
    ]);
    add(
      "By population",
      "Accuracy is the paper’s Pass@1: the mean over members. The band is its 95 % interval, over questions, with the seeds of each averaged.",
      () => accuracySpec(chosen),
      choices("Curves", metrics),
    );
    add(
      "Against cost",
      "What each further population adds, and what it costs.",
      () => costSpec(cost),
      choice("Cost in", COSTS, (option) => ((cost = option), redraw())),
    );
  }
  add(
    "Diversity",
    "How far the members of a population still differ.",
    () => diversitySpec(spread),
    choice("Measure", SPREAD, (option) => ((spread = option), redraw())),
  );
  if (scored)
    add(
      "pass@k",
      "The chance that at least one of k members is right, by the unbiased estimator: what is there to be found at first, and at the end.",
      passSpec,
    );
  if (METHODS.some((method) => method.transitions)) {
    add(
      "What aggregation makes of c right candidates",
      withRates(
        "r_c: the share of aggregations that are right when c of their candidates are. Over c / K the line of no gain is the same for every K: a candidate taken at random. Above it, aggregation gains.",
      ),
      rescueSpec,
    );
    add(
      withRates("What r_c predicts"),
      withRates(
        "The trajectory that r_c and the first population alone predict, further populations included, beside what was measured.",
      ),
      predictedSpec,
    );
  }
  const methods = METHODS.map((method, index) => [
    { type: "checkbox", checked: true, onchange: flip(hiddenMethods, index, false) },
    recordKey(method),
  ]);
  const grid = h("div.plots", figures.map(({ figure }) => figure));
  fill(body, [METHODS.length > 1 && choices("Methods drawn", methods, "records"), grid]);
}
