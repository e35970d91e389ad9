// The populations of one question: a row of cells each, lines to parents and older ancestors, keys to move.

function cellLabel(question, t, i) {
  const population = question.populations[t - 1];
  const state = STATES[population.states[i]];
  const answer = population.answers[i];
  return plain(`${memberName(t, i)}: ${state.word}${answer === null ? "" : `, answer ${answer}`}`);
}

function cell(question, t, i) {
  const population = question.populations[t - 1];
  const state = STATES[population.states[i]];
  const made = document.createElement("button");
  made.type = "button";
  made.className = `cell ${state.name}`;
  made.tabIndex = -1;
  made.textContent = state.glyph;
  made.dataset.at = `${t}.${i}`;
  made.setAttribute("role", "gridcell");
  made.setAttribute("aria-label", cellLabel(question, t, i));
  made.title = made.getAttribute("aria-label");
  if (state.name === "partial") made.style.setProperty("--part", `${100 * population.scores[i]}%`);
  if (
    t === question.populations.length &&
    question.weights &&
    question.weights[i] === 1 &&
    population.states.length > 1
  )
    made.classList.add("chosen");
  return made;
}

function buildGrid(question) {
  const grid = h("div.grid", { role: "grid", "aria-label": `Populations of ${question.id}` });
  question.populations.forEach((population, index) => {
    const cells = h("div.cells");
    cells.setAttribute("role", "presentation");
    for (let i = 0; i < population.states.length; i++) cells.append(cell(question, index + 1, i));
    grid.append(
      h(
        "div.row",
        { role: "row" },
        h("span.t", { role: "rowheader", title: `population ${index + 1}` }, index + 1),
        cells,
      ),
    );
  });
  const first = grid.querySelector(".cell");
  if (first) first.tabIndex = 0;
  grid.append(svg("svg", { class: "lines", "aria-hidden": "true" }));
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
  const next = cellAt(grid, t, i);
  for (const old of grid.querySelectorAll('.cell[tabindex="0"]')) old.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}
