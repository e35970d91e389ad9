// A member's prompt, part by part: what was said around the question, and which candidates it showed.

function viewed(member) {
  return member.shown === null || member.shown === undefined ? typeset(member.nodes) : asWritten(member.shown);
}

const questionText = (packed) => (packed.question ? typeset(packed.question) : asWritten(packed.text));

function lazily(summary, content, more) {
  const details = h("details", more || {}, h("summary", summary));
  details.addEventListener(
    "toggle",
    () => details.open && details.childElementCount === 1 && details.append(content()),
  );
  return details;
}

function candidatePart(packed, question, t, parent, number, lead) {
  const letter = question.populations[t - 1].states[parent];
  const summary = [lead || `Candidate ${number}`, h("span.from", memberName(t, parent)), badge(letter)];
  return lazily(
    summary,
    () => h("div", viewed(packed.members[`${t}.${parent}`]), linkTo({ t, i: parent }, "Open this member")),
    { class: "part candidate" },
  );
}

const PART_NAMES = { context: "Before the question", words: "Instruction", question: "Question" };

function promptParts(packed, question, t, i) {
  const member = packed.members[`${t}.${i}`];
  const template = packed.prompts[member.shows.length];
  return template.map((part) => {
    if (part.kind === "candidate")
      return candidatePart(packed, question, t - 1, member.shows[part.place], part.place + 1, part.lead);
    const title = part.kind === "context" ? `${PART_NAMES.context}: ${part.role}` : PART_NAMES[part.kind];
    if (part.kind === "question") return lazily([title], () => questionText(packed), { class: "part" });
    return h("div.part.words", h("h4", title), asWritten(part.text));
  });
}

function promptNote(packed, member) {
  const failed = member.parents.length - member.shows.length;
  return [
    failed > 0 && `${plural(failed, "parent")} had no reply and could not be shown.`,
    member.cut > 0 &&
      `${plural(member.cut, "candidate")} had to be shortened to fit the model’s context; here they are whole.`,
    !member.exact &&
      member.cut === 0 &&
      member.error === null &&
      "The words of this prompt differ from those that were sent: it was made by another version or with other settings.",
  ]
    .filter(Boolean)
    .map((line) => h("p.note", line));
}
