"""The parts of the Responses API beyond one request and its answer: kept responses, and work in the background."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from selfagg.server.background import Background
from selfagg.server.disconnect import Stream
from selfagg.server.errors import APIError, Json, refused
from selfagg.server.exchange import EVENTS, Exchange, relayed
from selfagg.server.kept import KeptResponse
from selfagg.server.passthrough import NoRoute
from selfagg.server.plan import DeliberationPlan
from selfagg.server.protocols import Head, ResponsesApi
from selfagg.server.protocols.responses import response_of
from selfagg.server.service import Service

_ITEM: Final = re.compile(r"(?:rs|msg|fc)_([0-9a-f]{48})\d+")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MOST_ITEMS: Final = 100
_WITHOUT = "this server keeps no conversations: start it with --record FILE, or send the whole conversation as input"


class ResponsesExchange(Exchange):
    """``POST /v1/responses``."""

    def __init__(self, service: Service, request: Request) -> None:
        super().__init__(service, request, ResponsesApi())

    def passes(self, body: Mapping[str, Any]) -> bool:
        return not body.get("background")  # what outlives its connection is answered here

    def prepared(self, body: dict[str, Any], *, plain: bool) -> dict[str, Any]:
        """Return the request with the conversation before it, which is kept here, in its input.

        Raises:
            APIError: It is not kept here, and no other server can have it.
        """
        previous, given = body.get("previous_response_id"), body.get("input")
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given or []
        if not isinstance(items, list) or not (isinstance(previous, str) or _refers(items)):
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
        if not isinstance(item, Mapping) or item.get("type") != "item_reference":
            return item
        match = _ITEM.fullmatch(str(item.get("id")))
        kept = self.service.kept.get(f"resp_{match[1]}") if match else None
        found = [one for one in kept.response["output"] if one["id"] == item["id"]] if kept else []
        if not found:
            name = str(item.get("id"))[:100]
            raise refused(f"input.{place}: item {name!r} is not kept here: send it whole", f"input.{place}")
        return found[0]

    def head(self, body: Mapping[str, Any]) -> Head:
        kept = body.get("store") is not False
        if body.get("background") and not kept:
            raise refused("store: a response in the background has to be kept", "store")
        return super().head({**body, "store": kept})

    async def keep(self, head: Head, body: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        if head.body["store"]:
            await self.service.kept.put(head.id, self._request(body), answer)

    def _request(self, body: Mapping[str, Any], chat: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the part of a request that is kept: nothing in memory, where conversations would pile up."""
        if self.service.deliberator.record is None:
            return {"items": []}
        return {"items": _items(body), **({"chat": chat} if chat else {})}

    async def deliberated(
        self,
        head: Head,
        body: Mapping[str, Any],
        chats: list[dict[str, Any]],
        plans: list[DeliberationPlan],
        place: ExitStack,
    ) -> Response:
        if not head.body.get("background"):
            return await super().deliberated(head, body, chats, plans, place)
        plan, background = plans[0], self.service.background
        request = self._request(body, {**chats[0], "seed": plan.settings.seed})
        leave = place.pop_all()  # its place is free when the work has ended
        try:
            started = await background.start(response_of(head), request, plan, leave.close)
        except BaseException:
            leave.close()
            raise
        if not head.body.get("stream"):
            return Json(started)
        return Stream(b"", background.stream(head.id, -1), headers=EVENTS)


def _refers(items: list[Any]) -> bool:
    return any(isinstance(item, Mapping) and item.get("type") == "item_reference" for item in items)


def _items(body: Mapping[str, Any]) -> list[Any]:
    given = body.get("input") or []
    return [{"type": "message", "role": "user", "content": given}] if isinstance(given, str) else list(given)


class KeptResponses:
    """The routes below ``/v1/responses/{id}``; an id that is not kept here is the model's own server's affair."""

    def __init__(self, service: Service, request: Request, name: str) -> None:
        self._service, self._request, self._name = service, request, name

    @property
    def _background(self) -> Background:
        return self._service.background

    async def retrieve(self) -> Response:
        """Return the response as it is now, or as a stream of its events."""
        if (kept := await self._kept()) is None:
            return await self._relayed()
        query = self._request.query_params
        if query.get("stream", "").lower() not in ("true", "1"):
            return Json(kept.response)
        if not kept.response["background"]:
            raise refused("stream: only a response made with background: true is streamed again", "stream")
        after = query.get("starting_after", "-1")
        if not re.fullmatch(r"-?\d{1,12}", after):
            raise refused(f"starting_after: {after[:100]!r} is no event's number", "starting_after")
        return Stream(b"", self._background.stream(self._name, int(after)), headers=EVENTS)

    async def cancel(self) -> Response:
        """End the work on the response; a response that is done stays as it is."""
        if (kept := await self._kept()) is None:
            return await self._relayed("/cancel")
        if not kept.response["background"]:
            raise refused("only a response made with background: true can be cancelled", "response_id")
        await self._background.cancel(self._name)
        return Json((self._service.kept.get(self._name) or kept).response)

    async def delete(self) -> Response:
        """Delete it."""
        if await self._kept() is None:
            return await self._relayed()
        await self._background.cancel(self._name)
        await self._service.kept.delete(self._name)
        return Json({"id": self._name, "object": "response", "deleted": True})

    async def items(self) -> Response:
        """List what was its input, the newest item first unless ``order=asc``."""
        if (kept := await self._kept()) is None:
            return await self._relayed("/input_items")
        query = self._request.query_params
        items = [{"id": f"item_{place}", **item} for place, item in enumerate(kept.request["items"])]
        items = items if query.get("order") == "asc" else items[::-1]
        names = [item["id"] for item in items]
        start = names.index(query["after"]) + 1 if query.get("after") in names else 0
        limit = query.get("limit", "20")
        shown = items[start : start + (min(int(limit), _MOST_ITEMS) if limit.isdigit() else 20)]
        ends = (
            {"first_id": shown[0]["id"], "last_id": shown[-1]["id"]} if shown else {"first_id": None, "last_id": None}
        )
        more = start + len(shown) < len(items)
        return Json({"object": "list", "data": shown, **ends, "has_more": more})

    async def _kept(self) -> KeptResponse | None:
        return self._service.kept.get(self._name)

    async def _relayed(self, more: str = "") -> Response:
        missing = APIError(404, f"no response {self._name[:100]!r} is kept here", param="response_id")
        if not _NAME.fullmatch(self._name):
            raise missing
        query = f"?{self._request.url.query}" if self._request.url.query else ""
        try:
            return await relayed(self._service, self._request, f"responses/{self._name}{more}{query}")
        except NoRoute:
            raise missing from None
