"""All chains of a composition as processes of llama.cpp on this machine.

Each server of a chain is an RPC server, each chain a llama-server before them. A chain starts twice: a rehearsal logs
where its layers lie and ends before it loads them, and the run itself logs little.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving.endpoint.endpoint import Endpoint
from serving.engines.llamacpp.binaries import find_binaries
from serving.engines.llamacpp.gguf_model import model_facts, write_random_model
from serving.engines.llamacpp.plans import chain_plans, require_model, written_decoder
from serving.engines.llamacpp.processes import HERE, Child, Children
from serving.engines.llamacpp.settings import LlamaCpp
from serving.engines.llamacpp.starter import Starter
from system.layout import Layout

# Of each request: no prompt is remembered, and an answer has all its tokens, the most likely ones.
REQUEST_OPTIONS = {"cache_prompt": False, "ignore_eos": True, "temperature": 0.0}


@dataclass(frozen=True)
class Chains:
    """The running chains of a composition, in its order.

    `placement` has the layers by server of each chain, as llama.cpp logged them.
    """

    endpoints: tuple[Endpoint, ...]
    placement: tuple[Mapping[str, tuple[int, ...]], ...]
    vocabulary_size: int
    processes: Sequence[Sequence[Child]]  # of each chain, those first that the others need

    def failure(self, k: int) -> str | None:
        """Return why chain k can serve no more, or None.

        The sentence names the process that ended first.
        """
        return next((sentence for child in self.processes[k] if (sentence := child.failure())), None)

    def failed(self) -> str | None:
        """Return the sentence of a dead process of any chain, or None."""
        return next((sentence for k in range(len(self.processes)) if (sentence := self.failure(k))), None)


@contextmanager
def start(layout: Layout, settings: LlamaCpp) -> Iterator[Chains]:
    """Start all chains of a layout, and end their processes with the block.

    Raises `NotApplicableError` for a layout that llama.cpp cannot serve, and `InputError` with the reason if a program
    is missing, a process does not start, or a layer does not lie where the layout says.
    """
    emulates_rtt = settings.emulate == "rtt"
    plans = chain_plans(layout, emulates_rtt)
    binaries = find_binaries(settings.llama_server, settings.rpc_server)
    with tempfile.TemporaryDirectory(prefix="llamacpp_") as scratch:
        model = Path(settings.model_file or _written_model(layout, Path(scratch)))
        facts = model_facts(model)
        require_model(layout.system.model, facts, model)
        logs = Path(settings.logs or scratch)
        logs.mkdir(parents=True, exist_ok=True)
        with Children(logs, settings.start_s) as children:
            starter = Starter(binaries, settings, str(model), layout.system.model.cache_tokens, children)
            lines, relays = starter.lines(plans, starter.rpc_servers(plans)), []
            if emulates_rtt:
                lines, child = starter.behind_relay(lines)
                relays.append(child)
            placement, hosts = starter.rehearse(lines), starter.hosts(lines)
            yield Chains(
                tuple(Endpoint(f"http://{HERE}:{host.port}/v1", options=REQUEST_OPTIONS) for host in hosts),
                placement,
                facts.vocabulary_size,
                [
                    [*(server.child for server in line.servers), *relays, host.child]
                    for line, host in zip(lines, hosts, strict=True)
                ],
            )


def _written_model(layout: Layout, folder: Path) -> Path:
    """Write a model of random weights in the shape of a layout's model."""
    file = folder / "model.gguf"
    write_random_model(file, written_decoder(layout.system.model))
    return file
