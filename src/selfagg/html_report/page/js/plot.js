// One plot: axes, lines with bands or whiskers, a table of the same numbers, a reading where the pointer is.

const MARKERS = [
  (x, y) => svg("circle", { cx: x, cy: y, r: 4 }),
  (x, y) => svg("rect", { x: x - 3.6, y: y - 3.6, width: 7.2, height: 7.2 }),
  (x, y) => svg("path", { d: `M${x} ${y - 5}L${x + 4.8} ${y + 3.6}H${x - 4.8}Z` }),
  (x, y) => svg("path", { d: `M${x} ${y - 5.2}L${x + 5.2} ${y}L${x} ${y + 5.2}L${x - 5.2} ${y}Z` }),
];

const styled = (what, colour, dash = "") => ({ class: `${what} series colour-${colour % 8} ${dash}`.trimEnd() });
const marker = (colour, x, y, dash) =>
  dressed(MARKERS[colour % MARKERS.length](x, y), styled("point", colour, dash), []);
const line = (x1, y1, x2, y2, attributes) => svg("line", { ...attributes, x1, x2, y1, y2 });

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
  const points = spec.series.flatMap((series) => series.points);
  const values = points.flatMap(({ x, y, low, high }) => (axis === "x" ? [x] : [y, low, high])).filter(Number.isFinite);
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
  const text = (name, x, y, anchor, words) => svg("text", { class: name, x, y, "text-anchor": anchor }, words);
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": spec.reads });
  for (const value of steps(yLow, yHigh, 5))
    root.append(
      line(box.left, y(value), box.right, y(value), { class: "gridline" }),
      text("tick", box.left - 8, y(value) + 4, "end", spec.y.format(value)),
    );
  const xs = spec.x.whole
    ? steps(xLow, xHigh, Math.min(xHigh - xLow || 1, width / 50)).filter(Number.isInteger)
    : steps(xLow, xHigh, Math.max(2, width / 90));
  root.append(
    ...xs.map((value) => text("tick", x(value), box.bottom + 18, "middle", spec.x.format(value))),
    line(box.left, box.bottom, box.right, box.bottom, { class: "axis" }),
    text("label", (box.left + box.right) / 2, height - 6, "middle", spec.x.label),
  );
  if (spec.guide) {
    const [x1, y1, x2, y2] = spec.guide;
    root.append(line(x(x1), y(y1), x(x2), y(y2), { class: "guide" }));
  }
  root.append(...spec.series.flatMap((series) => drawSeries(series, x, y)));
  return { root, x, box };
}

function drawSeries({ points, colour, dash, band, whiskers, loose, marked }, x, y) {
  const ranged = points.filter((point) => Number.isFinite(point.low));
  const corner = (at, value) => `${x(at)},${y(value)}`;
  const drawn = [];
  if (band && ranged.length > 1) {
    const upper = ranged.map((point) => corner(point.x, point.high));
    const lower = ranged.map((point) => corner(point.x, point.low)).reverse();
    drawn.push(svg("polygon", { ...styled("band", colour), points: [...upper, ...lower].join(" ") }));
  } else if (band || whiskers) {
    for (const { x: at, low, high } of ranged) drawn.push(line(x(at), y(low), x(at), y(high), styled("whisker", colour)));
  }
  if (points.length > 1 && !loose) {
    const through = points.map((point) => corner(point.x, point.y)).join(" ");
    drawn.push(svg("polyline", { ...styled("line", colour, dash), points: through }));
  }
  if (marked !== false || points.length === 1)
    drawn.push(...points.map((point) => marker(colour, x(point.x), y(point.y), dash)));
  return drawn;
}

const said = ({ format }, { y, low, high }) =>
  format(y) + (Number.isFinite(low) ? ` [${format(low)}, ${format(high)}]` : "");

function pointerReading(spec, plot, canvas) {
  const tip = h("div.tip", { hidden: true });
  const rule = svg("line", { class: "rule", y1: plot.box.top, y2: plot.box.bottom, visibility: "hidden" });
  plot.root.append(rule);
  const all = spec.series.flatMap((series) => series.points.map((point) => ({ series, point })));
  plot.root.addEventListener("pointerleave", () => {
    tip.hidden = true;
    rule.setAttribute("visibility", "hidden");
  });
  plot.root.addEventListener("pointermove", (event) => {
    const at = event.clientX - plot.root.getBoundingClientRect().left;
    const away = ({ point }) => Math.abs(plot.x(point.x) - at);
    const { point: near } = all.reduce((best, one) => (away(one) < away(best) ? one : best));
    const place = plot.x(near.x);
    dressed(rule, { x1: place, x2: place, visibility: "visible" }, []);
    tip.replaceChildren(
      h("strong", near.title || `${spec.x.short || spec.x.label} ${spec.x.format(near.x)}`),
      ...all
        .filter(({ point }) => point.x === near.x)
        .map(({ series, point }) => h("div", { class: keyOf(series.colour) }, `${series.name}: ${said(spec.y, point)}`)),
    );
    tip.hidden = false;
    tip.style.left = `${Math.min(Math.max(place - tip.offsetWidth / 2, 0), canvas.clientWidth - tip.offsetWidth)}px`;
  });
  return tip;
}

function asTable({ series, x, y }) {
  const rows = series.flatMap(({ name, points }) =>
    points.map((point) => h("tr", h("td", name), h("td", x.format(point.x)), h("td", said(y, point)))),
  );
  const head = ["Series", x.label, y.label].map((name) => h("th", { scope: "col" }, name));
  const table = h("table", h("thead", h("tr", head)), h("tbody", rows));
  return h("details.numbers", h("summary", "Numbers"), h("div.scroll", table));
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
    const shown = spec.series.filter(({ points }) => points.length);
    if (!shown.length) {
      canvas.replaceChildren(h("p.nothing", "Nothing to draw here."));
      legend.replaceChildren();
      numbers.replaceChildren();
      return;
    }
    const plot = drawPlot(spec, width);
    canvas.replaceChildren(plot.root, pointerReading(spec, plot, canvas));
    legend.replaceChildren(...shown.map(legendEntry));
    numbers.replaceChildren(asTable(spec));
  };
  let drawnAt = 0;
  new ResizeObserver(() => {
    if (Math.abs(canvas.clientWidth - drawnAt) <= 1) return;
    drawnAt = canvas.clientWidth;
    draw();
  }).observe(canvas);
  return { figure, draw };
}

function legendEntry({ name, colour, dash, loose, marked }) {
  const sample = svg("svg", { width: 30, height: 12, "aria-hidden": "true" });
  if (!loose) sample.append(line(1, 6, 29, 6, styled("line", colour, dash)));
  if (marked !== false) sample.append(marker(colour, 15, 6, dash));
  return h("li", sample, h("span", withRates(name)));
}
