"""Recommendations over HTTP: the answers of `recsys_cl.serving.answer`, and short JSON for whatever cannot be answered."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recsys_cl.core.errors import Refused
from recsys_cl.core.version import VERSION
from recsys_cl.serving.answer import DEFAULT_K
from recsys_cl.serving.live import Live
from recsys_cl.serving.meter import Meter
from recsys_cl.serving.question import Limits, make_question, read_question
from recsys_cl.serving.reply import alike, lists

PATHS = ("/recommend", "/similar", "/health", "/metrics")
_LONGEST_MESSAGE = 300

Ids = Annotated[list[str], Query()]


def make_app(live: Live, limits: Limits | None = None) -> FastAPI:
    """The service over ``live``; it keeps no state of its own but its meter."""
    bounds, meter = limits or Limits(), Meter(PATHS)
    app = FastAPI(title="recsys_cl", version=VERSION, docs_url=None, redoc_url=None)  # their pages load foreign scripts
    app.add_middleware(Timed, meter=meter)
    _explain_errors(app)

    @app.get("/recommend")
    def recommend(user_id: Ids, k: int = DEFAULT_K) -> JSONResponse:
        """The best items of each user; users the model does not know get the popular ones, marked so."""
        return JSONResponse(lists(live.served, make_question(user_id, k, "user_id", bounds)))

    @app.post("/recommend", openapi_extra=_body("user_id"))
    async def recommend_many(request: Request) -> JSONResponse:
        """The same for many users, or for people known only by their histories."""
        question = read_question(await _receive(request, bounds), "user_id", bounds)
        return JSONResponse(await run_in_threadpool(lists, live.served, question))

    @app.get("/similar")
    def similar(item_id: Ids, k: int = DEFAULT_K) -> JSONResponse:
        """The items most like each item, by the cosine of their vectors."""
        return JSONResponse(alike(live.served, make_question(item_id, k, "item_id", bounds)))

    @app.post("/similar", openapi_extra=_body("item_id"))
    async def similar_many(request: Request) -> JSONResponse:
        """The same for many items."""
        question = read_question(await _receive(request, bounds), "item_id", bounds)
        return JSONResponse(await run_in_threadpool(alike, live.served, question))

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Alive, with which model; ``trouble`` says why the alias could not be followed, when it could not."""
        served = live.served
        sizes = {"users": len(served.bundle.user_ids), "items": len(served.bundle.item_ids)}
        return {"status": "ok", "model": served.model, **sizes, "trouble": bool(live.trouble)}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> str:
        """Counts and latencies for Prometheus."""
        return meter.text({"reloads": live.reloads, "reload_failures": live.failures}, live.served.model)

    return app


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

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return _say(400, f"{first['loc'][-1]}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def known(_request: Request, error: HTTPException) -> JSONResponse:
        return _say(error.status_code, str(error.detail))

    @app.exception_handler(Exception)
    async def unknown(_request: Request, _error: Exception) -> JSONResponse:
        return _say(500, "internal error")  # the server's log has the rest


def _say(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message[:_LONGEST_MESSAGE]}, status)


def _body(name: str) -> dict[str, Any]:
    """What OpenAPI says of a body that is read by hand, so that its limits come first."""
    ids = {"type": "array", "items": {"type": "string"}}
    properties: dict[str, Any] = {f"{name}s": ids, "k": {"type": "integer", "default": DEFAULT_K}}
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if name == "user_id":  # either is enough
        properties["histories"] = {"type": "array", "items": {"anyOf": [ids, {"type": "null"}]}}
        schema["anyOf"] = [{"required": ["user_ids"]}, {"required": ["histories"]}]
    else:
        schema["required"] = [f"{name}s"]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
