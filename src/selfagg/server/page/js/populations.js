// The populations as rows of cells, one a member; members of one colour gave the same answer.

const GROUPS = 8;
const SHOWN = 24;
const TALLIED = 3;

const cut = (text) => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);

class Populations {
  constructor(turn, open) {
    this.turn = turn;
    this.open = open;
    this.groups = new Map();
    this.place = h("div.grid");
    this.members = new Map(turn.members.map((member) => [`${member.t}.${member.i}`, member]));
    // Lines have no length while the rows are folded away, and another one after each change of the width.
    new ResizeObserver(() => this.trace(this.turn.chosen)).observe(this.place);
    for (const [event, wanted] of [["pointerover", 1], ["focusin", 1], ["pointerout", 0], ["focusout", 0]])
      this.place.addEventListener(event, ({ target }) => {
        if (target.dataset.at) this.trace(wanted ? addressOf(target) : this.turn.chosen);
      });
    this.draw();
  }

  add({ needed, ...member }) {
    this.turn.members.push(member);
    this.turn.needed = needed;
    this.members.set(`${member.t}.${member.i}`, member);
    this.draw();
  }

  of(t) {
    return [...this.members.values()].filter((member) => member.t === t).sort((a, b) => a.i - b.i);
  }

  colour(member) {
    const answer = keyOf(member);
    if (answer === null) return "";
    if (!this.groups.has(answer)) this.groups.set(answer, this.groups.size);
    const group = this.groups.get(answer);
    return group < GROUPS ? `group-${group}` : "";
  }

  draw() {
    const rows = this.turn.needed.map((needed, at) => this.row(at + 1, needed));
    this.place.replaceChildren(...rows, svg("svg", { class: "lines", "aria-hidden": "true" }));
    this.trace(this.turn.chosen);
  }

  // The lineage as the report's script reads it.
  get lineage() {
    const parents = (t) => Object.fromEntries(this.of(t).map((member) => [member.i, member.parents.join(",")]));
    return { populations: this.turn.needed.map((_, at) => ({ parents: parents(at + 1) })) };
  }

  trace(address) {
    if (address && this.members.has(address.join("."))) drawLines(this.place, this.lineage, ...address);
    else clearLines(this.place);
  }

  // "member 1 of population 3, from 4 of population 2 and 8 of population 1", or "" if nobody knows.
  ancestry() {
    const { chosen } = this.turn;
    if (!chosen || !this.members.has(chosen.join("."))) return "";
    const [t, i] = chosen;
    const before = [...ancestorsOf(this.lineage, t, i)].filter(([level]) => level < t);
    const from = before.map(([level, members]) => `${members.size} of population ${level}`);
    return `member ${i + 1} of population ${t}${from.length ? `, from ${from.join(" and ")}` : ""}`;
  }

  row(t, needed) {
    const members = this.of(t);
    const awaited = this.turn.state === "running" ? Math.max(0, needed - members.length) : 0;
    return h(
      "div.population",
      { "data-t": t },
      h("div", h("h3", `Population ${t}`), h("p", this.told(members, needed))),
      h(
        "div.cells",
        members.map((member) => this.cell(member)),
        Array.from({ length: awaited }, () => h("span.cell.awaited", { "aria-hidden": "true" })),
      ),
    );
  }

  told(members, needed) {
    const parts = [`${members.length} of ${Math.max(needed, members.length)}`];
    const answers = members.filter((member) => keyOf(member) !== null);
    const tally = new Map();
    for (const one of answers) tally.set(keyOf(one), [one.answer, (tally.get(keyOf(one))?.[1] ?? 0) + 1]);
    const ranked = [...tally.values()].sort((a, b) => b[1] - a[1]);
    if (answers.length > 1) parts.push(`agreement ${percent(ranked[0][1] / answers.length, 0)}`);
    const tokens = members.reduce((sum, member) => sum + (member.tokens?.[2] ?? 0), 0);
    if (tokens) parts.push(`${short(tokens)} tokens`);
    const most = ranked.slice(0, TALLIED).map(([answer, times]) => `${cut(answer)} ×${times}`);
    if (ranked.length > TALLIED) most.push("…");
    return [parts.join(" · "), ranked.length > 1 && h("small", most.join(", "))];
  }

  cell(member) {
    // Free text has no short answer: its beginning stands for it.
    const answer = member.answer ?? ((this.turn.rsa.kind === "text" && member.text.trim()) || "no answer");
    return h(
      "button.cell",
      {
        type: "button",
        class: member.error ? "failed" : this.colour(member),
        "data-at": `${member.t}.${member.i}`,
        title: `member ${member.i + 1} of population ${member.t}`,
        onclick: () => this.open(member, this),
      },
      member.error ? "failed" : cut(answer),
    );
  }
}

const keyOf = (member) =>
  member.error || member.answer === null ? null : member.answer.trim().replace(/\s+/g, " ").toLowerCase();
