r"""One spelling: Unicode, ASCII mathematics and sloppy TeX become the LaTeX that math-verify's parser reads."""

from __future__ import annotations

import re
from collections.abc import Callable

from selfagg.scoring.answers.tex import braced, closing
from selfagg.scoring.answers.unicode import without_unicode

FUNCTIONS = (
    "arcsin|arccos|arctan|arccot|sinh|cosh|tanh|coth|sin|cos|tan|cot|sec|csc|asin|acos|atan|ln|lg|log|exp|max|min|gcd|"
    "lcm|det|lim"
)

_WORDS_IN = r"text|textbf|textrm|textit|textsf|texttt|textnormal|mbox|hbox|emph|mathrm|operatorname\*?|textup|textsc"
_TEXT = re.compile(rf"\\(?:{_WORDS_IN})\s*\{{((?:[^{{}}]|\{{[^{{}}]*\}})*)\}}")
_FONT = re.compile(
    r"\\(?:mathbf|boldsymbol|bm|bold|pmb|mathit|mathsf|mathtt|mathcal|mathbb(?=\s*\{[0-9])|underline|ensuremath|boxed|fbox|mathop|"
    r"textcolor\s*\{\w*\}|colorbox\s*\{\w*\}|color\s*\{\w*\}(?=\s*\{)|smash|mathstrut)\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}"
)
_DROPPED = re.compile(
    r"\\(?:color\s*\{\w*\}|(?:tag|label|hspace|vspace|phantom|hphantom)\*?\s*\{[^{}]*\}|"
    r"(?:displaystyle|textstyle|scriptstyle|limits|nolimits|left|right|middle|[bB]igg?[lrm]?|tiny|small|normalsize|large|Large|"
    r"LARGE|huge|Huge|bf|bfseries|rm|it|sf|tt|mathopen|mathclose|mathord|checkmark|blacksquare|square|Box|qed|hfill|"
    r"therefore|implies|Rightarrow|noindent|strut|allowbreak|nobreak|centering|,?hline)(?![a-zA-Z])(?:\{\})?|\\\[[0-9.a-z]*\]$)"
)
_SPACES = re.compile(
    r"(?<!\\)\\[,;:> ]|\\(?:q?quad|enspace|thinspace|medspace|thickspace|space)(?![a-zA-Z])|(?<!\\)\\(?=\s|$)|[~\s]+"
)
_LINES = re.compile(
    r"\\begin\s*\{((?:aligned|align|alignedat|alignat|gathered|gather|split|equation|multline)\*?)\}(.*?)\\end\s*\{\1\}",
    re.DOTALL,
)

_ASCII: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), into)
    for pattern, into in (
        (r"_\s*([0-9])(?![0-9])|(?<=log)_\s*([0-9])", r"_{\1\2}"),
        (r"(?<=[a-zA-Z])_([0-9]{2,})", r"_{\1}"),
        (r"\\(?:dfrac|tfrac|cfrac|nicefrac|sfrac|xfrac)(?![a-zA-Z])", r"\\frac"),
        (r"\\(?:dbinom|tbinom)(?![a-zA-Z])", r"\\binom"),
        (r"\\(?:geqslant|geq)(?![a-zA-Z])", r"\\ge "),
        (r"\\(?:leqslant|leq)(?![a-zA-Z])", r"\\le "),
        (r"\\gt(?![a-zA-Z])", ">"),
        (r"\\lt(?![a-zA-Z])", "<"),
        (r"\\(?:neq|not\s*=)(?![a-zA-Z])", r"\\ne "),
        (r"\\(?:lbrace|lgroup)(?![a-zA-Z])", r"\\{"),
        (r"\\(?:rbrace|rgroup)(?![a-zA-Z])", r"\\}"),
        (r"\\lbrack(?![a-zA-Z])", "["),
        (r"\\rbrack(?![a-zA-Z])", "]"),
        (r"\\langle(?![a-zA-Z])", "("),
        (r"\\rangle(?![a-zA-Z])", ")"),
        (r"\\(?:lvert|rvert|vert|mid)(?![a-zA-Z])", "|"),
        (r"\\(?:varnothing|empty)(?![a-zA-Z])", r"\\emptyset "),
        (r"\\(?:dots|cdots|dotsc|dotsb|dotsm)(?![a-zA-Z])|\.\.\.", r" \\ldots "),
        (r"\\(?:simeq|thickapprox)(?![a-zA-Z])|~=", r"\\approx "),
        (r"\\(?:textdegree|degree|deg)(?![a-zA-Z])|\^\s*\{?\s*\\circ\s*\}?|\^\s*\{\s*\\text\{o\}\s*\}", r"^\\circ "),
        (r"(?:\{\})?\^\\circ\s*\\text\{\s*([CF])\s*\}|(?:\{\})?\^\\circ\s*([CF])(?![a-zA-Z])", r"\\text{°\1\2}"),
        (r"\{\}(?=\^\\circ)", ""),
        (r"\\times(?![a-zA-Z])|\\ast(?![a-zA-Z])|\\bullet(?![a-zA-Z])", r"\\cdot "),
        (r"(?<=[0-9a-zA-Z)}])\s*\*\*\s*(?=[-0-9a-zA-Z({\\])", "^"),
        (r"\^\s*(-[0-9]+|[0-9]{2,})", r"^{\1}"),
        (r"\^\s*\(((?:[^()]|\([^()]*\))*)\)", r"^{\1}"),
        (r"(?<=[0-9a-zA-Z)}!])\s*\*\s*(?=[-0-9a-zA-Z({\\|])", r" \\cdot "),
        (r"\+/-|\+-|\\text\{\s*plus or minus\s*\}", r"\\pm "),
        (r"<=|=<", r"\\le "),
        (r">=", r"\\ge "),
        (r"(?<=[a-zA-Z)} ])!=", r"\\ne "),
        (r"\\text\{\s*[iI]nfinity\s*\}|(?<![\\a-zA-Z])(?:[iI]nfinity|inf|oo)(?![a-zA-Z])", r"\\infty "),
        (r"^(?:\\text\{)?\s*(?:[tT]herefore|[tT]hus|[hH]ence|[sS]o|[tT]hen)(?![a-zA-Z])\s*\}?\s*,?\s*(?=\S)", ""),
        (r"(?<=[0-9])\s*\\text\{\s*[eE]\s*\}\s*(?=[-+]?[0-9])", "e"),
        (r"\\(bar|overline|vec|hat|tilde|dot)\s+([a-zA-Z])", r"\\\1{\2}"),
        (r"(?<![a-z])([0-9]+|[a-z])\s+(?:\\text\{)?\s*choose\s*\}?\s*([0-9]+|[a-z])(?![a-z])", r"\\binom{\1}{\2}"),
        (r"(?<![\\a-zA-Z{])frac(?=\s*\{)", r"\\frac"),
        (r"(?<![\\a-zA-Z])(?:sqrt|√)", r"\\sqrt"),
        (r"(?<![\\a-zA-Z])cbrt", r"\\sqrt[3]"),
        (rf"(?<![\\a-zA-Z])({FUNCTIONS})(?=[\s(_^0-9\\])", r"\\\1 "),
        (rf"(?<![0-9 ])\\text\{{\s*({FUNCTIONS})\s*\}}", r"\\\1 "),
        (r"\\mu\s*\\text\{", r"\\text{μ"),
        (r"([_^])([a-z0-9])(?=\\)", r"\1{\2}"),
        (r"\\mathbb\{R\}\s*-\s*(?=\\\{|\[|\()", r"\\mathbb{R} \\setminus "),
        (r"\\(asin|acos|atan)(?![a-zA-Z])", r"\\arc\1"),
        (r"\\arca(sin|cos|tan)", r"\\arc\1"),
        (r"(?<![\\a-zA-Z])(pi|alpha|beta|gamma|theta|phi|lambda|omega)(?![a-zA-Z])", r"\\\1 "),
        (r"\\log\s*\(\s*([^(),]+),\s*([^(),]+)\)", r"\\log_{\2}(\1)"),
        (r"\\lg(?![a-zA-Z])", r"\\log_{10} "),
        (r"(?<![\\a-zA-Z])C\s*\(([^(),]+),([^(),]+)\)", r"\\binom{\1}{\2}"),
        (
            r"(?:\{\})?[_^]\{?([0-9a-z]+)\}?\s*C_\{?([0-9a-z]+)\}?|(?<![0-9a-zA-Z\\])([0-9]+|n)\s*C\s*([0-9]+|[kr])(?![0-9a-zA-Z])",
            r"\\binom{\1\3}{\2\4}",
        ),
        (r"(?:\{\})?_\{?([0-9]+)\}?\s*P_\{?([0-9]+)\}?", r"\\frac{\1!}{(\1-\2)!}"),
        (r"(?<![\\a-zA-Z])C_\{?([0-9]+)\}?\^\{?([0-9]+)\}?", r"\\binom{\1}{\2}"),
        (r"\\var(phi|theta|epsilon|rho)(?![a-zA-Z])", r"\\\1 "),
        (r"^(?:\\text\{)?\s*(?:all|the|set of| )*\s*real(?: number)?s\s*\}?$", r"\\mathbb{R}"),
        (r"^(?:\\text\{)?\s*(?:the )?empty set\s*\}?$", r"\\emptyset "),
        (r"(?<![\\a-zA-Z])(?:abs|Abs)\(([^()]*)\)", r"|\1|"),
        (r"\\text\{\s*([eid])\s*\}", r" \1 "),
        (r"\\mathop(?![a-zA-Z])", ""),
        (r"(?<!\{)([€£¥₹₽¢])(?!\})", r"\\text{\1}"),
    )
)


def normalise(answer: str) -> str:
    r"""Return an answer in one spelling of LaTeX; words stay in ``\text{}``."""
    text = re.sub(r"(?<!\\)%[^\n]*\n", " ", answer)
    text = without_unicode(text)
    if r"\begin" not in text:
        text = re.sub(r"\\\\(?=[a-zA-Z])", r"\\", text)
    text = re.sub(r"\\!\s*", "", re.sub(r"\s*\{\s*,\s*\}\s*", ",", text))
    text = _until_stable(text, lambda text: _unwrap(_FONT.sub(r"{\1}", _DROPPED.sub(" ", text))))
    text = re.sub(r"\\\(|\\\)|(?<!\\)\\\[|\\\](?!\})|\$\$", " ", text)
    if len(re.findall(r"(?<!\\)\$", text)) % 2:
        text = re.sub(r"(?<!\\)\$(?=\s*[-+]?[0-9.,]+\s*$)", r"\\$", text)
    text = re.sub(r"\\\$(?=\s*[-+]?[0-9.,]+\s*)", r"\\text{$}", text)
    text = re.sub(r"([0-9])\s*\\\$\s*$|(?<=[0-9])()\$\s*$", r"\1\\text{$}", text) if text.count("$") == 1 else text
    text = re.sub(r"(?<!\{)(?<!\\)\$(?!\})", " ", text)
    text = _SPACES.sub(" ", _LINES.sub(_lines, text))
    for pattern, into in _ASCII:
        text = pattern.sub(into, text)
    text = _ornaments_off(text)
    text = braced(text)
    text = _decimals(text)
    return " ".join(text.split())


def _unwrap(text: str) -> str:
    r"""Keep words in one ``\text{}``; take mathematics in a text font out of it."""

    def word(match: re.Match[str]) -> str:
        inside = match[1].replace("\\,", " ").replace("~", " ").replace("\\cdot", "·").strip()
        if ("$" in inside and len(inside) > 1) or ("\\" in inside and "text" not in inside):
            return f" {inside.replace('$', ' ')} "
        if re.search(r"[0-9]", inside) and not re.search(r"[a-zA-Z][23]$|\^", inside):
            return f" {inside} "
        if not re.search(r"[^\W\d_]{2,}|[A-Za-z]\.[A-Za-z]|^[^\W\d_]\.?$|[%€£¥₹$°¢]|[A-Za-z]/", inside) or re.fullmatch(
            r"\([A-Z]\)", inside
        ):
            return f" {inside} "
        return rf"\text{{{inside}}}"

    return _TEXT.sub(word, text)


def _lines(match: re.Match[str]) -> str:
    """Return the lines of an aligned environment: a chain of equals signs, or a list."""
    lines = [line.replace("&", "").strip() for line in re.split(r"\\\\(?:\[[^\]]*\])?", match[2])]
    return " " + re.sub(r",(?==)", " ", ",".join(line for line in lines if line)) + " "


def _ornaments_off(text: str) -> str:
    """Take off what surrounds an answer: Markdown, quotes, full stops, an opening equals sign."""
    return _until_stable(text, _ornament_off)


def _ornament_off(text: str) -> str:
    text = text.strip()
    text = re.sub(r"^(?:=|:|\\approx|\\to)\s*|\s*(?:\\\\|\\text\{\.\}|(?<!\.)[.,;:])$|^\\ne\s*$", "", text).strip()
    for quote in ("**", "__", "`", '"', "*"):
        if len(text) > 2 * len(quote) and text.startswith(quote) and text.endswith(quote):
            text = text[len(quote) : -len(quote)]
    if text.startswith("{") and not text.startswith("{}") and closing(text, 0) == len(text) - 1:
        text = text[1:-1]
    if text.startswith("(") and closing(text, 0) == len(text) - 1 and not re.search(r"[,;]", text):
        text = text[1:-1]
    return text


def _decimals(text: str) -> str:
    """Read numbers with spaces or marks between thousands, repeating decimals, decimals in scientific notation."""
    if re.fullmatch(r"[-+]?[1-9][0-9]{0,2}(?:([ _,'])[0-9]{3})(?:\1[0-9]{3})*(?:\.[0-9]+)?", text):
        text = re.sub("[ _,']", "", text)
    text = re.sub(r"[0-9]{1,3}(?:\.[0-9]{3}){2,}", lambda m: m[0].replace(".", ""), text)
    grouped = r"((?:\\text\{[^{}]*\}|[-+])?\s*)([1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9,]))"
    if match := re.match(grouped + r"(?=\s*\\text|\s*\\[cp]|\s*\\?%|\.[0-9]|$)", text):
        text = match[1] + match[2].replace(",", "") + text[match.end() :]
    repeat = r"([0-9]*)\.([0-9]*)(?:\\(?:overline|bar|dot)\s*\{?([0-9]+)\}?|\(([0-9]+)\))(?:\s*\\ldots)?"
    text = re.sub(repeat, lambda m: _repeating(m[1], m[2], m[3] or m[4]), text)
    text = re.sub(r"([0-9]*)\.([0-9]*?)([0-9]+?)\3+\s*\\ldots", lambda m: _repeating(m[1], m[2], m[3]), text)
    text = re.sub(r"(?<=[0-9])\s*\\ldots$", "", text)
    return re.sub(
        r"(?<![a-zA-Z0-9.])([0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE]([-+]?[0-9]+)(?![0-9a-zA-Z])", r"\1 \\cdot 10^{\2}", text
    )


def _repeating(whole: str, fixed: str, repeated: str) -> str:
    bottom = 10 ** len(fixed) * (10 ** len(repeated) - 1)
    top = int(whole + fixed + repeated or "0") - int(whole + fixed or "0")
    return rf"\frac{{{top}}}{{{bottom}}}"


def _until_stable(text: str, step: Callable[[str], str]) -> str:
    for _ in range(20):
        changed = step(text)
        if changed == text:
            break
        text = changed
    return text
