"""The commands of docs/endpoints.md run as they stand, against an endpoint that the test starts."""

import pytest

from tests.support.pages import run_block, runnable
from tests.support.project import NEEDS_ENGINES

pytest.importorskip("aiohttp", reason=NEEDS_ENGINES)

from tests.support.endpoints.fake import Fake, serving

BLOCKS = list(runnable("docs/endpoints.md"))


def test_there_are_blocks():
    assert [block.language for block in BLOCKS] == ["sh", "sh", "python"]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.text.splitlines()[-1][:40])
def test_a_block_runs_against_an_endpoint(project, monkeypatch, block):
    fake = Fake(token_s=0.002)
    with serving(fake):
        monkeypatch.setenv("CHAIN_ENDPOINT_URL", fake.url)
        output = run_block(project, block)
    assert "failed" not in output.replace("failed_jobs", "")
    if "-m " in block.text:
        assert fake.most_present == 4  # the points do not run beside each other
        assert len(fake.bodies) == 3 * 12
    elif block.language == "sh":
        assert "output_tokens_per_s" in output
        assert len(fake.bodies) == 20
    else:
        assert output.startswith("8 served,")
