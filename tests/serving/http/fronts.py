"""Fronts of small models for tests, and what their clients need."""

import asyncio
import json
from contextlib import asynccontextmanager, contextmanager

import aiohttp
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from serving.http.completion import Model
from serving.http.front import Front
from serving.http.metrics import Metrics
from serving.http.run import listening
from serving.orchestrator.live import LiveJobs
from tests.support import small_run
from tests.support.small_models import LLAMA

MODEL = Model("small_llama", LLAMA.vocabulary_size, small_run.CACHE_TOKENS, has_text=True)


@contextmanager
def small_front(specs=None, most=200, wrap=lambda connections: connections, **settings):
    """Start the servers of `small_run` in this process and yield a front over them."""
    with small_run.started("local", specs or small_run.specs()[:2]) as servers:
        connections = wrap(servers.connections)
        admission = small_run.admission_of(connections, most=most)
        orchestrator = small_run.orchestrator(connections, admission=admission, **settings)
        live = LiveJobs(orchestrator, admission, most, np.random.default_rng(0))
        capacities = [small_run.CAPACITY] * (len(connections) - 1)
        yield Front(MODEL, orchestrator, live, Metrics(orchestrator, capacities), most)
        live.release()


@asynccontextmanager
async def client_of(front):
    """Listen for a front and yield a client's session with its address."""
    async with listening(front, "127.0.0.1", 0) as (address, _), aiohttp.ClientSession(address) as session:
        yield session


def with_client(front, scenario):
    """Run a function of a session against a front; return its result."""

    async def run():
        async with client_of(front) as session, asyncio.timeout(60):
            return await scenario(session)

    return asyncio.run(run())


def body(request, **fields):
    """Return the body of a completion for a request of `small_run`."""
    return {"model": MODEL.name, "prompt": request.prompt.tolist(), "max_tokens": request.output_tokens, **fields}


async def complete(session, **fields):
    """Return the status and the JSON of a completion that does not stream."""
    async with session.post("/v1/completions", json=fields) as response:
        return response.status, await response.json()


async def events(response):
    """Yield the JSON of each event of a stream, and `None` for its end."""
    async for line in response.content:
        if line.strip():
            data = line.decode().removeprefix("data: ").strip()
            yield None if data == "[DONE]" else json.loads(data)


async def values(session):
    """Return the front's metrics by name, and label if there is one."""
    async with session.get("/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


async def until(session, condition):
    """Wait until a condition of the metrics holds, and return the metrics."""
    while not condition(now := await values(session)):
        await asyncio.sleep(0.01)
    return now
