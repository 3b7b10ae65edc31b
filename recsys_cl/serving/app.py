"""Recommendations over HTTP: the answers of `recsys_cl.serving.answer`, and short JSON for whatever cannot be answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.version import VERSION
from recsys_cl.serving import openapi
from recsys_cl.serving.live import Live
from recsys_cl.serving.meter import CONTENT_TYPE, Meter
from recsys_cl.serving.question import Limits, Question, read_query, read_question
from recsys_cl.serving.reply import alike, lists
from recsys_cl.serving.together import Together

PATHS = ("/recommend", "/similar", "/health", "/metrics")
_LONGEST_MESSAGE = 300
_FEW = 16  # people of a question that is answered together with others; a larger one would make them wait

Answer = Callable[[Question], Awaitable[dict[str, Any]]]


def make_app(live: Live, limits: Limits | None = None) -> FastAPI:
    """The service over ``live``; it keeps no state of its own but its meter."""
    bounds, meter = limits or Limits(), Meter(PATHS)
    app = FastAPI(title="recsys_cl", version=VERSION, docs_url=None, redoc_url=None)  # their pages load foreign scripts
    app.add_middleware(Timed, meter=meter)
    _explain_errors(app)
    together: Together[Question, dict[str, Any]] = Together(lambda questions: lists(live.served, questions))

    async def recommended(question: Question) -> dict[str, Any]:
        if len(question.ids) <= _FEW and not question.ruled:
            return await together.ask(question)
        return (await run_in_threadpool(lists, live.served, [question]))[0]

    async def similar(question: Question) -> dict[str, Any]:
        return (await run_in_threadpool(alike, live.served, [question]))[0]

    _offer(app, "/recommend", "user_id", "The best items of each user; strangers get the popular ones.", bounds, recommended)
    _offer(app, "/similar", "item_id", "The items most like each item, by the cosine of their vectors.", bounds, similar)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Alive, with which model; ``trouble`` says why the alias could not be followed, when it could not."""
        served = live.served
        sizes = {"users": len(served.bundle.user_ids), "items": len(served.bundle.item_ids)}
        return {"status": "ok", "model": served.model, **sizes, "trouble": bool(live.trouble)}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        """Counts and latencies for Prometheus."""
        gauges = {"reloads": live.reloads, "reload_failures": live.failures}
        return PlainTextResponse(meter.text(gauges, live.served.model), media_type=CONTENT_TYPE)

    return app


def _offer(app: FastAPI, path: str, name: str, summary: str, limits: Limits, answer: Answer) -> None:
    """One question by GET, with ids in the query, and by POST, with ids in a JSON body."""

    async def by_query(request: Request) -> JSONResponse:
        return JSONResponse(await answer(read_query(request.query_params.multi_items(), name, limits)))

    async def by_body(request: Request) -> JSONResponse:
        return JSONResponse(await answer(read_question(await _receive(request, limits), name, limits)))

    for method, handler, said in (("GET", by_query, openapi.query), ("POST", by_body, openapi.body)):
        operation = f"{path[1:]}_{handler.__name__}"
        app.add_api_route(
            path, handler, methods=[method], summary=summary, operation_id=operation, openapi_extra=said(name, limits)
        )


class Timed:
    """Tells the meter of every request, whoever answers it."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self.app, self.meter = app, meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and time it until its answer is sent."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            self.meter.record(scope["path"], status, time.perf_counter() - start)


async def _receive(request: Request, limits: Limits) -> bytes:
    """The body, read no further than its limit; a compressed one is not unpacked."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415, "a compressed body is not read")
    body = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.body:
                    raise HTTPException(413, f"a body has at most {limits.body} bytes")
    except TimeoutError:
        raise HTTPException(408, f"the body took longer than {limits.seconds:g} s") from None
    return bytes(body)


def _explain_errors(app: FastAPI) -> None:
    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Refused) -> JSONResponse:
        return _say(400, str(error))

    @app.exception_handler(HTTPException)
    async def known(request: Request, error: HTTPException) -> JSONResponse:
        path, detail = request.url.path[:100], str(error.detail)
        if error.status_code == 404:
            detail = f"nothing at '{path}'; {nearest(path, PATHS)}"
        elif error.status_code == 405:
            detail = f"'{path}' takes {(error.headers or {}).get('Allow', 'GET')}, not {request.method[:10]}"
        return _say(error.status_code, detail)

    @app.exception_handler(Exception)
    async def unknown(_request: Request, _error: Exception) -> JSONResponse:
        return _say(500, "internal error")  # the server's log has the rest


def _say(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message[:_LONGEST_MESSAGE]}, status)
