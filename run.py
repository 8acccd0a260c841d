"""Configuration → rows: `python run.py -m experiment=fig3b` sweeps, `python run.py key=value ...` runs one point."""

import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig

from evaluators.case import Case, Outcome
from hydra_plugins.points.errors import one_sentence_errors
from hydra_plugins.points.points import resolved_case
from store.card import card
from store.identity import point_id
from store.store import Store, missing_parts
from store.work import WorkItem, do_work, read_batch


@lru_cache(maxsize=256)
def made(configuration: str) -> Any:
    """The one place where a configuration becomes objects; they are frozen, so points share equal ones."""
    return instantiate({"part": json.loads(configuration)}, _convert_="all")["part"]


def evaluate(case: dict[str, Any], draws: range, replications: range) -> Outcome:
    """The rows of a point."""
    parts = {name: made(json.dumps(part)) for name, part in case.items() if name != "_target_"}
    return Case(**parts).evaluate(draws, replications)


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config: DictConfig) -> None:
    store = Store(Path(config.store))
    if config.batch is not None:
        for item in read_batch(Path(config.batch)):
            do_work(store, item, evaluate)
        return
    case = resolved_case(config)
    point = point_id(case)
    parts = missing_parts(store.parts().get(point, ()), config.draws, config.replications)
    do_work(store, WorkItem(point, case, parts), evaluate)
    sys.stdout.write(card(store, point, config.draws, config.replications))


if __name__ == "__main__":
    with one_sentence_errors():
        main()
