"""The front as a whole: servers, the orchestrator in a thread of its own, and the API in this one."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import numpy as np
import torch
from aiohttp import web

from evaluators.admission.requests import RequestAdmission
from serving.blocks.supported import vocabulary_size
from serving.http.app import app_of
from serving.http.completion import Model
from serving.http.front import Front
from serving.http.layout import Deployment
from serving.http.metrics import Metrics
from serving.orchestrator.live import LiveJobs
from serving.run import orchestrated
from serving.server.model import embedding_and_head_of
from serving.server.spec import ServerSpec
from serving.settings import RunSettings
from system import InputError
from workloads.jobs import Jobs

GOODBYE_S = 1.0  # open answers may take this long to be written once the front stops


def serve_http(deployment: Deployment, settings: RunSettings, host: str, port: int, most: int) -> None:
    """Serve a deployment's requests over HTTP until Ctrl-C.

    At most `most` are open at once. Raises `InputError` if the servers cannot start, if the address cannot be listened
    on, or if the rule is broken.
    """
    with started(deployment, settings, most) as front:
        asyncio.run(_serve(front, host, port))


@contextmanager
def started(deployment: Deployment, settings: RunSettings, most: int) -> Iterator[Front]:
    """Start a deployment's servers, and yield a front that does not listen yet."""
    torch.set_num_threads(settings.threads)
    composition, service = deployment.composition, deployment.service
    spec = next(iter(settings.specs(composition, service).values()))
    admission, head = RequestAdmission(composition, _jobs(most)), embedding_and_head_of(spec)
    with orchestrated(composition, admission, settings, service, head) as orchestrator:
        live = LiveJobs(orchestrator, admission, most, np.random.default_rng())
        try:
            metrics = Metrics(orchestrator, composition.capacity.tolist())
            yield Front(_model(spec), orchestrator, live, metrics, most)
        finally:
            live.release()


def _jobs(most: int) -> Jobs:
    """Return jobs that stand for those to come; only their number counts."""
    return Jobs(np.zeros(most), np.ones(most), np.ones((1, 2)), np.zeros(most))


def _model(spec: ServerSpec) -> Model:
    name = spec.decoder.name if spec.checkpoint is None else Path(spec.checkpoint).resolve().name
    return Model(name, vocabulary_size(spec.decoder), spec.cache_tokens, has_text=spec.checkpoint is None)


async def _serve(front: Front, host: str, port: int) -> None:
    """Serve until this task is cancelled; raise the error that ends the orchestrator."""
    async with listening(front, host, port) as (address, ended):
        sys.stdout.write(f"serving {front.model.name} at {address}/v1 until Ctrl-C\n")
        sys.stdout.flush()
        await ended


@asynccontextmanager
async def listening(front: Front, host: str, port: int) -> AsyncIterator[tuple[str, asyncio.Future[None]]]:
    """Run the orchestrator in a thread, and listen.

    Yields the address, and a future that ends as the orchestrator does. Raises `InputError` if the address cannot be
    listened on.
    """
    runner = web.AppRunner(app_of(front), handler_cancellation=True, shutdown_timeout=GOODBYE_S)
    with ThreadPoolExecutor(1) as threads:
        ended = asyncio.get_running_loop().run_in_executor(threads, front.live.serve)
        try:
            await runner.setup()
            await _listen(runner, host, port)
            yield "http://{}:{}".format(*runner.addresses[0][:2]), ended
        finally:
            await runner.cleanup()
            front.live.close()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(f"port = {port}: cannot listen on {host} ({reason}); choose another port or host") from error
