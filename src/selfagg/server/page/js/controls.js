// The settings of the next question: the server's own, until somebody changes them.

const byId = (id) => document.getElementById(id);
const SIZES = ["n", "k", "t"];

class Controls {
  async load() {
    this.told = await (await fetch("page/settings.json")).json();
    byId("method").replaceChildren(...Object.keys(this.told.methods).map((name) => h("option", name)));
    byId("method").value = this.told.method;
    byId("answer").value = this.told.answer;
    this.fill();
    byId("method").addEventListener("change", () => this.fill());
    byId("settings").addEventListener("input", () => this.describe());
  }

  fill() {
    const sizes = this.told.methods[byId("method").value];
    for (const name of SIZES) {
      byId(name).closest("label").hidden = byId(name).disabled = !(name in sizes);
      if (name in sizes) byId(name).value = sizes[name];
    }
    this.describe();
  }

  describe() {
    const asked = this.asked();
    byId("answer").closest("label").hidden = !this.votes();
    const sizes = SIZES.filter((name) => name in asked).map((name) => `${name.toUpperCase()} ${asked[name]}`);
    byId("chosen").textContent = [asked.method, ...sizes, asked.kind, asked.answer].filter(Boolean).join(" · ");
  }

  // Free text has no answers that could be counted, and the other methods choose by themselves.
  votes() {
    return byId("method").value === "rsa" && byId("kind").value !== "text";
  }

  asked() {
    const sizes = SIZES.filter((name) => !byId(name).disabled).map((name) => [name, Number(byId(name).value)]);
    const answer = this.votes() ? { answer: byId("answer").value } : {};
    return { method: byId("method").value, ...Object.fromEntries(sizes), kind: byId("kind").value, ...answer };
  }
}
