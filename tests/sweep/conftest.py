"""The sweeper's expansion of the project's own configuration."""

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from sweep.expansion.commands import Expansion
from tests.support.project import CONF


@pytest.fixture(scope="session")
def expand():
    """Return the function that expands the words of a command into sweeps."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
    return Expansion(loader, "config").sweeps
