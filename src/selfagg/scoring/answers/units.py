"""Units of measurement: their dimension and their size in its base unit."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction

_TABLE = """
length 1 m meter metre; 1/1000 mm millimeter millimetre; 1/100 cm centimeter centimetre; 1/10 dm; 1/1000000 μm micron
length 1000 km kilometer kilometre
length 127/5000 inch in ″; 381/1250 ft foot feet; 1143/1250 yd yard; 201168/125 mi mile
mass 1 g gram; 1/1000 mg milligram; 1000 kg kilogram; 1000000 tonne; 45359237/100000 lb pound
time 1 s sec second; 60 min minute; 3600 h hr hour; 86400 day; 604800 week; 2629800 month; 31557600 year yr
volume 1 L l liter litre; 1/1000 mL ml milliliter millilitre; 3 gal gallon
angle 1 rad radian
temperature 1 K kelvin
celsius 1 °C celsius
fahrenheit 1 °F fahrenheit
usd 1 $ dollar usd; 1/100 ¢ cent
eur 1 € euro eur
gbp 1 £ gbp
jpy 1 ¥ yen jpy
inr 1 ₹ rupee inr
rub 1 ₽ rouble ruble
current 1 A ampere amp
voltage 1 V volt; 1000 kV
resistance 1 Ω ohm
force 1 N newton; 1000 kN
energy 1 J joule; 1000 kJ
power 1 W watt; 1000 kW
pressure 1 Pa pascal
frequency 1 Hz hertz
amount 1 mol mole
speed 1397/3125 mph
"""
_UNITS: dict[str, tuple[str, Fraction]] = {}
for _line in _TABLE.split("\n"):
    _dimension, _, _rest = _line.partition(" ")
    for _entry in filter(None, _rest.split("; ")):
        _factor, *_names = _entry.split()
        _UNITS |= {name: (_dimension, Fraction(_factor)) for name in _names}

_COUNTED = {"unit": ("", Fraction(1)), "%": ("", Fraction(1, 100)), "percent": ("", Fraction(1, 100))}
_PART = re.compile(
    r"(?P<op>/|per(?![a-z])|[·*]|)\s*(?P<power>(?:square|sq|cubic|cu)\.?\s+|)(?P<name>[^\W\d_]+|[$€£¥₹₽¢%]|[°″][CFK]?)\.?\s*(?:\^\{?(?P<exponent>-?[0-9])\}?)?\s*"
)
_POWERS = {"": 1, "s": 2, "c": 3}


def unit(text: str) -> tuple[str, Fraction] | None:
    """Return dimension and factor of a unit such as ``km/h``, ``square inches``, ``kg·m^2``, or None if it is none."""
    dimensions: Counter[str] = Counter()
    factor, position, text = Fraction(1), 0, text.strip()
    while position < len(text):
        match = _PART.match(text, position)
        if not match or match.end() == position or not (known := _known(match["name"])):
            return None
        power = int(match["exponent"] or 1) * _POWERS[match["power"][:1]]
        power = -power if match["op"] in ("/", "per") else power
        dimensions[known[0]] += power
        factor *= known[1] ** power
        position = match.end()
    if not text:
        return None
    return "·".join(f"{name}^{power}" for name, power in sorted(dimensions.items()) if name and power), factor


def _known(name: str) -> tuple[str, Fraction] | None:
    for spelling in (name, name.lower(), name.lower().removesuffix("s"), name.lower().removesuffix("es")):
        if found := _UNITS.get(spelling) or _COUNTED.get(spelling):
            return found
    return None
