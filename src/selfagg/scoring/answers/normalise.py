r"""One spelling: Unicode, ASCII mathematics and sloppy TeX become the LaTeX that math-verify's parser reads."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

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

# Characters, and what they become; "_" stands for a space.
_SYMBOLS = r"""
−–—‐‑‒﹣ - ×∙⋅·• _\cdot_ ÷ _\div_ ± _\pm_ ∓ _\mp_ ⁄∕ / ′’‘ ' ″”“ " 、 , 。 . ∎■□✓✔ _
∞ _\infty_ ≤⩽ _\le_ ≥⩾ _\ge_ ≠ _\ne_ ≈ _\approx_ ≡ _\equiv_ → _\to_ °º˚ ^\circ_ …⋯ _\ldots_ ∠ _\angle_
∪ _\cup_ ∩ _\cap_ ∈ _\in_ ∅⌀ _\emptyset_ ∖ _\setminus_ ⟨ _\langle_ ⟩ _\rangle_ ⌊ \lfloor_ ⌋ \rfloor_ ⌈ \lceil_ ⌉ \rceil_
ℝ \mathbb{R} ℤ \mathbb{Z} ℕ \mathbb{N} ℚ \mathbb{Q} ℂ \mathbb{C} ∑ \sum_ ∏ \prod_ ∫ \int_ ∛ \sqrt[3]
α _\alpha_ β _\beta_ γ _\gamma_ δ _\delta_ ε _\epsilon_ ζ _\zeta_ η _\eta_ θ _\theta_ ι _\iota_ κ _\kappa_ λ _\lambda_
μ _\mu_ ν _\nu_ ξ _\xi_ π _\pi_ ρ _\rho_ σ _\sigma_ τ _\tau_ υ _\upsilon_ φ _\phi_ χ _\chi_ ψ _\psi_ ω _\omega_
Γ _\Gamma_ Δ _\Delta_ Θ _\Theta_ Λ _\Lambda_ Ξ _\Xi_ Π _\Pi_ Σ _\Sigma_ Φ _\Phi_ Ψ _\Psi_ Ω _\Omega_
"""
_PAIRS = zip(_SYMBOLS.split()[::2], _SYMBOLS.split()[1::2], strict=True)
_UNICODE = {ord(char): into.replace("_", " ") for chars, into in _PAIRS for char in chars}
_RAISED, _LOWERED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "₀₁₂₃₄₅₆₇₈₉"
_LEVEL = str.maketrans(_RAISED + _LOWERED, "0123456789+-n" + "0123456789")
_COMMAND = re.compile(r"\\(frac|binom|sqrt)(?![a-zA-Z])")
_DEEPEST = 40
_BRACKET = re.compile(r"\\[{}]|\\begin\{|\\end\{\w+\}|[(\[{)\]}]")


def normalise(answer: str) -> str:
    r"""Return an answer in one spelling of LaTeX; words stay in ``\text{}``."""
    text = without_unicode(re.sub(r"(?<!\\)%[^\n]*\n", " ", answer))
    if r"\begin" not in text:
        text = re.sub(r"\\\\(?=[a-zA-Z])", r"\\", text)
    text = re.sub(r"\\!\s*", "", re.sub(r"\s*\{\s*,\s*\}\s*", ",", text))
    text = _until_stable(text, lambda text: _TEXT.sub(_word, _FONT.sub(r"{\1}", _DROPPED.sub(" ", text))))
    text = re.sub(r"\\\(|\\\)|(?<!\\)\\\[|\\\](?!\})|\$\$", " ", text)
    if len(re.findall(r"(?<!\\)\$", text)) % 2:
        text = re.sub(r"(?<!\\)\$(?=\s*[-+]?[0-9.,]+\s*$)", r"\\$", text)
    text = re.sub(r"\\\$(?=\s*[-+]?[0-9.,]+\s*)", r"\\text{$}", text)
    text = re.sub(r"([0-9])\s*\\\$\s*$|(?<=[0-9])()\$\s*$", r"\1\\text{$}", text) if text.count("$") == 1 else text
    text = re.sub(r"(?<!\{)(?<!\\)\$(?!\})", " ", text)
    text = _SPACES.sub(" ", _LINES.sub(_lines, text))
    for pattern, into in _ASCII:
        text = pattern.sub(into, text)
    return " ".join(_decimals(braced(_until_stable(text, _ornament_off))).split())


def without_unicode(text: str) -> str:
    """Return text whose mathematical characters are LaTeX: roots, fractions, raised digits, Greek letters."""
    text = re.sub(f"([{_RAISED}]+)", lambda run: f"^{{{run[0].translate(_LEVEL)}}}", text)
    text = re.sub(f"([{_LOWERED}]+)", lambda run: f"_{{{run[0].translate(_LEVEL)}}}", text)
    text = re.sub(r"√\s*(?:([0-9.]+|[a-zA-Zπ])|(?=[({]))", lambda m: rf"\sqrt{{{m[1]}}}" if m[1] else r"\sqrt", text)
    text = text.translate(_UNICODE)
    text = re.sub("[¼½¾⅐-⅞]", lambda m: rf"\frac{{{unicodedata.normalize('NFKC', m[0]).replace('⁄', '}{')}}}", text)
    text = unicodedata.normalize("NFKC", text)
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def _word(match: re.Match[str]) -> str:
    r"""Keep words in one ``\text{}``; take mathematics in a text font out of it."""
    inside = match[1].replace("\\,", " ").replace("~", " ").replace("\\cdot", "·").strip()
    if ("$" in inside and len(inside) > 1) or ("\\" in inside and "text" not in inside):
        return f" {inside.replace('$', ' ')} "
    is_number = re.search(r"[0-9]", inside) and not re.search(r"[a-zA-Z][23]$|\^", inside)
    is_word = re.search(r"[^\W\d_]{2,}|[A-Za-z]\.[A-Za-z]|^[^\W\d_]\.?$|[%€£¥₹$°¢]|[A-Za-z]/", inside)
    if is_number or not is_word or re.fullmatch(r"\([A-Z]\)", inside):
        return f" {inside} "
    return rf"\text{{{inside}}}"


def _lines(match: re.Match[str]) -> str:
    """Return the lines of an aligned environment: a chain of equals signs, or a list."""
    lines = [line.replace("&", "").strip() for line in re.split(r"\\\\(?:\[[^\]]*\])?", match[2])]
    return " " + re.sub(r",(?==)", " ", ",".join(line for line in lines if line)) + " "


def _ornament_off(text: str) -> str:
    """Take off what surrounds an answer: Markdown, quotes, full stops, an opening equals sign."""
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
        before, text = text, step(text)
        if text == before:
            break
    return text


def braced(text: str) -> str:
    r"""Return LaTeX whose ``\frac``, ``\binom`` and ``\sqrt`` have their arguments in braces: ``\frac2\pi``."""
    out, position = [], 0
    for match in _COMMAND.finditer(text):
        if match.start() >= position:
            out.append(text[position : match.start()])
            piece, position = _command(text, match)
            out.append(piece)
    return "".join([*out, text[position:]])


def _command(text: str, match: re.Match[str]) -> tuple[str, int]:
    name, position, written = match[1], match.end(), match[0]
    if name == "sqrt" and (index := re.compile(r"\s*\[([^\[\]]*)\]").match(text, position)):
        written, position = rf"\sqrt[{index[1]}]", index.end()
    for _ in range(1 if name == "sqrt" else 2):
        argument, position = _argument(text, position)
        written += f"{{{argument}}}"
    return written, position


def _argument(text: str, position: int) -> tuple[str, int]:
    """Return one argument of a TeX command: a group, a command with its own arguments, a character."""
    while position < len(text) and text[position] == " ":
        position += 1
    if position >= len(text):
        return "", position
    if text[position] in "{(" and (end := closing(text, position)):
        return braced(text[position + 1 : end]), end + 1
    if nested := _COMMAND.match(text, position):
        return _command(text, nested)
    digits = "[0-9]+|" if text.endswith("\\sqrt", 0, position) else ""  # \sqrt12 is the root of 12
    token = re.compile(rf"\\[a-zA-Z]+|{digits}.").match(text, position)
    return (token[0], token.end()) if token else ("", position)


def closing(text: str, start: int) -> int | None:
    """Return the place of the bracket that closes the one at ``start``, or None."""
    opening, depth = text[start], 0
    close = {"{": "}", "(": ")", "[": "]"}[opening]
    for position in range(start, len(text)):
        if text[position - 1 : position] == "\\" and opening == "{":
            continue
        depth += (text[position] == opening) - (text[position] == close)
        if depth == 0:
            return position
    return None


def _levels(text: str) -> list[tuple[int, int, int]]:
    """Return start and end of each bracket, and the depth after it."""
    depth, found = 0, []
    for match in _BRACKET.finditer(text):
        depth += 1 if match[0][-1] in "([{" and not match[0].startswith(r"\end") else -1
        if match[0].startswith(r"\begin"):
            depth += 1  # its own brace closes next
        found.append((match.start(), match.end(), depth))
    return found


def is_sane(text: str) -> bool:
    """Return True if brackets nest no deeper than in any honest answer; readers take very long over others."""
    return all(abs(depth) <= _DEEPEST for _, _, depth in _levels(text))


def split(text: str, separator: str) -> list[str]:
    """Return the parts of a text between separators (a pattern) that stand in no bracket, stripped."""
    brackets = _levels(text)
    parts, start = [], 0
    for match in re.finditer(separator, text):
        depth = next((level for _, end, level in reversed(brackets) if end <= match.start()), 0)
        inside = any(begin < match.end() and match.start() < end for begin, end, _ in brackets if end - begin > 1)
        if depth == 0 and not inside and match.start() >= start:
            parts.append(text[start : match.start()].strip())
            start = match.end()
    return [*parts, text[start:].strip()]


def bracketed(text: str) -> str | None:
    """Return the content of the brackets around the whole text, of whichever kind, or None."""
    brackets = _levels(text)
    if len(brackets) < 2 or brackets[-1][1:] != (len(text), 0) or any(depth <= 0 for _, _, depth in brackets[:-1]):
        return None
    return text[brackets[0][1] : brackets[-1][0]].strip() if text.startswith(("(", "[", r"\{")) else None
