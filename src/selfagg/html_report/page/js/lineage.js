// The members that a member was made from, and lines to them from its cell.

const parentsOf = (question, t, i) => {
  const listed = t > 1 ? question.populations[t - 1].parents[i] : "";
  return listed ? listed.split(",").map(Number) : [];
};

function ancestorsOf(question, t, i) {
  const levels = new Map([[t, new Set([i])]]);
  for (let level = t; level > 1; level--)
    levels.set(level - 1, new Set([...levels.get(level)].flatMap((child) => parentsOf(question, level, child))));
  return levels;
}

const cellAt = (grid, t, i) => grid.querySelector(`[data-at="${t}.${i}"]`);
const addressOf = (element) => element.dataset.at.split(".").map(Number);

function centre(grid, element) {
  const outer = grid.getBoundingClientRect();
  const box = element.getBoundingClientRect();
  return [box.left - outer.left + box.width / 2, box.top - outer.top + box.height / 2, box.height / 2];
}

// Reads all places first and writes afterwards: a browser lays the page out again for each read after a write.
function drawLines(grid, question, t, i) {
  clearLines(grid);
  const places = new Map();
  const traced = [];
  const paths = [];
  const place = (level, member) => {
    const key = `${level}.${member}`;
    if (!places.has(key)) places.set(key, centre(grid, cellAt(grid, level, member)));
    return places.get(key);
  };
  for (const [level, members] of ancestorsOf(question, t, i)) {
    for (const member of members) {
      const [x2, y2, r2] = place(level, member);
      traced.push(cellAt(grid, level, member));
      for (const parent of parentsOf(question, level, member)) {
        const [x1, y1, r1] = place(level - 1, parent);
        paths.push([level === t ? "parent" : "older", `M${x1} ${y1 + r1}L${x2} ${y2 - r2}`]);
      }
    }
  }
  const lines = grid.querySelector(".lines");
  lines.setAttribute("width", grid.clientWidth);
  lines.setAttribute("height", grid.clientHeight);
  lines.append(...paths.map(([name, d]) => svg("path", { class: name, d })));
  grid.classList.add("tracing");
  for (const cell of traced) cell.classList.add("traced");
}

function clearLines(grid) {
  grid.querySelector(".lines").replaceChildren();
  grid.classList.remove("tracing");
  for (const traced of grid.querySelectorAll(".traced")) traced.classList.remove("traced");
}
