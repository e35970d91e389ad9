"""The parts of the Responses API beyond one request and its answer: kept responses, and work in the background."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import Response

from selfagg.server.disconnect import Stream
from selfagg.server.errors import APIError, Json, refused
from selfagg.server.exchange import Exchange
from selfagg.server.passthrough import NoRoute, passed_on
from selfagg.server.plan import DeliberationPlan
from selfagg.server.protocols import Api
from selfagg.server.requests import parse

if TYPE_CHECKING:
    from selfagg.server.service import Service

_ITEM: Final = re.compile(r"(?:rs|msg|fc)_([0-9a-f]{48})\d+")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MOST_ITEMS: Final = 100
_WITHOUT: Final = "this server keeps no conversations: start it with --record FILE, or send the whole one as input"


class ResponsesExchange(Exchange):
    """``POST /v1/responses``."""

    def passes(self, body: Mapping[str, Any]) -> bool:
        return not body.get("background")  # what outlives its connection is answered here

    def prepared(self, body: dict[str, Any], *, plain: bool) -> dict[str, Any]:
        """Return the request with the conversation before it, which is kept here, in its input.

        Raises:
            APIError: It is not kept here, and no other server can have it.
        """
        previous, items = body.get("previous_response_id"), _items(body)
        refers = isinstance(previous, str) or any(map(_is_reference, items))
        if not refers or not isinstance(body.get("input") or [], str | list):
            return body
        try:
            before = self._conversation(previous) if isinstance(previous, str) else []
            whole = [*before, *(self._referred(item, place) for place, item in enumerate(items))]
        except APIError:
            if plain:
                return body  # the model's own server may know it
            raise
        return {**{name: value for name, value in body.items() if name != "previous_response_id"}, "input": whole}

    def _conversation(self, name: str) -> list[Any]:
        if self.service.deliberator.record is None:
            raise refused(f"previous_response_id: {_WITHOUT}", "previous_response_id", "unsupported_parameter")
        kept = self.service.kept.get(name)
        if kept is None or kept.open:
            why = "is not done yet" if kept else "is not kept here"
            code = "previous_response_not_found"
            raise refused(f"previous_response_id: response {name[:100]!r} {why}", "previous_response_id", code)
        return [*kept.request["items"], *kept.response["output"]]

    def _referred(self, item: Any, place: int) -> Any:
        if not _is_reference(item):
            return item
        match = _ITEM.fullmatch(str(item.get("id")))
        kept = self.service.kept.get(f"resp_{match[1]}") if match else None
        for one in kept.response["output"] if kept else ():
            if one["id"] == item["id"]:
                return one
        name = str(item.get("id"))[:100]
        raise refused(f"input.{place}: item {name!r} is not kept here: send it whole", f"input.{place}")

    def begun(self, body: Mapping[str, Any]) -> Api:
        kept = body.get("store") is not False
        if body.get("background") and not kept:
            raise refused("store: a response in the background has to be kept", "store")
        return super().begun({**body, "store": kept})

    async def keep(self, body: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        if answer["store"]:
            await self.service.kept.put(self._request(body), answer)

    def _request(self, body: Mapping[str, Any], chat: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the part of a request that is kept: nothing in memory, where conversations would pile up."""
        if self.service.deliberator.record is None:
            return {"items": []}
        return {"items": _items(body), **({"chat": chat} if chat else {})}

    async def deliberated(
        self,
        answer: Api,
        body: Mapping[str, Any],
        chats: list[dict[str, Any]],
        plans: list[DeliberationPlan],
        place: ExitStack,
    ) -> Response:
        if not body.get("background"):
            return await super().deliberated(answer, body, chats, plans, place)
        request = self._request(body, {**chats[0], "seed": plans[0].settings.seed})
        with place.pop_all() as leave:  # its place is free when the work has ended
            started = await self.service.background.start(dict(answer.told), request, plans[0], leave)
        return Stream(b"", self.service.background.stream(answer.id, -1)) if body.get("stream") else Json(started)


def _is_reference(item: Any) -> bool:
    return isinstance(item, Mapping) and item.get("type") == "item_reference"


def _items(body: Mapping[str, Any]) -> list[Any]:
    given = body.get("input") or []
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    return list(given) if isinstance(given, list) else []


class KeptResponses:
    """The routes below ``/v1/responses/{id}``; an id that is not kept here is the model's own server's affair."""

    def __init__(self, service: Service, request: Request, name: str) -> None:
        self._service, self._request, self._name = service, request, name
        self._kept = service.kept.get(name)

    async def retrieve(self) -> Response:
        """Return the response as it is now, or as a stream of its events."""
        if self._kept is None:
            return await self._relayed()
        query = self._request.query_params
        if query.get("stream", "").lower() not in ("true", "1"):
            return Json(self._kept.response)
        if not self._kept.response["background"]:
            raise refused("stream: only a response made with background: true is streamed again", "stream")
        after = query.get("starting_after", "-1")
        if not re.fullmatch(r"-?\d{1,12}", after):
            raise refused(f"starting_after: {after[:100]!r} is no event's number", "starting_after")
        return Stream(b"", self._service.background.stream(self._name, int(after)))

    async def cancel(self) -> Response:
        """End the work on the response; a response that is done stays as it is."""
        if self._kept is None:
            return await self._relayed("/cancel")
        if not self._kept.response["background"]:
            raise refused("only a response made with background: true can be cancelled", "response_id")
        await self._service.background.cancel(self._name)
        return Json((self._service.kept.get(self._name) or self._kept).response)

    async def delete(self) -> Response:
        """Delete it."""
        if self._kept is None:
            return await self._relayed()
        await self._service.background.cancel(self._name)
        await self._service.kept.delete(self._name)
        return Json({"id": self._name, "object": "response", "deleted": True})

    async def items(self) -> Response:
        """List what was its input, the newest item first unless ``order=asc``."""
        if self._kept is None:
            return await self._relayed("/input_items")
        query = self._request.query_params
        items = [{"id": f"item_{place}", **item} for place, item in enumerate(self._kept.request["items"])]
        items = items if query.get("order") == "asc" else items[::-1]
        names = [item["id"] for item in items]
        start = names.index(query["after"]) + 1 if query.get("after") in names else 0
        limit = query.get("limit", "20")
        end = start + (min(int(limit), _MOST_ITEMS) if limit.isdigit() else 20)
        first, last = (names[start], names[min(end, len(items)) - 1]) if items[start:end] else (None, None)
        ends = {"first_id": first, "last_id": last, "has_more": end < len(items)}
        return Json({"object": "list", "data": items[start:end], **ends})

    async def _relayed(self, more: str = "") -> Response:
        missing = APIError(404, f"no response {self._name[:100]!r} is kept here", param="response_id")
        if not _NAME.fullmatch(self._name):
            raise missing
        request = self._request
        query = f"?{request.url.query}" if request.url.query else ""
        body = parse(await request.body() or b"{}") if request.method == "POST" else None
        try:
            path = f"responses/{self._name}{more}{query}"
            return await passed_on(self._service, request, path, body, generates=False)
        except NoRoute:
            raise missing from None
