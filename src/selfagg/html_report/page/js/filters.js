// Which questions are listed: by tag, by words in the question or its answers, and on request in the replies.

const TAGS = {
  "died out": "a right answer was there and the last population has none",
  rescued: "none of the first population was right, one of the last is",
  "all wrong": "nobody was ever right",
  "all right": "the whole last population is right",
  disagreeing: "the last population has more than one answer",
  unanswered: "a reply gave no answer",
  failed: "a call failed for good",
  unscored: "an answer could not be scored",
};

const ORDERS = {
  "as asked": (a, b) => a - b,
  "hardest first": (a, b, share) => share(a) - share(b),
  "largest gain first": (a, b, share, first) => share(b) - first(b) - (share(a) - first(a)),
  "largest loss first": (a, b, share, first) => share(a) - first(a) - (share(b) - first(b)),
};

const rightShare = (states) => [...states].filter((letter) => letter === "r").length / (states.length || 1);

function ordered(questions, order) {
  const share = (at) => rightShare(questions[at].populations.at(-1)?.states ?? "");
  const first = (at) => rightShare(questions[at].populations[0]?.states ?? "");
  return questions.map((_, at) => at).sort((a, b) => ORDERS[order](a, b, share, first));
}

const haystacks = new WeakMap();

function haystack(question) {
  if (!haystacks.has(question)) {
    const answers = new Set(
      question.populations.flatMap((population) => population.answers).filter((answer) => answer !== null),
    );
    haystacks.set(
      question,
      [question.id, question.group, question.excerpt, question.gold ?? "", ...answers].join("\n").toLowerCase(),
    );
  }
  return haystacks.get(question);
}

const matches = (question, words, tags) =>
  [...tags].every((tag) => question.tags.includes(tag)) && words.every((word) => haystack(question).includes(word));

// Positions of the questions whose replies hold all words; `stopped` says when nobody waits any more.
async function inReplies(record, positions, words, stopped) {
  const found = [];
  for (const position of positions) {
    if (stopped()) return null;
    const { text, members } = JSON.parse(await unpack(record, position));
    const all = Object.values(members).flatMap((member) => [
      member.text ?? "",
      member.reasoning ?? "",
      member.error ?? "",
    ]);
    const held = [text, ...all].map((piece) => piece.toLowerCase());
    if (words.every((word) => held.some((piece) => piece.includes(word)))) found.push(position);
  }
  return found;
}
