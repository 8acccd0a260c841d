"""Settings of a real run: how its servers are reached, what they host, and how fast they are made to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from serving.blocks.supported import checkpoint_decoder, supported_preset
from serving.server.spec import DtypeName, Pace, ServerSpec
from system import InputError, NotApplicableError, ServedModel, Servers
from system.checks import (
    require,
    require_at_most,
    require_boolean,
    require_count,
    require_not_negative,
    require_one_of,
    require_positive,
)
from system.layout import Layout
from system.limits import JOBS, THREADS
from system.models.decoder import Decoder
from system.service.model import ServiceModel

Engine = Literal["pipe", "local", "zeromq", "ray"]
Emulate = Literal["nothing", "rtt", "communication"]


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """The options of `conf/evaluator/runtime.yaml` beside those of every report.

    - `engine`: `pipe` starts servers as processes of this machine; `local` runs them in this process; `zeromq` reaches
      running servers at `addresses`, in the servers' order; `ray` lets Ray place them on the cluster whose head is at
      `addresses`.
    - `secret`: the file with the secret that the servers of `zeromq` ask for; by default it is in the environment
      variable CHAIN_SECRET, if they need one.
    - `threads`: threads of the CPU that this process and each server compute on.
    - `weights`: the seed of random weights, or the folder of a checkpoint.
    - `emulate`: delays added to the real transport: `nothing`, `rtt` for the round trips and the bandwidths of the
      network's links, or `communication` for all that the system model counts as communication.
    - `pace`: a server's step lasts at least as long as the service model and the cluster's profile say, so that the
      server imitates that hardware.
    - `reroute`: jobs of a lost server begin again on another path; otherwise they fail.
    - `sm_counts`: multiprocessors of a CUDA device for each server of the cluster (only `engine` = local); if empty,
      all servers share all of them.
    - `cuda_graphs`: one-token steps on a CUDA device are replayed as CUDA graphs.
    - `check_tokens`: number of jobs whose tokens are compared with those of the whole model after the run.
    """

    engine: Engine = "pipe"
    device: str = "cpu"
    dtype: DtypeName = "float32"
    threads: int = 1
    weights: int | str = 0
    emulate: Emulate = "rtt"
    pace: bool = False
    check_tokens: int = 0
    reroute: bool = True
    timeout_s: float = 60.0  # a server that owes answers and is silent for longer is lost
    start_s: float = 300.0  # servers may take this long to load
    addresses: tuple[str, ...] = ()
    secret: str | None = None
    sm_counts: tuple[int, ...] = ()
    cuda_graphs: bool = True

    def __post_init__(self) -> None:
        require_one_of(get_args(Engine), engine=self.engine)
        require_one_of(get_args(Emulate), emulate=self.emulate)
        require_positive(timeout_s=self.timeout_s, start_s=self.start_s)
        require_count(THREADS, threads=self.threads)
        require_not_negative(check_tokens=self.check_tokens)
        require_at_most(JOBS, check_tokens=self.check_tokens)
        require_boolean(pace=self.pace, reroute=self.reroute, cuda_graphs=self.cuda_graphs)
        if isinstance(self.weights, int):
            require_not_negative(weights=self.weights)
        needs_local = bool(self.sm_counts) and self.engine != "local"
        remedy = "works only for servers in one process; use engine=local"
        require(not needs_local, "sm_counts", list(self.sm_counts), remedy)
        texts = isinstance(self.addresses, Sequence) and all(isinstance(address, str) for address in self.addresses)
        listed = texts and not isinstance(self.addresses, str)
        require(listed, "addresses", self.addresses, "must be a list, such as [tcp://HOST:5701,tcp://HOST:5702]")
        remedy = "opens servers on ports; use engine=zeromq, or leave it out"
        require(self.secret is None or self.engine == "zeromq", "secret", self.secret, remedy)

    def specs(self, layout: Layout, service: ServiceModel) -> dict[int, ServerSpec]:
        """Return the specs of servers with blocks to serve, by index.

        A server has as many cache slots as the layout may use there. Raises `NotApplicableError` for direct hops, for a
        service model with a delay before the first hop, which a real run does not imitate, and for one in rounds.
        """
        if layout.system.forwarding != "hub":
            raise NotApplicableError(
                f"forwarding = {layout.system.forwarding}: the servers of a real run answer the orchestrator, not each "
                "other; use forwarding=hub, or simulate with service=steps"
            )
        if service.loop == "rounds":
            raise NotApplicableError(
                f"service = {type(service).__name__}: the batches of lockstep exist in simulation only; "
                "a real run needs service=steps, service=token_budget or service=independent"
            )
        if service.request_delay_s > 0:
            raise NotApplicableError(
                f"request_delay_s = {service.request_delay_s:g}: a real run does not imitate it; leave it at 0"
            )
        system, placement, slots = layout.system, layout.placement, layout.slots_used()
        model, decoder = system.model, self._decoder(system.model)
        settings, rules = service.settings_of(system.servers), service.rules
        sm_counts = self.sm_counts or (None,) * len(system.servers)
        fits = len(sm_counts) == len(system.servers)
        remedy = f"must have {len(system.servers)} numbers, one for each server"
        require(fits, "sm_counts", list(sm_counts), remedy)
        return {
            j: ServerSpec(
                name=system.servers.name(j),
                decoder=decoder,
                first_block=int(placement.first_block[j]),
                block_count=int(placement.block_count[j]),
                cache_slot_count=int(slots[j]),
                cache_tokens=model.cache_tokens,
                weights=self.weights,
                dtype=self.dtype,
                device=self.device,
                batching=rules.batching,
                stacking=rules.stacking,
                budget_tokens=rules.budget_tokens,
                pace=Pace.of(service, system.servers.block_s[j], settings[j]) if self.pace else None,
                threads=self.threads,
                sm_count=sm_counts[j],
                cuda_graphs=self.cuda_graphs,
            )
            for j in np.flatnonzero(slots > 0).tolist()
        }

    def _decoder(self, model: ServedModel) -> Decoder:
        """Return the decoder of the checkpoint or of the model's preset.

        Raises `InputError` unless it has as many blocks as the model.
        """
        folder = self.weights if isinstance(self.weights, str) else None
        decoder = supported_preset(model.name) if folder is None else checkpoint_decoder(Path(folder) / "config.json")
        if decoder.block_count != model.block_count:
            raise InputError(
                f"model.block_count = {model.block_count}: {folder or decoder.name} has {decoder.block_count} blocks "
                "and a real run needs all of them; set that number"
            )
        return decoder

    def delays_s(self, servers: Servers) -> NDArray[np.float64]:
        """Return (J, 3) seconds to add to a visit to each server.

        The columns are seconds once, per prompt token, and for each further token.
        """
        if self.emulate == "nothing":
            return np.zeros((len(servers), 3))
        if self.emulate == "communication":
            return servers.communication_s
        rtt_s = servers.orchestrator_rtt_s
        if rtt_s is None:
            raise NotApplicableError("emulate = rtt: this cluster's network has no round trips; use emulate=nothing")
        token_s = servers.communication_s[:, 1]  # the activations of a token, there and back
        return np.column_stack([rtt_s, token_s, rtt_s + token_s])
