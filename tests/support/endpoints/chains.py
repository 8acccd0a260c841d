"""Chains of llama.cpp that are fake endpoints."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from serving.endpoint.endpoint import Endpoint
from serving.engines.llamacpp import fleet
from tests.support.endpoints.fake import Fake, serving

VOCABULARY = 300


@contextmanager
def fake_llamacpp(*fakes: Fake) -> Iterator[None]:
    """Let chain k be the k-th endpoint, and further chains the last one."""
    fakes = fakes or (Fake(),)

    @contextmanager
    def start(layout, settings):
        urls = [fakes[min(k, len(fakes) - 1)].url for k in range(len(layout.composition()))]
        nothing = ((),) * len(urls)
        yield fleet.Chains(tuple(Endpoint(url) for url in urls), ({},) * len(urls), VOCABULARY, nothing)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fleet, "start", start)
        with _all_serving(fakes):
            yield


@contextmanager
def _all_serving(fakes: tuple[Fake, ...]) -> Iterator[None]:
    if not fakes:
        yield
        return
    with serving(fakes[0]), _all_serving(fakes[1:]):
        yield
