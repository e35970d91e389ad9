// One member in full: its reply typeset, its parents, its tokens.

class Reader {
  constructor(place, typesetText) {
    Object.assign(this, { place, typesetText });
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
  }

  close() {
    this.place.hidden = true;
    document.body.classList.remove("reading");
  }

  async show(member, populations) {
    const text = h("div", asWritten(member.error || member.text));
    const close = h("button.step", { type: "button", "aria-label": "Close", onclick: () => this.close() }, "×");
    const title = h("h3", `Population ${member.t}, member ${member.i + 1}`);
    this.place.replaceChildren(
      h("header", h("div", title), h("div.steps", close)),
      h("div.content", this.origin(member, populations), text),
    );
    this.place.hidden = false;
    document.body.classList.add("reading");
    if (member.text) text.replaceChildren(typeset(await this.typesetText(member.text)));
  }

  origin({ t, parents, tokens, seconds, stop, reasoning }, populations) {
    const known = parents.map((i) => populations.members.get(`${t - 1}.${i}`)).filter(Boolean);
    const [prompt, cached, written] = tokens ?? [];
    const told = tokens
      ? `${count(prompt)} prompt tokens (${count(cached)} cached), ${count(written)} written`
      : "tokens not told by the server";
    return [
      parents.length ? h("p.parents", "made from ", known.map((one) => populations.cell(one))) : h("p.note", "a first sample"),
      h("p.note", `${told}, ${duration(seconds)}${stop === "length" ? ", cut by its length" : ""}`),
      reasoning ? h("details", h("summary", "reasoning"), asWritten(reasoning)) : null,
    ];
  }
}
