"""The parts of the Responses API beyond one request and its answer: kept responses, and work in the background."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from selfagg.server.background import KeptResponse
from selfagg.server.disconnect import Stream
from selfagg.server.errors import APIError, Json, refused
from selfagg.server.exchange import Exchange
from selfagg.server.passthrough import NoRoute, passed_on
from selfagg.server.plan import DeliberationPlan
from selfagg.server.protocols import Api
from selfagg.server.protocols.responses import ResponsesApi
from selfagg.server.requests import Body, parse

if TYPE_CHECKING:
    from selfagg.server.service import Service

_ITEM: Final = re.compile(r"(?:rs|msg|fc)_([0-9a-f]{48})\d+")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MOST_ITEMS: Final = 100
_WITHOUT: Final = "this server keeps no conversations: start it with --record FILE, or send the whole one as input"


class ResponsesExchange(Exchange):
    """``POST /v1/responses``."""

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

    def begun(self, body: Body) -> Api:
        kept = body.get("store") is not False
        if body.get("background") and not kept:
            raise refused("store: a response in the background has to be kept", "store")
        return super().begun({**body, "store": kept})

    async def keep(self, answer: Api, body: Body) -> None:
        response = _response(answer)
        if response["store"]:
            await self.service.kept.put(self._request(body), response)

    def _request(self, body: Body, chat: Body | None = None) -> dict[str, Any]:
        """Return the part of a request that is kept: nothing in memory, where conversations would pile up."""
        if self.service.deliberator.record is None:
            return {"items": []}
        return {"items": _items(body), **({"chat": chat} if chat else {})}

    async def deliberated(self, answer: Api, body: Body, plans: list[DeliberationPlan], place: ExitStack) -> Response:
        if not body.get("background"):
            return await super().deliberated(answer, body, plans, place)
        request = self._request(body, plans[0].chat)
        with place.pop_all() as leave:  # its place is free when the work has ended
            started = await self.service.background.start(_response(answer), request, plans[0], leave)
        return Stream(b"", self.service.background.stream(answer.id, -1)) if body.get("stream") else Json(started)


def _response(answer: Api) -> dict[str, Any]:
    assert isinstance(answer, ResponsesApi)  # noqa: S101 - no other API comes here
    return answer.events.response


def _is_reference(item: Any) -> bool:
    return isinstance(item, Mapping) and item.get("type") == "item_reference"


def _items(body: Body) -> list[Any]:
    given = body.get("input") or []
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    return list(given) if isinstance(given, list) else []


# -- the routes below ``/v1/responses/{id}``


async def of_kept(service: Service, request: Request, name: str, more: str, answer: Answer) -> Response:
    """Answer a request about a response; an id that is not kept here is the model's own server's affair."""
    if kept := service.kept.get(name):
        return await answer(service, request.query_params, kept)
    missing = APIError(404, f"no response {name[:100]!r} is kept here", param="response_id")
    if not _NAME.fullmatch(name):
        raise missing
    query = f"?{request.url.query}" if request.url.query else ""
    body = parse(await request.body() or b"{}") if request.method == "POST" else None
    try:
        return await passed_on(service, request, f"responses/{name}{more}{query}", body, generates=False)
    except NoRoute:
        raise missing from None


async def retrieve_response(service: Service, query: QueryParams, kept: KeptResponse) -> Response:
    """Return a kept response; with ``stream=true`` its events after number ``starting_after``."""
    if query.get("stream", "").lower() not in ("true", "1"):
        return Json(kept.response)
    if not kept.response["background"]:
        raise refused("stream: only a response made with background: true is streamed again", "stream")
    after = query.get("starting_after", "-1")
    if not re.fullmatch(r"-?\d{1,12}", after):
        raise refused(f"starting_after: {after[:100]!r} is no event's number", "starting_after")
    return Stream(b"", service.background.stream(kept.id, int(after)))


async def cancel_response(service: Service, _: QueryParams, kept: KeptResponse) -> Response:
    """End the work on a response in the background; one that is done stays as it is."""
    if not kept.response["background"]:
        raise refused("only a response made with background: true can be cancelled", "response_id")
    await service.background.cancel(kept.id)
    return Json((service.kept.get(kept.id) or kept).response)


async def delete_response(service: Service, _: QueryParams, kept: KeptResponse) -> Response:
    """Delete a kept response."""
    await service.background.cancel(kept.id)
    await service.kept.delete(kept.id)
    return Json({"id": kept.id, "object": "response", "deleted": True})


async def list_input_items(_: Service, query: QueryParams, kept: KeptResponse) -> Response:
    """List the items that a kept response answers, the newest first unless ``order=asc``."""
    items = [{"id": f"item_{place}", **item} for place, item in enumerate(kept.request["items"])]
    items = items if query.get("order") == "asc" else items[::-1]
    names, limit = [item["id"] for item in items], query.get("limit", "20")
    start = names.index(query["after"]) + 1 if query.get("after") in names else 0
    end = start + (min(int(limit), _MOST_ITEMS) if limit.isdigit() else 20)
    shown = names[start:end] or [None]
    ends = {"first_id": shown[0], "last_id": shown[-1], "has_more": end < len(items)}
    return Json({"object": "list", "data": items[start:end], **ends})


Answer = Callable[["Service", QueryParams, KeptResponse], Awaitable[Response]]

KEPT_ROUTES: Final[Mapping[tuple[str, str], Answer]] = {
    ("GET", ""): retrieve_response,
    ("POST", "/cancel"): cancel_response,
    ("DELETE", ""): delete_response,
    ("GET", "/input_items"): list_input_items,
}
