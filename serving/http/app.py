"""The routes of the API on aiohttp."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from serving.http.answers import Answer, event_of, listed_model
from serving.http.completion import completion_of, require_model
from serving.http.errors import ApiError
from serving.http.front import Front

LARGEST_BODY_BYTES = 2**24
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def app_of(front: Front) -> web.Application:
    """Return the application of a front."""
    app, api = web.Application(client_max_size=LARGEST_BODY_BYTES, middlewares=[_errors]), Api(front)
    app.router.add_post("/v1/completions", api.completions)
    app.router.add_get("/v1/models", api.models)
    app.router.add_get("/v1/models/{name:.+}", api.model)
    app.router.add_get("/health", api.health)
    app.router.add_get("/metrics", api.metrics)
    return app


class Api:
    """The handlers of the routes."""

    def __init__(self, front: Front) -> None:
        self._front, self._created = front, int(time.time())

    async def completions(self, request: web.Request) -> web.StreamResponse:
        """Answer with a completion, in events or as a whole."""
        completion = completion_of(await _json(request), self._front.model)
        answer = Answer(self._front.model, completion)
        async with aclosing(self._front.tokens(completion)) as tokens:
            if completion.stream:
                return await _stream(request, answer, tokens)
            return web.json_response(answer.whole([token async for token in tokens]))

    async def models(self, request: web.Request) -> web.Response:
        """Answer with the list of models, which has one."""
        return web.json_response({"object": "list", "data": [self._listed()]})

    async def model(self, request: web.Request) -> web.Response:
        """Answer with the model if it has the asked name."""
        require_model(request.match_info["name"], self._front.model)
        return web.json_response(self._listed())

    async def health(self, request: web.Request) -> web.Response:
        """Answer whether a path through all blocks remains."""
        if not self._front.orchestrator.has_path:
            raise ApiError(503, "no path: servers were lost, and the others cannot run every block")
        return web.json_response({"status": "ok"})

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer with all metrics."""
        return web.Response(body=self._front.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _listed(self) -> dict[str, Any]:
        return listed_model(self._front.model, self._created)


async def _stream(request: web.Request, answer: Answer, tokens: AsyncIterator[int]) -> web.StreamResponse:
    """Answer with an event for each token.

    The status is sent with the first token, so that a request that fails before it gets the status of its error. A
    later failure is an event without the end of the stream.
    """
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    count = 0
    try:
        async for token in tokens:
            if count == 0:
                await response.prepare(request)
            count += 1
            await response.write(answer.event(token, count))
    except ApiError as error:
        if count == 0:
            raise
        await response.write(event_of(error.body()))
    else:
        await response.write(answer.end())
    await response.write_eof()
    return response


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors as the API does."""
    try:
        return await handler(request)
    except ApiError as error:
        return web.json_response(error.body(), status=error.status)
    except web.HTTPException as error:
        words = {404: f"Unknown request URL: {request.method} {request.path}", 413: "body: is too large"}
        body = ApiError(error.status, words.get(error.status, error.reason)).body()
        return web.json_response(body, status=error.status)


async def _json(request: web.Request) -> Any:
    """Return the JSON of a request's body; raise `ApiError` if it is none."""
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "body: must be a JSON object") from error
