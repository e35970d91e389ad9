"""The API key and further headers: read from options, files and the environment; sent; never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from selfagg.errors import UsageError
from selfagg.models.openai.address import Address

NO_KEY: Final = "none"
"""Sent where nobody named a key: local servers want the header's form, not its content."""

_ASSIGNED = re.compile(r"(?:export\s+|set\s+|\$env:)?([A-Za-z]\w*_\w*)\s*=\s*(\S.*)")
_HEADER = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*[=:]\s*(.*)", re.DOTALL)
_ENVIRONMENT = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}


class Credentials:
    """The credentials of a connection; the key's file is read again when the key is refused."""

    def __init__(self, key: str | None, key_file: Path | None, headers: Sequence[str] = ()) -> None:
        """Read key and headers.

        Args:
            key: The key; None: from the file, else OPENAI_API_KEY, else `NO_KEY`.
            key_file: A file that holds the key.
            headers: Further headers, ``NAME=VALUE`` or ``NAME=@FILE``.

        Raises:
            UsageError: A file cannot be read, or what it holds cannot be a key or a header.
        """
        self.key = read_key(key, key_file)
        self._file = key_file if key is None else None
        self._more = {name: os.environ[variable] for name, variable in _ENVIRONMENT.items() if os.environ.get(variable)}
        self._given = dict(map(read_header, headers))

    @property
    def named(self) -> bool:
        """Return True if anybody named a key."""
        return self.key != NO_KEY

    def headers(self, address: Address, key: str | None = None) -> dict[str, str]:
        """Return the headers of a request to this address, with ``key`` in the place of the own one where given."""
        sent = key or self.key
        if address.basic and key is None:
            auth = {"Authorization": address.basic}
        elif address.azure and not sent.startswith("ey"):  # a token of Azure's directory begins so, a key does not
            auth = {"api-key": sent}
        else:
            auth = {"Authorization": f"Bearer {sent}"}
        given = {name.lower() for name in self._given}
        return {name: value for name, value in (self._more | auth).items() if name.lower() not in given} | self._given

    def secrets(self, address: Address) -> list[str]:
        """Return the texts that must never be shown, longest first."""
        key = [self.key] if self.named else []
        found = [*key, *self._given.values(), *address.secrets]
        return sorted((value for value in found if len(value) >= 4), key=len, reverse=True)

    def renew(self, refused: str) -> bool:
        """Read the key's file again; return whether the key differs from the one that was refused."""
        if self._file is not None and self.key == refused:
            self.key = read_key(None, self._file)
        return self.key != refused


def read_key(key: str | None, key_file: Path | None) -> str:
    """Return the key given, or in the file, or in OPENAI_API_KEY, or `NO_KEY`.

    A file may hold the key alone, in quotes, after ``Bearer``, or as ``NAME=KEY`` in a shell's file of settings.

    Raises:
        UsageError: The file cannot be read, or what it holds cannot be a key.
    """
    if key is None and key_file is not None:
        key = _text(key_file, "API key file")
        if not key.strip():
            raise UsageError(f"the API key file {key_file} is empty")
    key = _bare(key or os.environ.get("OPENAI_API_KEY") or NO_KEY)
    if not key.isascii() or not key.isprintable() or " " in key or not key:
        raise UsageError(
            "the API key holds characters that no key has (a line break, a space or a letter beyond ASCII)"
        )
    return key


def _bare(text: str) -> str:
    lines = [line.strip() for line in text.lstrip("\ufeff").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    named = {match[1]: match[2] for line in lines if (match := _ASSIGNED.fullmatch(line))}
    if "OPENAI_API_KEY" in named:
        lines = [named["OPENAI_API_KEY"]]
    elif len(lines) == len(named) == 1:
        lines = list(named.values())
    key = "\n".join(lines).strip()
    if len(key) > 1 and key[0] == key[-1] and key[0] in "\"'`":
        key = key[1:-1].strip()
    return re.sub(r"^bearer\s+", "", key, flags=re.IGNORECASE)


def read_header(word: str) -> tuple[str, str]:
    """Read ``NAME=VALUE`` or ``NAME=@FILE``.

    Raises:
        UsageError: It is no header, or the file cannot be read.
    """
    match = _HEADER.fullmatch(word)
    if not match:
        raise UsageError(f"--header {word.partition('=')[0]!r}: write NAME=VALUE, or NAME=@FILE for a secret")
    name, value = match[1], match[2].strip()
    if value.startswith("@"):
        value = _text(Path(value[1:]).expanduser(), f"file of the header {name}").strip().lstrip("\ufeff")
    if not value.isascii() or not value.isprintable():
        raise UsageError(f"the header {name} holds characters that no header can carry")
    return name, value


def _text(path: Path, what: str) -> str:
    try:
        data = path.read_bytes()
        # Windows' shell writes UTF-16
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise UsageError(f"cannot read the {what} {path}: {why}") from None
