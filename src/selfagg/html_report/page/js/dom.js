// Elements and text. Nothing on this page is ever made from a string of HTML.

const SVG = "http://www.w3.org/2000/svg";
const MATHML = "http://www.w3.org/1998/Math/MathML";

// Characters that change how text around them reads, or are no text at all: shown by their number instead.
const UNSEEN = /([\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069])/g;

const codePoint = (character) => "U+" + character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");

const plain = (text) => String(text).replace(UNSEEN, (character) => `⟨${codePoint(character)}⟩`);

// Split at a group in brackets, every second piece is what was found.
const textNodes = (text) =>
  text.split(UNSEEN).map((piece, at) => {
    if (at % 2 === 0) return document.createTextNode(piece);
    const mark = Object.assign(document.createElement("span"), { className: "unseen", textContent: codePoint(piece) });
    mark.title = "a character that is not seen";
    return mark;
  });

function fill(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    if (child instanceof Node) element.append(child);
    else element.append(...textNodes(String(child)));
  }
  return element;
}

function dressed(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : plain(value));
  }
  return fill(element, children);
}

// `h("p.note", { title: "…" }, children)`: tag and classes, attributes where there are any, children.
function h(name, ...rest) {
  const [tag, ...classes] = name.split(".");
  const attributes = rest[0] && Object.getPrototypeOf(rest[0]) === Object.prototype ? rest.shift() : {};
  return dressed(
    document.createElement(tag),
    { ...attributes, class: [...classes, attributes.class].filter(Boolean).join(" ") || null },
    rest,
  );
}
const svg = (name, attributes, ...children) => dressed(document.createElementNS(SVG, name), attributes, children);

// The analysis writes r_c; the page sets it with its subscript.
const withRates = (text) =>
  text.split("r_c").flatMap((piece, at) => (at ? [h("i", "r"), h("sub", h("i", "c")), piece] : [piece]));

const percent = (value, digits = 1) =>
  value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits)}${"\u2009"}%`;
const count = (value) => (value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en"));
const short = (value) => {
  if (value === null || value === undefined) return "–";
  if (value >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  return value >= 1e3 ? `${+(value / 1e3).toPrecision(3)}k` : `${+value.toPrecision(3)}`;
};
const duration = (seconds) => {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
};
const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
