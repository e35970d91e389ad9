from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

from selfagg.html_report.page import pieces


def page(title: str = "Title", data: Any = None) -> str:
    return "".join(pieces(title, "made", data, [("texts-0-0", "QUJD")]))


def test_the_policy_allows_exactly_the_pages_own_script_and_style() -> None:
    text = page()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    said = policy[1].replace("&#x27;", "'")
    assert said.startswith("default-src 'none';")
    assert "unsafe" not in said
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in said


def test_nothing_is_fetched() -> None:
    assert not re.search(r'\b(?:src|href)="(?!#)', page())
    assert not re.search(r"url\(|@import", page())


def test_values_cannot_leave_their_place() -> None:
    hostile = "</script></title>{{script}}<b>\u2028"
    text = page(hostile, {"a": hostile})
    assert "<b>" not in text
    assert text.count("{{script}}") == 3  # as text: twice the title, once the data
    (data,) = re.findall(r'id="data">(.*?)</script>', text)
    assert json.loads(data) == {"a": hostile}
