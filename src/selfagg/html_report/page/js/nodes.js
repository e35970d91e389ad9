// Safe nodes to elements: only these names, only these attributes, only values of this form. See markup.py.

const ELEMENTS = new Set("p ul ol li blockquote strong em s table thead tbody tr th td br hr code pre span".split(" "));
const FORMULA = new Set(
  (
    "math mrow mi mn mo mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mtable mtr mtd mstyle " +
    "mpadded mphantom mmultiscripts mprescripts none semantics"
  ).split(" "),
);
const ATTRIBUTES = new Set(
  (
    "class start display displaystyle scriptlevel stretchy fence form accent linethickness columnalign mathvariant width " +
    "minsize maxsize"
  ).split(" "),
);
const VALUE = /^[\w.+\-% ]{1,24}$/;

function fromNode(node) {
  if (typeof node === "string") return textNodes(node);
  const [name, ...rest] = node;
  const attributes = rest.length && typeof rest[0] === "object" && !Array.isArray(rest[0]) ? rest.shift() : {};
  let element;
  if (name === "h") element = document.createElement(`h${Math.min(6, 3 + Number(attributes.level || 1))}`);
  else if (FORMULA.has(name)) element = document.createElementNS(MATHML, name);
  else element = document.createElement(ELEMENTS.has(name) ? name : "span");
  for (const [key, value] of Object.entries(attributes))
    if (ATTRIBUTES.has(key) && VALUE.test(value)) element.setAttribute(key, value);
  for (const child of rest) element.append(...[fromNode(child)].flat());
  return element;
}

const typeset = (nodes) => h("div.text", { dir: "auto" }, nodes.map(fromNode));
const asWritten = (text) => h("div.text.written", { dir: "auto" }, text);
