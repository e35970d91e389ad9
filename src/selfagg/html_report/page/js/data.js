// The numbers are plain JSON; the texts of a question are packed and unpacked when somebody wants to read them.

const DATA = JSON.parse(document.getElementById("data").textContent);
const RECORDS = DATA.records;
const METHODS = DATA.methods; // the seeds of one method together

const STATES = {
  r: { name: "right", glyph: "✓", word: "right" },
  w: { name: "wrong", glyph: "✕", word: "wrong" },
  p: { name: "partial", glyph: "◐", word: "partial credit" },
  n: { name: "unanswered", glyph: "–", word: "no answer" },
  f: { name: "failed", glyph: "!", word: "call failed" },
  u: { name: "unscored", glyph: "•", word: "not scored" },
  m: { name: "missing", glyph: "", word: "not computed" },
};

const unpacked = new Map();
const UNPACKED_AT_MOST = 12;

async function unpack(record, position) {
  const element = document.getElementById(`texts-${record}-${position}`);
  const bytes = Uint8Array.from(atob(element.textContent), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

function texts(record, position) {
  const key = `${record}-${position}`;
  const wanted = unpacked.get(key) ?? unpack(record, position);
  unpacked.delete(key);
  unpacked.set(key, wanted);
  if (unpacked.size > UNPACKED_AT_MOST) unpacked.delete(unpacked.keys().next().value);
  return wanted;
}

const stateOf = (question, t, i) => STATES[question.populations[t - 1].states[i]];
const positionOf = (record, id) => RECORDS[record].questions.findIndex((question) => question.id === id);
const rightOf = (states) => [...states].filter((letter) => letter === "r").length;

function childrenOf(question, t, i) {
  const next = question.populations[t]?.parents ?? [];
  return next.flatMap((listed, child) => (listed && listed.split(",").includes(String(i)) ? [child] : []));
}

// The page's word for a member: populations count from 1 as in the paper, members from 0 as in the record.
const memberName = (t, i) => `member ${i} of population ${t}`;
