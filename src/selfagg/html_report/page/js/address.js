// A question or a member has an address in the page's URL, to be kept or sent.

function go(address, { scroll = false } = {}) {
  const parts = new URLSearchParams({ record: address.record, question: address.question });
  if (address.t) {
    parts.set("t", address.t);
    parts.set("i", address.i);
  }
  history.replaceState(null, "", `#${parts}`);
  openReader(address, { scroll });
}

function addressInUrl() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const record = Number(parts.get("record") ?? 0);
  const question = RECORDS[record]?.questions.find(({ id }) => id === parts.get("question"));
  if (!question) return null;
  const [t, i] = [Number(parts.get("t")), Number(parts.get("i"))];
  const member = question.populations[t - 1]?.states[i] !== undefined;
  return member ? { record, question: question.id, t, i } : { record, question: question.id };
}
