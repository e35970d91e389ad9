// One turn of the conversation: its question, its populations, its answer, and what can be done with it.

const STATES = {
  done: "",
  running: "interrupted: the page was closed; not part of the conversation",
  stopped: "stopped; not part of the conversation",
  failed: "not part of the conversation",
};

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers give no clipboard to a page that came over plain http from another machine.
    const area = h("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

class TurnView {
  constructor(turn, open, retry) {
    Object.assign(this, { turn, retry });
    this.populations = new Populations(turn, open);
    this.summary = h("summary");
    this.work = h("details.work", this.summary, this.populations.place);
    this.answer = h("div.final");
    this.footer = h("footer");
    const parts = [h("p.asked", { dir: "auto" }, turn.question), this.work, this.answer, this.footer];
    this.element = h("article.turn", { "data-id": turn.id }, parts);
    this.written = asWritten(turn.answer);
    this.draw();
  }

  draw() {
    const { turn } = this;
    const done = turn.members.length;
    this.work.hidden = !done;
    this.summary.textContent =
      turn.state === "done"
        ? `Made by ${this.populations.ancestry() || plural(done, "member")}`
        : `${done} of ${turn.needed.reduce((sum, size) => sum + size, 0)} members are there`;
    this.answer.hidden = !turn.answer;
    this.answer.replaceChildren(this.written);
    this.footer.replaceChildren();
  }

  add(member) {
    this.work.open = true;
    this.populations.add(member);
    this.draw();
  }

  write(text) {
    this.turn.answer += text;
    this.answer.hidden = false;
    this.written.append(...textNodes(text));
  }

  // The turn has ended: say how, and offer what can be done now.
  end(typesetText) {
    const { turn } = this;
    this.populations.draw();
    this.draw();
    const copied = async ({ target }) => {
      await copy(turn.answer);
      target.textContent = "Copied";
    };
    fill(this.footer, [
      h("p.status.usage", [turn.note, STATES[turn.state], turn.usage].filter(Boolean).join("; ")),
      turn.answer && h("button.link.copy", { type: "button", onclick: copied }, "Copy"),
      h("button.link.retry", { type: "button", onclick: () => this.retry(turn) }, "Retry"),
    ]);
    return turn.answer && typesetText(turn.answer).then((nodes) => this.answer.replaceChildren(typeset(nodes)));
  }
}
