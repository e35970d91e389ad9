// One plot: axes, lines with bands or whiskers, a table of the same numbers, a reading where the pointer is.

const MARKERS = [
  (x, y) => svg("circle", { cx: x, cy: y, r: 4 }),
  (x, y) => svg("rect", { x: x - 3.6, y: y - 3.6, width: 7.2, height: 7.2 }),
  (x, y) => svg("path", { d: `M${x} ${y - 5}L${x + 4.8} ${y + 3.6}H${x - 4.8}Z` }),
  (x, y) => svg("path", { d: `M${x} ${y - 5.2}L${x + 5.2} ${y}L${x} ${y + 5.2}L${x - 5.2} ${y}Z` }),
];

function steps(low, high, wanted) {
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const found = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-6; value += step)
    found.push(+value.toPrecision(10));
  return found;
}

function extent(spec, axis) {
  const values = spec.series.flatMap((series) =>
    series.points
      .flatMap((point) => (axis === "x" ? [point.x] : [point.y, point.low, point.high]))
      .filter(Number.isFinite),
  );
  const { from, to } = spec[axis];
  const low = from ?? Math.min(...values);
  const high = to ?? Math.max(...values);
  if (low === high) return [low - 0.5, high + 0.5];
  if (axis === "x" || to !== undefined) return [low, high];
  const ticks = steps(low, high, 5);
  return [low, high > ticks.at(-1) ? 2 * ticks.at(-1) - ticks.at(-2) : high];
}

function drawPlot(spec, width) {
  const height = Math.round(Math.min(300, Math.max(220, width * 0.58)));
  const box = { left: 50, right: width - 14, top: 12, bottom: height - 42 };
  const [xLow, xHigh] = extent(spec, "x");
  const [yLow, yHigh] = extent(spec, "y");
  const margin = spec.x.whole ? (xHigh - xLow) * 0.03 : 0;
  const x = (value) => box.left + ((value - xLow + margin) / (xHigh - xLow + 2 * margin)) * (box.right - box.left);
  const y = (value) => box.bottom - ((value - yLow) / (yHigh - yLow)) * (box.bottom - box.top);
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": spec.reads });
  for (const value of steps(yLow, yHigh, 5))
    root.append(
      svg("line", { class: "gridline", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }),
      svg("text", { class: "tick", x: box.left - 8, y: y(value) + 4, "text-anchor": "end" }, spec.y.format(value)),
    );
  const xs = spec.x.whole
    ? steps(xLow, xHigh, Math.min(xHigh - xLow || 1, width / 50)).filter(Number.isInteger)
    : steps(xLow, xHigh, Math.max(2, width / 90));
  for (const value of xs)
    root.append(
      svg("text", { class: "tick", x: x(value), y: box.bottom + 18, "text-anchor": "middle" }, spec.x.format(value)),
    );
  root.append(
    svg("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }),
    svg(
      "text",
      { class: "label", x: (box.left + box.right) / 2, y: height - 6, "text-anchor": "middle" },
      spec.x.label,
    ),
  );
  if (spec.guide) {
    const [x1, y1, x2, y2] = spec.guide;
    root.append(svg("line", { class: "guide", x1: x(x1), y1: y(y1), x2: x(x2), y2: y(y2) }));
  }
  for (const series of spec.series) root.append(...drawSeries(series, x, y));
  return { root, x, y, box };
}

function drawSeries(series, x, y) {
  const points = series.points.filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y));
  const ranged = points.filter((point) => Number.isFinite(point.low));
  const style = `series colour-${series.colour % 8}`;
  const drawn = [];
  if (series.band && ranged.length > 1) {
    const upper = ranged.map((point) => `${x(point.x)},${y(point.high)}`);
    const lower = ranged.map((point) => `${x(point.x)},${y(point.low)}`).reverse();
    drawn.push(svg("polygon", { class: `band ${style}`, points: [...upper, ...lower].join(" ") }));
  } else if (series.band || series.whiskers) {
    for (const point of ranged)
      drawn.push(
        svg("line", { class: `whisker ${style}`, x1: x(point.x), x2: x(point.x), y1: y(point.low), y2: y(point.high) }),
      );
  }
  if (points.length > 1 && !series.loose)
    drawn.push(
      svg("polyline", {
        class: `line ${style} ${series.dash || ""}`,
        points: points.map((p) => `${x(p.x)},${y(p.y)}`).join(" "),
      }),
    );
  const marker = MARKERS[series.colour % MARKERS.length];
  if (series.marked !== false || points.length === 1)
    for (const point of points)
      drawn.push(dressed(marker(x(point.x), y(point.y)), { class: `point ${style} ${series.dash || ""}` }, []));
  return drawn;
}

function pointerReading(spec, plot, figure) {
  const tip = h("div.tip", { hidden: true });
  const rule = svg("line", { class: "rule", y1: plot.box.top, y2: plot.box.bottom, visibility: "hidden" });
  plot.root.append(rule);
  const all = spec.series.flatMap((series) => series.points.map((point) => ({ series, point })));
  const leave = () => {
    tip.hidden = true;
    rule.setAttribute("visibility", "hidden");
  };
  plot.root.addEventListener("pointerleave", leave);
  plot.root.addEventListener("pointermove", (event) => {
    const at = event.clientX - plot.root.getBoundingClientRect().left;
    const near = all.reduce(
      (best, one) => (Math.abs(plot.x(one.point.x) - at) < Math.abs(plot.x(best.point.x) - at) ? one : best),
      all[0],
    );
    if (!near) return;
    const here = all.filter(({ point }) => point.x === near.point.x);
    const place = plot.x(near.point.x);
    rule.setAttribute("x1", place);
    rule.setAttribute("x2", place);
    rule.setAttribute("visibility", "visible");
    tip.replaceChildren(
      h("strong", near.point.title || `${spec.x.short || spec.x.label} ${spec.x.format(near.point.x)}`),
      ...here.map(({ series, point }) =>
        h("div", { class: `key colour-${series.colour % 8}` }, `${series.name}: ${said(spec, point)}`),
      ),
    );
    tip.hidden = false;
    tip.style.left = `${Math.min(Math.max(place - tip.offsetWidth / 2, 0), figure.clientWidth - tip.offsetWidth)}px`;
  });
  return tip;
}

const said = (spec, point) =>
  spec.y.format(point.y) +
  (Number.isFinite(point.low) ? ` [${spec.y.format(point.low)}, ${spec.y.format(point.high)}]` : "");

function asTable(spec) {
  const rows = spec.series.flatMap((series) =>
    series.points.map((point) =>
      h("tr", h("td", series.name), h("td", spec.x.format(point.x)), h("td", said(spec, point))),
    ),
  );
  const head = ["Series", spec.x.label, spec.y.label].map((name) => h("th", { scope: "col" }, name));
  return h(
    "details.numbers",
    h("summary", "Numbers"),
    h("div.scroll", h("table", h("thead", h("tr", head)), h("tbody", rows))),
  );
}

// `specOf` is asked again at every drawing, since what is shown may have changed.
function plotFigure(title, note, specOf, controls) {
  const canvas = h("div.canvas");
  const legend = h("ul.legend");
  const numbers = h("div");
  const figure = h("figure.plot", h("figcaption", h("h3", title), h("p", note)), controls, canvas, legend, numbers);
  const draw = () => {
    const spec = specOf();
    const width = Math.floor(canvas.clientWidth);
    if (!width) return;
    if (!spec.series.some((series) => series.points.length)) {
      canvas.replaceChildren(h("p.nothing", "Nothing to draw here."));
      legend.replaceChildren();
      numbers.replaceChildren();
      return;
    }
    const plot = drawPlot(spec, width);
    canvas.replaceChildren(plot.root, pointerReading(spec, plot, canvas));
    legend.replaceChildren(...spec.series.filter((series) => series.points.length).map(legendEntry));
    numbers.replaceChildren(asTable(spec));
  };
  let drawnAt = 0;
  new ResizeObserver(() => {
    if (Math.abs(canvas.clientWidth - drawnAt) > 1) {
      drawnAt = canvas.clientWidth;
      draw();
    }
  }).observe(canvas);
  return { figure, draw };
}

function legendEntry(series) {
  const sample = svg("svg", { width: 30, height: 12, "aria-hidden": "true" });
  if (!series.loose)
    sample.append(
      svg("line", {
        class: `line series colour-${series.colour % 8} ${series.dash || ""}`,
        x1: 1,
        x2: 29,
        y1: 6,
        y2: 6,
      }),
    );
  if (series.marked !== false)
    sample.append(
      dressed(
        MARKERS[series.colour % MARKERS.length](15, 6),
        { class: `point series colour-${series.colour % 8} ${series.dash || ""}` },
        [],
      ),
    );
  return h("li", sample, withRates(series.name));
}
