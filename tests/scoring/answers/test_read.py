"""Pairs of answers that are equal and pairs that are not: by kind what a reader must understand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfagg.scoring.answers.read import read
from selfagg.scoring.answers.values import Value, same

EQUAL = r"""
45^\circ | 45
45 degrees | 45
45° | 45^{\circ}
45\deg | 45
30^\circ | \frac{\pi}{6}
120\text{ cm}^2 | 120
120 cm^2 | 120 \text{ cm}^2
120\,\text{cm}^{2} | 120
60 km/h | 60
60\text{ km/h} | 60 \text{ km per hour}
9.8\ \mathrm{m/s^2} | 9.8
12 hours | 12
12\text{ hours} | 12
100 cm | 1 m
2.5\text{ kg} | 2500 g
\$5 | 5
5 dollars | \$5
5\text{ euros} | €5
£20 | 20
\$12.50 | 12.5
\$1,250 | 1250
x = 5 | 5
the answer is 5 | 5
n=5 | 5
The final answer is: 5 | 5
The value of x is 5 | 5
5 (since 2+3=5) | 5
5 \text{ ways} | 5
5 people | 5
\text{033} | 33
\mathbf{033} | 33
033. | 33
3 \pmod 7 | 3
3 \pmod{7} | 3
x \equiv 3 \pmod{7} | 3
3 mod 7 | 3
3 (mod 7) | 3 \pmod 7
\pm 3 | \{3,-3\}
\pm 3 | -3, 3
x = \pm 3 | 3,-3
x = 2 \pm \sqrt{3} | 2+\sqrt3, 2-\sqrt3
\frac2\pi | 2/\pi
\frac12 | 0.5
\sqrt2 | \sqrt{2}
\sqrt[3]4 | 4^{1/3}
\binom n2 | \frac{n(n-1)}{2}
\dbinom{5}{2} | 10
\tfrac34 | 0.75
2\frac12 | 2.5
2 1/2 | 2.5
-2\frac{1}{2} | -2.5
0.\overline{27} | 3/11
0.\overline{3} | \frac13
0.333... | 1/3
1.2\overline{3} | 37/30
0.(3) | 1/3
1e5 | 100000
2.5e-3 | 0.0025
2**10 | 1024
3*x**2 | 3x^2
pi/4 | \frac{\pi}{4}
ln 2 | \ln(2)
ln(2)/2 | \frac{\ln 2}{2}
sqrt(2) | \sqrt 2
sqrt(2)/2 | \frac{\sqrt2}{2}
x^2 | x*x
log(8,2) | 3
log_2(8) | 3
exp(x) | e^x
sin(x)^2 | \sin^2 x
½ | 1/2
2½ | 5/2
√5 | \sqrt{5}
2√5 | 2\sqrt5
√(x+1) | \sqrt{x+1}
x³ | x^3
5·3 | 15
5×3 | 15
6÷2 | 3
(−∞, 3] | (-\infty,3]
1–2 | -1
π/2 | \frac{\pi}{2}
x≤3 | x \le 3
x≥3 | [3,\infty)
(1,2)∪(3,4) | (1,2) \cup (3,4)
x∈(1,2) | (1,2)
∅ | \emptyset
１２３ | 123
1 000 000 | 1000000
1,000,000 | 1000000
1{,}000 | 1000
1\,000 | 1000
2+3i | 3i+2
e^{i\pi} | -1
(1+i)^2 | 2i
\sqrt{-4} | 2i
|1+i| | \sqrt2
x>3 | (3,\infty)
3<x | x>3
1<=x<2 | [1,2)
1 \leq x < 2 | [1,2)
x<-1 or x>1 | (-\infty,-1)\cup(1,\infty)
x \in (-\infty,-1) \cup (1,\infty) | x<-1 \text{ or } x>1
\mathbb{R}\setminus\{0\} | x \neq 0
\mathbb{R} | (-\infty,\infty)
all real numbers | \mathbb{R}
x \neq 1 | (-\infty,1)\cup(1,\infty)
\begin{cases} x = 1 \\ y = 2 \end{cases} | x=1, y=2
\begin{aligned} x &= 1 \\ y &= 2 \end{aligned} | (1,2)
\cos 60^\circ | 1/2
\sin 15^\circ | \frac{\sqrt6-\sqrt2}{4}
\binom{10}{3} | 120
5! | 120
\begin{pmatrix}1&2\\3&4\end{pmatrix} | \begin{bmatrix}1&2\\3&4\end{bmatrix}
\begin{pmatrix} 1 \\ 2 \end{pmatrix} | (1,2)
[[1,2],[3,4]] | \begin{pmatrix}1&2\\3&4\end{pmatrix}
\left(1, 2\right) | (1,2)
\langle 1,2,3 \rangle | (1,2,3)
(1, -2) | (1,-2)
y=2x+1 | 2x-y+1=0
y = 2x+1 | 2x+1
y-2x=1 | y=2x+1
f(x) = x^2+1 | x^2+1
\displaystyle \frac{1}{2} | 1/2
$\frac{1}{2}$ | 0.5
\(5\) | 5
\[5\] | 5
3 \times 10^8 | 300000000
3.0 \times 10^{8} | 3e8
3\cdot10^{-2} | 0.03
2\pi r | 2r\pi
\frac{1}{2}\pi | \frac{\pi}{2}
\frac{\sqrt{3}}{3} | \frac{1}{\sqrt{3}}
\sqrt{8} | 2\sqrt{2}
\log_{10} 1000 | 3
\log 1000 | 3
\frac{\ln 8}{\ln 2} | 3
\tan 45^\circ | 1
\sin(\frac{\pi}{6}) | \frac12
\arcsin(1) | \frac{\pi}{2}
7^{1/3} | \sqrt[3]{7}
\sqrt[3]{7} | 7^{\frac13}
2^{-3} | 1/8
-\frac{3}{4} | \frac{-3}{4}
-\frac{3}{4} | -3/4
-\frac{3}{4} | -0.75
1/2, 1/3 | 1/3, 1/2
1, 2, 3 | 1,2,3
\{1,2,3\} | 3,2,1
1 and 2 | 1,2
x=1 or x=2 | \{1,2\}
x_1 = 1, x_2 = 2 | 1,2
(1,2), (3,4) | \{(1,2),(3,4)\}
A | \text{A}
\text{Yes} | yes
Alice and Bob | Bob and Alice
Alice and Bob | \text{Alice and Bob}
\text{increasing} | increasing
True | \text{True}
\text{no solution} | no solution
\infty | +\infty
-\infty | -infinity
50\% | 0.5
50\% | 50
50 percent | 50\%
33\frac{1}{3}\% | 1/3
66.7\% | 66.7
1:2 | 1/2
3:4 | 6:8
12:30 | 12:30
12:30 PM | 12:30 \text{ p.m.}
10101_2 | 10101_{2}
1A3_{16} | 1A3_{16}
2^{2025} | 2\cdot 2^{2024}
100! | 100\cdot 99!
\frac{100!}{98!} | 9900
10^{400} | 10\cdot 10^{399}
2^{100000} | 4^{50000}
\frac{1}{2^{99}} | 2^{-99}
n^2+n | n(n+1)
\frac{a^2-b^2}{a-b} | a+b
(a+b)^2 | a^2+2ab+b^2
2^{n+1} | 2\cdot 2^n
\frac{n!}{(n-2)!} | n(n-1)
\sum_{k=1}^{n} k | \frac{n(n+1)}{2}
\sum_{i=1}^{10} i^2 | 385
\int_0^1 x^2 dx | 1/3
\sum_{n=1}^{\infty} \frac{1}{n^2} | \frac{\pi^2}{6}
\lim_{x\to 0}\frac{\sin x}{x} | 1
e^{x+y} | e^x e^y
\ln(ab) | \ln a+\ln b
|x-1| | |1-x|
\sqrt{x^2} | |x|
x^{1/2} | \sqrt x
\tan x | \frac{\sin x}{\cos x}
\sin 2x | 2\sin x\cos x
\cos^2 x+\sin^2 x | 1
\phi | \varphi
\frac{1+\sqrt{5}}{2} | (1+\sqrt5)/2
x^2+y^2=25 | x^2+y^2-25=0
\frac{x^2}{4}+\frac{y^2}{9}=1 | 9x^2+4y^2=36
x=5, y=6 | y=6, x=5
(x,y)=(5,6) | (5,6)
a=1, b=2 | (1,2)
12\text{ and }13 | 12,13
12 $ and $13 | 12,13
\text{There are 5 ways} | 5
5\text{ (five)} | 5
\approx 3.14 | 3.14
3.1400 | 3.14
.5 | 0.5
+7 | 7
- 7 | -7
--7 | 7
0.30000000000000004 | 0.3
4.123105625617661 | \sqrt{17}
0.333333 | 1/3
0.3333333333 | 0.333333
1.22 | 1,22
C | C. 42
42 | (C) 42
1.414214 | \sqrt2
5\text{ units} | 5
25 \text{ square units} | 25
\text{Area} = 25 | 25
\text{Area} = 25\pi \text{ cm}^2 | 25\pi
A = 25 | 25
S_{ABC} = 12 | 12
\angle ABC = 60^\circ | 60
|AB| = 5 | 5
AB = 5 | 5
P(A) = \frac{1}{2} | 1/2
P = 1/2 | 0.5
\frac{3}{4}\text{ of the total} | \frac34
\text{approximately } 3.14 | 3.14
\boxed{7} | 7
**7** | 7
"7" | 7
7.0 | 7
7/1 | 7
\frac{7}{1} | 7
\frac{14}{2} | 7
10^3 | 1000
10^{3} | 1000
1000000 | 10^6
6! \cdot 7 | 5040
_5P_2 | 20
{}_5C_2 | 10
^5C_2 | 10
C_{5}^{2} | 10
\max(3,5) | 5
\gcd(12,18) | 6
\lfloor 3.7 \rfloor | 3
\left\lceil \frac{5}{2} \right\rceil | 3
17 \bmod 5 | 2
\frac{\pi}{180}\cdot 30 | \frac{\pi}{6}
[5] | 5
{5} | 5
(5) | 5
((1,2)) | (1,2)
(0, \infty) | x>0
x > 0, x \neq 1 | (0,1) \cup (1,\infty)
(0,1) \cup (1,\infty) | (0,\infty) \setminus \{1\}
-1 \le x \le 1 | [-1,1]
|x| \le 1 | [-1,1]
x^2 < 4 | (-2,2)
2x>6 | x>3
a > b | b < a
x+y \le 3 | 3 \ge x+y
\{x \mid x > 2\} | (2,\infty)
\{x : x \ge 2\} | [2,\infty)
\{x \in \mathbb{R} : x > 2\} | x>2
1,2,\ldots,10 | 1, 2, \dots, 10
f^{-1}(x) = \frac{x-1}{2} | \frac{x-1}{2}
C e^{2x} | Ce^{2x}
y = Ce^{2x} | Ce^{2x}
\vec{v} = (1,2) | (1,2)
2\mathbf{i}+3\mathbf{j} | 3\mathbf{j}+2\mathbf{i}
\text{(B)} | B
(B) | B
\text{B} | B
\mathrm{e}^{2} | e^2
\frac{1}{\mathrm{e}} | e^{-1}
\sqrt{\frac{2}{3}} | \frac{\sqrt6}{3}
\frac{2}{3}x | 2x/3
3 \text{ hours } 30 \text{ minutes} | 3.5 hours
2:3:4 | 4:6:8
1\frac{3}{4} \text{ cups} | 7/4
\text{Tuesday} | tuesday
\text{Saturday.} | Saturday
C. | C
5\,000 | 5000
5~000 | 5000
1.000.000 | 1000000
\frac{22}{7}\approx 3.14 | 22/7
2 \cdot 3 \cdot 5 | 30
2 \times 3 = 6 | 6
3 + 4 = 7 | 7
x=3+4=7 | 7
8\sqrt3 - 4 | 4(2\sqrt3-1)
\frac{-b\pm\sqrt{b^2-4ac}}{2a} | \frac{-b+\sqrt{b^2-4ac}}{2a}, \frac{-b-\sqrt{b^2-4ac}}{2a}
1\pm 2i | 1+2i, 1-2i
\frac{\sqrt{3}}{2}+\frac{1}{2}i | \frac{\sqrt3+i}{2}
1​23 | 123
"""

DIFFERENT = r"""
45^\circ | 54
30^\circ | \frac{\pi}{3}
5 cm | 5 kg
5\text{ cm} | 5\text{ cm}^2
5\text{ cm} | 5\text{ m}
\$5 | €5
\frac{1}{2^{99}} | \frac{1}{2^{98}}
1e-7 | 2e-7
10^{-20} | 10^{-21}
\frac{1}{20!} | \frac{1}{21!}
20! | 21!
ABC | CAB
Alice | Bob
Alice and Bob | Alice and Carol
no | on
204_5 | 204_6
204_5 | 54
1010_2 | 10
(1,2) | (2,1)
\{1,2\} | (2,1)
1,2 | 1,3
3.14 | 3.14159
3.14 | \pi
(0,1) | [0,1]
[0,1) | (0,1]
[0,1) | [0,1]
5 | -5
\frac12 | -\frac12
\begin{pmatrix}1&2\\3&4\end{pmatrix} | \begin{pmatrix}1&3\\2&4\end{pmatrix}
\begin{pmatrix}1\\2\end{pmatrix} | \begin{pmatrix}1&2\end{pmatrix}
\{1,2,3\} | \{1,2\}
\{1,2\} | \{1,2,3\}
x>3 | x \ge 3
x>3 | x<3
3 \pmod 7 | 3 \pmod 8
3 \pmod 7 | 4 \pmod 7
\pm 3 | 3
\sqrt[3]4 | \sqrt4
2\frac12 | 1
2\frac{1}{2} | \frac{5}{4}
0.\overline{3} | 0.3
0.333 | 1/3
0.33333 | 1/3
1e5 | 1e6
2^{10} | 2^{11}
x^2 | x^3
2+3i | 2-3i
x<-1 or x>1 | x<-1 or x>2
-1<x<1 | x<-1 or x>1
y=2x+1 | y=2x-1
y=2x+1 | y=-2x+1
x=5 | y=6
50\% | 5000\%
50\% | 0.05
50 | 0.5
1:2 | 2:1
12:30 | 1:00
3:45 | 1:15
3:45 PM | 3:45 AM
March 5, 2024 | March 6, 2024
n! | (n+1)!
n^2 | n^2+1
|x| | x
f(x)=x+1 | f(x)=x-1
\ln 2 | \log 2
1,000 | 1,001
1000 | 1,00
1/2, 1/3 | 1/2, 1/4
(1,2),(3,4) | (1,2),(4,3)
\text{increasing} | decreasing
\text{not } 5 | 5
at least 5 | 5
\infty | -\infty
1 | \infty
\emptyset | 0
\text{None} | 0
10^{400} | 10^{401}
10^{400} | 10^{400}+1
2^{2025} | 2^{2025}+1
99999999999999999999 | 100000000000000000000
0.1 | 0.10000001
1.0000001 | 1
\sqrt{2} | 1.41421
\sqrt{2}+10^{-30} | \sqrt2
e^{-100} | e^{-200}
1-e^{-300} | 1
a_1 | a_2
x_1 | x_2
5x | 5
5 | 5k
5 | 5 \text{ million}
5 million | 5
x | X
f'(x) | f(x)
2^{n} | 2n
2(n+1) | 2n+1
\cos x | \sin x
\binom{10}{3} | \binom{10}{4}
x=1, y=2 | x=2, y=1
3 red, 2 blue | 2 red, 3 blue
\{0,1\} | [0,1]
(1,2) | \{1,2\}
1,2,3 | 123
12 | 1,2
1, 2, \ldots, n | 1, 3, \ldots, n
x=5=6 | 5
\frac{1}{3} | 0.33
\log_2 3 | \log_3 2
x^2+y^2=25 | x^2+y^2=5
2x+3y=5 | 3x+2y=5
(0,1)\cup(1,2) | (0,2)
\mathbb{R} | \mathbb{Z}
5\text{ apples} | 6 \text{ apples}
9^{9^9} | 9^{9^{10}}
100000000! | 100000001!
\begin{pmatrix}1&2\\3&4\end{pmatrix} | \begin{pmatrix}1&2&3&4\end{pmatrix}
(1,2,3) | (1,2)
\frac{x}{y} | \frac{y}{x}
x-y | y-x
\text{A and B} | \text{A}
A, B | A, C
(A) | (B)
-3 < x < 3 | -3 \le x \le 3
5!! | 120
5? | 5
\sqrt{3} | \sqrt{-3}
i | -i
\frac{\pi}{2} | 90
five | 5
12 | 1,2
100 | 1,00
1/3 | 0.333
204_5 | 204
"""


def rows(table: str) -> list[tuple[str, str]]:
    return [tuple(line.split(" | ")) for line in table.strip().splitlines()]  # type: ignore[misc]


def value(answer: str) -> Value:
    kind, readings = read(answer)
    return Value(kind, tuple(readings))


@pytest.mark.parametrize(("one", "other"), rows(EQUAL))
def test_equal(one: str, other: str) -> None:
    assert same(value(one), value(other))
    assert same(value(other), value(one))


@pytest.mark.parametrize(("one", "other"), rows(DIFFERENT))
def test_different(one: str, other: str) -> None:
    assert not same(value(one), value(other))
    assert not same(value(other), value(one))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("5", "number"),
        ("3.1415926", "rounded"),
        ("x+1", "formula"),
        ("5 cm", "quantity"),
        ("x = 5", "named"),
        ("x+y = 5", "equation"),
        ("[1,2)", "range"),
        (r"\{1,2\}", "set"),
        ("1,2", "list"),
        ("1 cm, 2 cm", "list[quantity]"),
        ("(1,2,3)", "tuple"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "matrix"),
        (r"3 \pmod 7", "congruence"),
        ("204_5", "numeral"),
        ("March 5, 2024", "text"),
    ],
)
def test_kind(answer: str, kind: str) -> None:
    assert value(answer).kind == kind


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=r"0123456789+-*/^_(){}[],.;=<>|%$\ xyitabcfrnsq&!:'", max_size=15))
def test_reading_is_total_and_an_answer_equals_itself(text: str) -> None:
    assert same(value(text), value(text))


@settings(max_examples=60, deadline=None)
@given(st.integers(-(10**6), 10**6), st.integers(1, 10**4))
def test_spellings_of_a_fraction(top: int, bottom: int) -> None:
    spellings = [
        rf"\frac{{{top}}}{{{bottom}}}",
        f"{top}/{bottom}",
        rf"{top} \div {bottom}",
        rf"x = \frac{{{2 * top}}}{{{2 * bottom}}}",
    ]
    assert all(same(value(spellings[0]), value(spelling)) for spelling in spellings)
    assert not same(value(spellings[0]), value(rf"\frac{{{top + 1}}}{{{bottom}}}"))
