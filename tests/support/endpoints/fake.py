"""A small endpoint in a thread, with known delays and ways to fail.

The `mode` of a fake says what a request gets; a list gives the requests their modes in turn.
"""

import asyncio
import json
import threading
import time
from contextlib import contextmanager

from aiohttp import web

DONE = b"data: [DONE]\n\n"


class Fake:
    """The endpoint's behaviour, and what it has seen."""

    def __init__(self, mode="good", first_s=0.0, token_s=0.0):
        self.modes, self.first_s, self.token_s = [mode] if isinstance(mode, str) else list(mode), first_s, token_s
        self.url, self.bodies, self.headers, self.arrived_s = "", [], [], []
        self.present = self.most_present = 0
        self.ended = 0  # requests whose connection the client has left or that got everything

    async def answer(self, request):
        """Answer one request in its mode."""
        self.arrived_s.append(time.monotonic())
        mode = self.modes[len(self.bodies) % len(self.modes)]
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.json())
        self.present += 1
        self.most_present = max(self.most_present, self.present)
        try:
            return await getattr(self, mode)(request, self.bodies[-1]["max_tokens"])
        finally:
            self.present -= 1
            self.ended += 1

    async def good(self, request, tokens):
        """Send all tokens, the usage and the end."""
        response = await self._tokens(request, tokens)
        await self._event(response, {"choices": [{"text": "", "finish_reason": "length"}]})
        await self._event(response, {"choices": [], "usage": {"completion_tokens": tokens}})
        await response.write(DONE)
        return response

    async def without_usage(self, request, tokens):
        """Send all tokens and the end."""
        response = await self._tokens(request, tokens)
        await response.write(DONE)
        return response

    async def in_pairs(self, request, tokens):
        """Send two tokens an event, with comments, names and carriage returns."""
        response = await self._begin(request)
        for n in range(0, tokens, 2):
            event = {"choices": [{"text": " a b"}], "usage": {"completion_tokens": n + 2}}
            await response.write(f": ping\r\nevent: message\r\ndata: {json.dumps(event)}\r\n\r\n".encode())
        await response.write(DONE)
        return response

    async def in_bytes(self, request, tokens):
        """Send an answer byte for byte."""
        response = await self._begin(request)
        event = f"data: {json.dumps({'choices': [{'text': 'ä'}]}, ensure_ascii=False)}\n\n".encode()
        for byte in event * tokens + DONE:
            await response.write(bytes([byte]))
        return response

    async def short(self, request, tokens):
        """Send half of the tokens, and say that this is all."""
        return await self.good(request, tokens // 2)

    async def long(self, request, tokens):
        """Send twice the tokens."""
        return await self.good(request, 2 * tokens)

    async def endless(self, request, tokens):
        """Send tokens until the client leaves."""
        return await self._tokens(request, 1_000_000)

    async def busy(self, request, tokens):
        """Answer with status 429 and a message."""
        return web.json_response({"error": {"message": "Slow down,\nplease"}}, status=429)

    async def broken(self, request, tokens):
        """Answer with status 500 and a page."""
        return web.Response(status=500, text="<html>\n<h1>Oh</h1>")

    async def moved(self, request, tokens):
        """Answer with a redirection to another address."""
        return web.Response(status=307, headers={"Location": f"{self.url}/elsewhere"})

    async def repeats_key(self, request, tokens):
        """Answer with status 401 and the key, as some endpoints do."""
        return web.json_response({"error": {"message": f"unknown key {request.headers['Authorization']}"}}, status=401)

    async def nonsense(self, request, tokens):
        """Send an event that is no completion."""
        response = await self._tokens(request, 1)
        await response.write(b"data: {cats: }\n\n")
        return response

    async def chat(self, request, tokens):
        """Send the event of another kind of API."""
        response = await self._begin(request)
        await self._event(response, {"choices": [{"delta": {"content": "hello"}}]})
        return response

    async def page(self, request, tokens):
        """Send a page instead of events."""
        return web.Response(text="<html>welcome</html>", content_type="text/html")

    async def nothing(self, request, tokens):
        """Send an answer without content."""
        return web.Response(text="")

    async def error_event(self, request, tokens):
        """Send an error after a token."""
        response = await self._tokens(request, 1)
        await self._event(response, {"error": {"message": "out of memory"}})
        return response

    async def silent(self, request, tokens):
        """Accept the request and say nothing."""
        await asyncio.sleep(3600)

    async def falls_silent(self, request, tokens):
        """Send two tokens and nothing more."""
        await self._tokens(request, 2)
        await asyncio.sleep(3600)

    async def drops(self, request, tokens):
        """Send two tokens and close the connection."""
        response = await self._tokens(request, 2)
        request.transport.close()
        return response

    async def drops_at_once(self, request, tokens):
        """Close the connection without an answer."""
        request.transport.close()
        return web.Response()

    async def ends_early(self, request, tokens):
        """End the answer in the middle of an event."""
        response = await self._tokens(request, 1)
        await response.write(b'data: {"choices": [{"te')
        return response

    async def _tokens(self, request, tokens):
        """Send tokens with the fake's delays; return the response that goes on."""
        response = await self._begin(request, wait_s=self.first_s)
        for n in range(tokens):
            await self._event(response, {"choices": [{"text": " word", "finish_reason": None}]})
            if n < tokens - 1:
                await asyncio.sleep(self.token_s)
        return response

    async def _begin(self, request, wait_s=0.0):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await asyncio.sleep(wait_s)
        return response

    async def _event(self, response, content):
        await response.write(f"data: {json.dumps(content)}\n\n".encode())


@contextmanager
def serving(fake):
    """Serve a fake on a port of this machine, in a thread."""
    loop, started = asyncio.new_event_loop(), threading.Event()

    async def run(stop):
        app = web.Application()
        app.router.add_post("/v1/completions", fake.answer)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        started.set()
        await stop.wait()
        await runner.cleanup()

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(run(stop),), daemon=True)
    thread.start()
    try:
        assert started.wait(10)
        yield fake
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
