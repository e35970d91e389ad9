// The populations as rows of cells, one a member; members of one colour gave the same answer.

const GROUPS = 8;
const SHOWN = 24;

class Populations {
  constructor(place, open) {
    this.place = place;
    this.open = open;
    this.members = new Map();
    this.groups = new Map();
    this.needed = [];
    place.replaceChildren();
  }

  add(member) {
    this.members.set(`${member.t}.${member.i}`, member);
    this.needed = member.needed;
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
    const rows = this.needed.map((needed, at) => this.row(at + 1, needed));
    this.place.replaceChildren(...rows);
  }

  row(t, needed) {
    const members = this.of(t);
    const awaited = Math.max(0, needed - members.length);
    return h(
      "div",
      { class: "population", "data-t": t },
      h("div", {}, h("h3", {}, `Population ${t}`), h("p", {}, this.told(members, needed))),
      h(
        "div",
        { class: "cells" },
        members.map((member) => this.cell(member)),
        Array.from({ length: awaited }, () => h("span", { class: "cell awaited", "aria-hidden": "true" })),
      ),
    );
  }

  told(members, needed) {
    const parts = [`${members.length} of ${Math.max(needed, members.length)}`];
    const answers = members.map(keyOf).filter((answer) => answer !== null);
    if (answers.length > 1) {
      const most = Math.max(...answers.map((one) => answers.filter((other) => other === one).length));
      parts.push(`agreement ${percent(most / answers.length, 0)}`);
    }
    const tokens = members.reduce((sum, member) => sum + (member.tokens?.[2] ?? 0), 0);
    if (tokens) parts.push(`${short(tokens)} tokens`);
    return parts.join(" · ");
  }

  cell(member) {
    const shown = member.error ? "failed" : (member.answer ?? "no answer");
    return h(
      "button",
      {
        type: "button",
        class: `cell ${member.error ? "failed" : this.colour(member)}`,
        "data-member": `${member.t}.${member.i}`,
        title: `member ${member.i + 1} of population ${member.t}`,
        onclick: () => this.open(member),
      },
      shown.length > SHOWN ? `${shown.slice(0, SHOWN)}…` : shown,
    );
  }
}

const keyOf = (member) =>
  member.error || member.answer === null ? null : member.answer.trim().replace(/\s+/g, " ").toLowerCase();
