"""Run sweeps (`python run.py -m experiment=fig3b`) and single points (`python run.py key=value ...`)."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from store.commands.card import point_card
from store.disk.identity import identity_of
from store.disk.parts import missing_parts
from store.disk.store import store_at, words_of
from store.workers.locks import locked, wait_for_others
from store.workers.work import WorkItem, do_shared_work, do_work
from sweep.errors import one_sentence_errors
from sweep.expansion.commands import Expansion
from sweep.expansion.embedded import require_embedded
from sweep.expansion.grids import require_experiment
from sweep.expansion.template import resolved_case
from sweep.expansion.unused import require_used
from sweep.frame import require_frame
from sweep.instantiate import evaluate, require_valid
from sweep.launching.worker_settings import is_worker, require_no_worker, require_workers
from sweep.overrides import require_overrides
from sweep.precision import target_of
from system.checks import require
from system.code.compiling import progress
from system.code.source import ROOT
from system.command.arguments import refuse
from system.errors import InputError

DRY_RUN = "--dry-run"


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config: DictConfig) -> None:
    """Run one point and print its card; as a worker, share a sweep's work."""
    with one_sentence_errors():
        require_frame(config)
    if is_worker(config):
        progress.is_silent = config.worker.first > 0  # as the first worker compiles the same
        do_shared_work(store_at(config.store), Path(config.worker.work), config.worker.first, evaluate)
        return
    with one_sentence_errors():
        sys.stdout.write(one_point(config))
        if config.experiment.axes:
            words = words_of(config.experiment.name + config.data.suffix)
            sys.stdout.write(f"(one point; `python run.py -m {words}` runs the experiment)\n")


def one_point(config: DictConfig) -> str:
    """Compute the missing parts of the configured point, and return its card."""
    composed = HydraConfig.get()
    words: Any = OmegaConf.to_container(composed.overrides.task)  # references in them are not to Hydra's own keys
    require_no_worker(words)
    workers = composed.sweeper.get("workers")
    if workers is not None:
        require_workers("hydra.sweeper.workers", workers)
    chosen = words[composed.sweeper.get("added", 0) :]  # the words before are those that data=embedded adds
    given = dict(word.split("=", 1) for word in chosen if "=" in word)
    require_used(config, composed.runtime.choices, given)
    require_experiment(config, composed.runtime.choices.get("experiment"))
    remedy = "chooses for each experiment of a sweep; write -m before it, or data=recorded or data=embedded"
    require("preference" not in config.data, "data", composed.runtime.choices["data"], remedy)
    require(target_of(config) is None, "precision", "target", "adds draws in the rounds of a sweep; write -m before it")
    store, case = store_at(config.store), resolved_case(config)
    if config.data.stand_ins:
        require_embedded(case)
    require_valid([case], given)
    point = identity_of(case).point
    wait_for_others(store.folder, [point])
    parts = missing_parts(store.parts([point])[point], config.draws, config.replications)
    with locked(store.folder, point):
        do_work(store, WorkItem(point, case, parts), evaluate)
    return point_card(store, point, config.draws, config.replications)


def words_for_hydra(words: Sequence[str]) -> list[str]:
    """Return the words of a command as Hydra knows them.

    `--dry-run` becomes a key of the sweeper.
    """
    known = [word for word in words if word != DRY_RUN]
    args = parsed_words(known)
    rerun = args.experimental_rerun
    require(rerun is None, "--experimental-rerun", rerun, "such files can run code; give the words of the run instead")
    require_overrides(args.overrides, args.config_dir, args.multirun)
    if args.multirun and args.cfg:
        raise InputError(
            f"--cfg = {args.cfg}: shows one point; leave -m out, or write {DRY_RUN} for the points of a sweep"
        )
    if len(known) < len(words):
        if not args.multirun:
            raise InputError(f"{DRY_RUN}: belongs to a sweep; write `python run.py -m ... {DRY_RUN}`")
        known.append("hydra.sweeper.dry_run=true")
    return with_stand_ins(known)


def parsed_words(words: Sequence[str]) -> Namespace:
    """Return the words of a command as Hydra's parser knows them."""
    parser = get_args_parser()
    parser.error = partial(refuse, program="python run.py")  # type: ignore[method-assign]
    return parser.parse_args(words)


def with_stand_ins(words: Sequence[str]) -> list[str]:
    """Return the words of a command with the overrides that `data=embedded` adds.

    They are added before Hydra composes, as the command may set a key that only a stand-in has. They are no choices of
    the user, and a sweep adds them to each of its experiments itself. So the sweeper gets their number.
    """
    args = parsed_words(words)
    data = [word for word in args.overrides if word.startswith("data=")]
    if not data:
        return list(words)
    folders = [f"hydra.searchpath=[file://{Path(args.config_dir).absolute()}]"] if args.config_dir else []
    folders += [word for word in args.overrides if word.startswith("hydra.searchpath=")]
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        expansion = Expansion(GlobalHydra.instance().config_loader(), "config", folders)
        stand_ins = expansion.stand_ins(args.overrides)
    index = list(words).index(args.overrides[0])
    return [*words[:index], *stand_ins, f"hydra.sweeper.added={len(stand_ins)}", *words[index:]]


if __name__ == "__main__":
    with one_sentence_errors():
        sys.argv[1:] = words_for_hydra(sys.argv[1:])
        main()
