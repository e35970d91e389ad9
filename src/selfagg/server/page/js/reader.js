// One member in full: its reply typeset, its parents, its tokens.

class Reader {
  constructor(place, typesetText) {
    this.place = place;
    this.typesetText = typesetText;
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
  }

  close() {
    this.place.hidden = true;
    document.body.classList.remove("reading");
  }

  async show(member, populations) {
    const text = h("div", {}, asWritten(member.error || member.text));
    this.place.replaceChildren(this.header(member), this.content(member, populations, text));
    this.place.hidden = false;
    document.body.classList.add("reading");
    if (member.text) text.replaceChildren(typeset(await this.typesetText(member.text)));
  }

  header(member) {
    return h(
      "header",
      {},
      h("div", {}, h("h3", {}, `Population ${member.t}, member ${member.i + 1}`)),
      h("div", { class: "steps" }, h("button", { type: "button", class: "step", "aria-label": "Close", onclick: () => this.close() }, "×")),
    );
  }

  content(member, populations, text) {
    const [prompt, cached, written] = member.tokens ?? [];
    const tokens = member.tokens
      ? `${count(prompt)} prompt tokens (${count(cached)} cached), ${count(written)} written`
      : "tokens not told by the server";
    return h(
      "div",
      { class: "content" },
      member.parents.length
        ? h(
            "p",
            { class: "parents" },
            "made from ",
            member.parents.map((i) => populations.members.get(`${member.t - 1}.${i}`)).filter(Boolean).map((parent) => populations.cell(parent)),
          )
        : h("p", { class: "note" }, "a first sample"),
      h("p", { class: "note" }, `${tokens}, ${duration(member.seconds)}${member.stop === "length" ? ", cut by its length" : ""}`),
      member.reasoning ? h("details", {}, h("summary", {}, "reasoning"), asWritten(member.reasoning)) : null,
      text,
    );
  }
}
