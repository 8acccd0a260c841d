"""Configuration → rows: `python run.py -m experiment=fig3b` sweeps, `python run.py key=value ...` runs one point."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from store.commands.card import point_card
from store.disk.identity import identity_of
from store.disk.locks import locked, wait_for_others
from store.disk.store import Store, missing_parts
from store.disk.work import WorkItem, do_shared_work, do_work
from sweep.errors import one_sentence_errors
from sweep.expansion import resolved_case
from sweep.instantiate import evaluate
from system.checks import require_count


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config: DictConfig) -> None:
    """One point and its card; or, for a worker of a sweep, its share of the points."""
    if config.worker.work is not None:
        do_shared_work(Store(Path(config.store)), Path(config.worker.work), config.worker.first, evaluate)
        return
    with one_sentence_errors():
        sys.stdout.write(one_point(config))
        if config.experiment.axes:
            sys.stdout.write(
                f"(one point; `python run.py -m experiment={config.experiment.name}` runs the experiment)\n"
            )


def one_point(config: DictConfig) -> str:
    """Compute what the store lacks of the configured point; its card."""
    require_count(draws=config.draws, replications=config.replications)
    store, case = Store(Path(config.store)), resolved_case(config)
    point = identity_of(case).point
    wait_for_others(store.folder, [point])
    parts = missing_parts(store.parts([point])[point], config.draws, config.replications)
    with locked(store.folder, point):
        do_work(store, WorkItem(point, case, parts), evaluate)
    return point_card(store, point, config.draws, config.replications)


if __name__ == "__main__":
    with one_sentence_errors():
        main()
