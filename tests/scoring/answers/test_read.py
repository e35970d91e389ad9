"""Pairs of answers that are equal and pairs that are not: by kind what a reader must understand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfagg.scoring.answers.read import read
from selfagg.scoring.answers.values import Value, same

EQUAL = r"""
5 hundred | 500
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
\text{$5$} | 5
5\,\text{mph} | 5
5\text{ m}^3 | 5
5 ft | 5
\$0.50 | 50 cents
50\text{ cents} | 50
5 bucks | 5
\$3 million | 3000000
0.72 | 72%
x=\frac{1}{2} | 0.5
x=-3, x=4 | \{-3,4\}
x\in\{1,2\} | \{2,1\}
(x, y) = (1, 2) | x=1,y=2
n \equiv 1 \pmod{4} | 1 \pmod 4
1 (\text{mod } 4) | 1
\text{Total: } 12 | 12
So the answer is 12. | 12
\therefore x = 12 | 12
12! | 479001600
-3^2 | -9
2^{-1} | 1/2
\sqrt[4]{16} | 2
\frac{3\pi}{4} | 0.75\pi
\pi - 1 | -1+\pi
\ln e | 1
\log_28 | 3
\sin(30^\circ) | \frac12
\tan(\pi/4) | 1
\sin^{-1}(1) | \frac{\pi}{2}
2\cos 36^\circ | \frac{1+\sqrt5}{2}
\tan 15^\circ | 2-\sqrt3
\sqrt{3+2\sqrt{2}} | 1+\sqrt{2}
\binom{6}{3}\cdot 2 | 40
\binom{100}{50} | \frac{100!}{50!50!}
2^{10}-1 | 1023
\frac{1}{10^{100}} | 10^{-100}
1.23\text{e}5 | 123000
2 \cdot 10^{-5} | 0.00002
3-4i | -4i+3
\frac{1+i}{1-i} | i
2e^{i\pi/2} | 2i
(-\infty, 2) \cup (2, \infty) | x \ne 2
[0, \infty) | x \ge 0
0 \le x \le 1 | x \in [0,1]
x > 0 \text{ and } x < 1 | (0,1)
(2,\infty) | x>2
\left[-\frac{1}{2},\infty\right) | x \ge -\frac12
[1,2]\cup[2,3] | [1,3]
\{ x \in \mathbb{R} \mid x \neq 0 \} | x \ne 0
y=3x-2 | 3x-y=2
y - 2 = 3(x-1) | y = 3x-1
x^2+y^2-2x=0 | (x-1)^2+y^2=1
y=\frac{1}{2}x+3 | x-2y+6=0
a_n = 3n-1 | 3n-1
T(n)=n^2 | n^2
P(x)=x^2-1 | x^2-1
\begin{pmatrix} 1/2 & 0 \\ 0 & 1 \end{pmatrix} | \begin{pmatrix} 0.5 & 0\\0&1\end{pmatrix}
\begin{pmatrix} 1 & 2 \end{pmatrix} | (1,2)
(1, 2, 3) | (1,2,3)
\left\langle 1, 2 \right\rangle | (1,2)
\hat{i}+2\hat{j} | 2\hat{j}+\hat{i}
\text{point } (1,2) | (1,2)
2 \frac{3}{4} | 11/4
2 3/4 | 2.75
1 ½ | 3/2
0.1\dot{6} | 1/6
0.\overline{142857} | 1/7
0.\overline{9} | 1
√2/2 | \frac{\sqrt{2}}{2}
∛8 | 2
2π/3 | \frac{2\pi}{3}
x₁ + x₂ | x_1+x_2
3 × 4 | 12
30° | 30
｛1，2｝ | \{1,2\}
＋5 | 5
1 234 | 1234
1 234.5 | 1234.5
10{,}000.50 | 10000.5
\mathrm{2025} | 2025
\textbf{12} | 12
\texttt{12} | 12
\colorbox{yellow}{12} | 12
\large{12} | 12
\pmb{12} | 12
\mathbf{\frac{1}{2}} | 1/2
12\;\;. | 12
12 \ \text{(twelve)} | 12
12 or so | 12
\approx 12 | 12
\underline{\underline{12}} | 12
\mathrm{C} | C
\text{Option B} | B
\text{true} | True
\text{ two } | two
\text{DNE} | DNE
\text{no real solutions} | no real solutions
\mathrm{none} | none
ab+ba | 2ab
\frac{ab}{c} | \frac{ba}{c}
a^{m+n} | a^m a^n
\frac{1}{1+\frac{1}{x}} | \frac{x}{x+1}
(n+1)! | (n+1) n!
\binom{2n}{n} | \frac{(2n)!}{(n!)^2}
(-1)^n | (-1)^{n+2}
\left\lfloor\frac{n}{2}\right\rfloor | \lfloor n/2 \rfloor
\ln\frac{a}{b} | \ln a-\ln b
\sec x | \frac{1}{\cos x}
\tan^{-1} x | \arctan x
e^{-x} | \frac{1}{e^x}
\frac{x^3}{3}+C | C+\frac{x^3}{3}
C_1e^x+C_2e^{-x} | C_2e^{-x}+C_1e^x
\frac{5}{2}\% | 0.025
2 \text{ to } 3 | 2 \text{ to } 3
2*3+4 | 10
10^-3 | 0.001
sqrt(3)/3 | \frac{1}{\sqrt3}
e^(2x) | e^{2x}
ln(x) | \ln x
arctan(1) | pi/4
n*(n+1)/2 | \frac{n(n+1)}{2}
nC2 | \binom{n}{2}
abs(x) | |x|
x != 3 | x \ne 3
-inf | -\infty
1e-3 | 0.001
0x10 | 0x10
A(1,2) | (1,2)
30' | 30
12\text{ cm}^2 \text{ (approx.)} | 12
12, \text{ since } 5+7=12 | 12
12 \text{ for all } n | 12
\frac{1}{2} \text{ where } n \ge 1 | \frac12
f(x)=x, f(x)=-x | x,-x
f(x)=0 \text{ or } f(x)=x^2 | 0,x^2
a=3,\ b=4 | (3,4)
(m,n)=(2,5) | (2,5)
x = \frac{3 \pm \sqrt{5}}{2} | \frac{3+\sqrt5}{2},\frac{3-\sqrt5}{2}
\pm\frac{\sqrt2}{2} | \frac{\sqrt2}{2},-\frac{\sqrt2}{2}
0, \pm 1 | -1,0,1
\{(1,2),(2,1)\} | (1,2),(2,1)
(1,-1),(-1,1) | \{(-1,1),(1,-1)\}
n = 4k+1 | 4k+1
2,3,5 and 7 | 2,3,5,7
2\text{ or }3 | \{2,3\}
1 < x < 3 | (1,3)
x < 1 \lor x > 3 | (-\infty,1)\cup(3,\infty)
x\le -2 \text{ or } x\ge 2 | (-\infty,-2]\cup[2,\infty)
(-\infty,\infty) | \mathbb{R}
x \in \mathbb{R} \setminus \{1\} | (-\infty,1)\cup(1,\infty)
[-1,1)\setminus\{0\} | [-1,0)\cup(0,1)
a \ge -1 | [-1,\infty)
120^\circ, 60^\circ | 60^\circ,120^\circ
45^{\circ} 30' | 45^{\circ} 30'
8^{2/3} | 4
\left(\frac23\right)^{-1} | 1.5
\frac{\frac{1}{2}}{3} | 1/6
\sqrt{2}\sqrt{3} | \sqrt6
\frac{6}{\sqrt3} | 2\sqrt3
\sqrt{50}-\sqrt{8} | 3\sqrt2
(-8)^{1/3} | -2
\ln 4 | 2\ln 2
e^{\ln 5} | 5
\log_3 9+\log_3 3 | 3
10^{\log 5} | 5
\frac{7!}{5!} | 42
\binom{7}{3}+\binom{7}{4} | \binom84
\sum_{n=0}^{\infty} \frac{1}{2^n} | 2
\prod_{k=1}^{4} k | 24
\frac{2025}{1} | 2025
2,025 | 2025
7 \cdot 11 \cdot 13 | 1001
2^{3} \times 3^{2} \times 5 | 360
x(x+1)(x+2) | x^3+3x^2+2x
-x^2+4x-3 | -(x-1)(x-3)
\frac{1}{2}(a+b)h | \frac{(a+b)h}{2}
\frac{-b+\sqrt{b^2-4ac}}{2a} | \frac{\sqrt{b^2-4ac}-b}{2a}
v_0 t | t v_0
\vec{F} = m\vec{a} | m\vec{a}
\theta = \frac{\pi}{4} | \pi/4
\lambda^2 - 3\lambda + 2 | (\lambda-1)(\lambda-2)
\text{Var}(X) = 5 | 5
E[X]=3.5 | 7/2
\Pr = 0.25 | 1/4
r = 5 \text{ cm} | 5
\text{length: } 7 | 7
15\ \$ | 15
\text{Rs. } 500 | 500
500 rupees | 500
25~\text{m}\cdot\text{s}^{-1} | 25
4.2\ \mathrm{kJ/mol} | 4.2
25\,^{\circ}\mathrm{C} | 25
6\,\mu\text{m} | 6
1\text{ hour} | 60 minutes
2\text{ dozen} | 2\text{ dozen}
0.75 | 75\%
"""

DIFFERENT = r"""
square root of 5 | 5
multiples of 5 | 5
twice 5 | 5
5 and a half | 5
negative 5 | 5
5 squared | 5
A(1,2) | B(2,1)
6'2'' | 6
5\text{ to }7 | 5
5-7 | 5,7
5 \text{ out of } 7 | 5
0,\pm1 | 0,1
n = 4k+1 | 4k+3
1 < x < 3 | [1,3]
|x|>2 | |x|\ge2
120^\circ | 60^\circ
\frac{\pi}{3}+2k\pi | \frac{\pi}{3}+k\pi
2^{3}\cdot3 | 2\cdot 3^3
\sqrt[3]{8} | \sqrt{8}
\ln 4 | \ln 2
(x-1)(x-2) | (x-1)(x+2)
\frac{a+b}{c} | a+\frac{b}{c}
f(x)=x, f(x)=-x | f(x)=x
x=1, x=2, x=3 | x=1, x=2
1:00 | 13:00
\frac{\sqrt{2}}{2} | \frac{\sqrt{3}}{2}
1.41 | \sqrt2
\sin x | -\sin x
2\pi | 6.28
\pi | \frac{22}{7}
3.14159 | 3.141592
0.1 | 0.01
1\times10^{-9} | 0
10^{-9} | 10^{-10}
x+y=3 | x-y=3
x=y | x=-y
2x=4 | 2x=5
a<b | a>b
a<b<c | a<c<b
(1,\infty) | [1,\infty)
(-1,1) | (1,-1)
\{a,b\} | \{a,c\}
\begin{pmatrix}1\\2\end{pmatrix} | \begin{pmatrix}2\\1\end{pmatrix}
\begin{pmatrix}1&0\\0&1\end{pmatrix} | 1
A\cup B | A\cap B
A \cap B | B \cup A
p \land q | p \lor q
\text{A} | \text{B}
\text{yes, 5} | \text{no, 5}
5 \text{ and } 5 | 6
Team 3 | Team 4
3\text{rd} | 4\text{th}
\text{circle} | \text{ellipse}
100\text{ m} | 100\text{ km}
5 m/s | 5 km/h
5\text{ hours} | 5\text{ minutes}
50 cents | 50 dollars
5 million | 5 billion
72\% | 7.2
x \in \{1,2\} | \{1,3\}
(x,y)=(1,2) | x=2,y=1
-3^2 | 9
\sqrt{16} | -4
2^{3^2} | 64
135^\circ | \frac{\pi}{4}
\sin 30 | \frac12
\sin 15^\circ | \cos 15^\circ
10^{100} | 10^{101}
10^{-100} | 10^{-101}
\frac{1}{3^{200}} | \frac{1}{3^{201}}
50! | 51!
2^{200} | 2^{200}-1
3-4i | 3+4i
i | 1
[1,2]\cup[2,3] | [1,2)\cup(2,3]
(-\infty,2) | (-\infty,2]
x \ge 0 | x > 0
0<x<1 | 0<x<2
\{x\mid 0<x<1\} | \{x\mid 0\le x<1\}
y=3x-2 | 3x-y=-2
x^2+y^2=1 | x^2-y^2=1
(1,2,3) | (3,2,1)
\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} | (1,2,3,4)
\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} | \begin{pmatrix} 1 & 2 \\ 4 & 3 \end{pmatrix}
2\frac{3}{4} | \frac{6}{4}
0.1666 | 1/6
0.16 | 1/6
1'000 | 1
Option A | Option B
\text{isosceles} | \text{scalene}
\text{even} | \text{odd}
yes | no
listen | silent
\text{ABCD} | \text{ABDC}
PQR | RQP
ab | a+b
a^b | b^a
a-b | b-a
\frac{a}{b} | \frac{b}{a}
x^{n} | x^{n+1}
2^{n+1} | 2^n+1
\binom{n}{2} | \binom{n+1}{2}
(-1)^n | (-1)^{n+1}
\lfloor n/2 \rfloor | \lceil n/2 \rceil
\lfloor n/2 \rfloor | n/2
\ln x | \log_2 x
\sin x | \sin 2x
\sin^2 x | \sin x^2
x_1 | x_{11}
x_{12} | x_{21}
\sqrt{x+1} | \sqrt{x}+1
e^x | e^{-x}
|x| | -x
\frac{x^3}{3}+C | \frac{x^3}{3}
1:3 | 3
1/2 | 2
2^{1/2} | 2^{1/3}
10110_2 | 10111_2
10_3 | 10_4
12_{10} | 12_{8}
\pm 1 | 1
\pm 1 | 0
1\pm\sqrt2 | 1+\sqrt2
\{1,1,2\} | \{1,2,3\}
1,2 | 1,2,2,3
(0,0) | 0
\{0\} | \emptyset
\text{undefined} | 0
\infty | \text{undefined}
0.5 | 0.49999
0.499999999 | 0.5
3.1415926 | 3.1415936
123456789 | 123456788
12345678901234567890 | 12345678901234567891
1.5 | 15
1.05 | 1.5
1{,}500 | 1.5
-\frac{1}{2} | 0.5
\frac{-1}{-2} | -0.5
x=1 | x=-1
x<1 | 1
5\text{ or }6 | 5
5 \text{ and } 6 | 6
5\text{ not }6 | 6
between 5 and 6 | 5,6
not 5 | 5
-5 | 5 below zero
less than 5 | 5
x | y
\alpha | \beta
\text{Jan 5} | \text{Jan 6}
5:30 | 5:03
3:00 \text{ pm} | 3:00 \text{ am}
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


@pytest.mark.parametrize(
    ("answer", "kind"), [(r"x>\sqrt{-2}", "range"), (r"[\sqrt{-1},2]", "text"), (r"(\sqrt{-1},2)", "tuple")]
)
def test_ranges_of_numbers_that_are_not_real_are_read_and_wrong(answer: str, kind: str) -> None:
    assert value(answer).kind == kind
    assert not same(value(answer), value("x>2"))
