"""Configuration → rows: `python run.py -m experiment=fig3b` sweeps, `python run.py key=value ...` runs one point."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from hydra_plugins.points.errors import one_sentence_errors
from hydra_plugins.points.evaluate import evaluate
from hydra_plugins.points.points import resolved_case
from store.card import card
from store.identity import identity_of
from store.store import Store, missing_parts
from store.work import WorkItem, do_shared_work, do_work
from system.checks import require_count


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config: DictConfig) -> None:
    """One point and its card; or, for a worker of a sweep, its share of the points."""
    store = Store(Path(config.store))
    if config.worker.work is not None:
        do_shared_work(store, Path(config.worker.work), config.worker.first, evaluate)
        return
    with one_sentence_errors():
        require_count(draws=config.draws, replications=config.replications)
        case = resolved_case(config)
        point = identity_of(case).point
        parts = missing_parts(store.parts([point])[point], config.draws, config.replications)
        do_work(store, WorkItem(point, case, parts), evaluate)
        sys.stdout.write(card(store, point, config.draws, config.replications))
        if config.experiment.axes:
            sys.stdout.write(
                f"(one point; `python run.py -m experiment={config.experiment.name}` runs the experiment)\n"
            )


if __name__ == "__main__":
    with one_sentence_errors():
        main()
