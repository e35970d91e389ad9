"""The missing parts of a run: replies, scores, token counts. Counted and worded here for every table and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from selfagg.record.record import Record
from selfagg.types import Usage

UNTOLD = "(tries > 0 AND coalesce(prompt_tokens + completion_tokens, 0) = 0)"
"""Holds of a call whose server did not report the tokens; earlier versions recorded 0, which no reply takes."""

_MEMBERS = """
SELECT count(*), coalesce(sum(error IS NOT NULL), 0),
    coalesce(sum(error IS NULL AND score IS NULL AND note != ''), 0)
FROM generations JOIN questions ON position = question LEFT JOIN scores USING (question, t, i)
WHERE role = 'candidate' AND weights IS NOT NULL
"""
_REPLIES = f"""
SELECT count(*), coalesce(sum({UNTOLD}), 0),
    coalesce(sum(text = '' AND reasoning != '' AND stop = 'finished'), 0),
    coalesce(sum(stop = 'filtered'), 0), coalesce(sum(stop = 'unknown'), 0)
FROM generations WHERE error IS NULL AND tries > 0
"""  # noqa: S608 - constants
_WHY = "SELECT note FROM scores WHERE score IS NULL AND note != '' GROUP BY note ORDER BY count(*) DESC, note LIMIT 1"


@dataclass(frozen=True, slots=True)
class Missing:
    """Numbers of what is not there, and of what it would be part of."""

    members: int = 0  # of the questions that are done
    failed: int = 0  # those without a reply. They count as wrong, as in the paper
    unscored: int = 0  # those whose answer could not be scored. They are left out of every share
    why: str = ""  # the commonest reason why an answer could not be scored, or ``""``
    replies: int = 0  # replies to all calls
    without_usage: int = 0  # those whose server did not report their tokens. No sum of tokens holds them
    reasoning_only: int = 0  # those that are finished and have a reasoning section and no text
    filtered: int = 0  # those that a filter cut
    unknown_stop: int = 0  # those that ended for a reason that nobody knows

    @classmethod
    def of(cls, record: Record) -> Self:
        """Count what a record lacks."""
        (members,), (replies,), why = record.query(_MEMBERS), record.query(_REPLIES), record.query(_WHY)
        return cls(*[*members, why[0][0] if why else "", *replies])

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Self:
        """Return the object from which `as_json` was made."""
        return cls(**{field.name: told[field.name] for field in fields(cls)})

    def as_json(self) -> dict[str, Any]:
        """Return every number by its name."""
        return asdict(self)

    def __add__(self, other: Missing) -> Missing:
        added = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in fields(self)
            if field.name != "why"
        }
        return Missing(why=self.why or other.why, **added)

    @property
    def complete(self) -> bool:
        """Return True if every member has a reply and, where a right answer is known, a score."""
        return not self.failed and not self.unscored

    def sentence(self) -> str:
        """Return a sentence on the members without a reply or a score; ``""`` if there are none."""
        return "; ".join(sentence for sentence, _ in self._members().values())

    def lines(self) -> list[tuple[str, str]]:
        """Return a word and a sentence for each kind of thing that is missing."""
        told = {word: sentence + more for word, (sentence, more) in self._members().items()}
        replies = {
            "no text": (self.reasoning_only, "with reasoning alone: look at the server's parser"),
            "filtered": (self.filtered, "cut by a filter"),
            "stop": (self.unknown_stop, "that ended for a reason that nobody knows"),
        }
        of = f"of {self.replies:,} replies"
        told |= {word: f"{number:,} {of} {words}" for word, (number, words) in replies.items() if number}
        return [*told.items(), *([("tokens", untold)] if (untold := self._untold()) else [])]

    def tokens_words(self, usage: Mapping[str, Any]) -> str:
        """Return the number of tokens used, in words, from `usage_json`."""
        if usage["prompt"] is None:
            return self._untold()
        told = f"{usage['prompt']:,} prompt ({usage['cached']:,} cached), {usage['completion']:,} completion"
        return "; ".join(filter(None, [told, self._untold()]))

    def _members(self) -> dict[str, tuple[str, str]]:
        """Return for each kind of member that lacks something a sentence, and how it counts."""
        found, of = {}, f"of {self.members:,} members"
        if self.failed:
            have = "has" if self.failed == 1 else "have"
            found["failed"] = f"{self.failed:,} {of} {have} no reply", ": counted as wrong"
        if self.unscored:
            why = " ".join("".join(c for c in self.why if c.isprintable() or c.isspace()).split())[:120]
            because = f" ({why})" if why else ""
            found["unscored"] = f"{self.unscored:,} {of} could not be scored{because}", ": left out of all shares"
        return found

    def _untold(self) -> str:
        if not self.without_usage:
            return ""
        if self.without_usage == self.replies:
            return "not told by the server"
        return f"not told by the server for {self.without_usage:,} of {self.replies:,} replies, which no sum holds"


def usage_json(usage: Usage, replies: int) -> dict[str, Any]:
    """Return tokens for JSON: those of the replies whose server told them, null where it told none."""
    told = usage.unknown < replies or not replies
    names = ("prompt", "cached", "completion", "reasoning")
    return {**{name: getattr(usage, name) if told else None for name in names}, "unknown": usage.unknown}
