"""Scripts of all engines: what the shell makes of them, and of hostile names."""

import pytest

from exports.llamacpp_script import llamacpp_export
from exports.petals import petals_export
from exports.vllm import vllm_export
from system import InputError
from tests.exports import shell
from tests.exports.compositions import description, own, shared

EXPORTS = (llamacpp_export, petals_export, vllm_export)
HOSTILE = "a\ntouch owned\n$(touch owned) `touch owned` ${X?} } ' \""


@pytest.mark.parametrize("export", EXPORTS)
@pytest.mark.parametrize("chains", [own(), shared()])
def test_a_script_is_valid_and_stops_at_the_first_missing_variable(export, chains, tmp_path):
    script = export(chains, description(chains)).script
    assert shell.is_valid(script, tmp_path)
    done = shell.run(shell.variables(script))
    assert done.returncode == 2
    assert "MODEL: " in done.stderr


@pytest.mark.parametrize("export", EXPORTS)
def test_a_name_never_becomes_a_command(export, tmp_path):
    chains = own(names=tuple(f"{HOSTILE}{j}" for j in range(4)))
    hostile = description(chains, model=HOSTILE, about=HOSTILE, labels=(HOSTILE,) * 4)
    plain = own()
    script = export(chains, hostile).script
    assert shell.is_valid(script, tmp_path)
    assert "touch owned" in script
    known = {} if export is not petals_export else {"PREFIX": "p"}
    expected = shell.words(export(plain, description(plain)).script, **known)
    assert shell.words(script, **known) == expected


@pytest.mark.parametrize("export", EXPORTS)
def test_ports_differ_wherever_servers_stand(export):
    commands = shell.words(export(own(), description(own())).script)
    ports = [shell.option(command, "--port") for command in commands if "--port" in command]
    assert len(ports) == len(set(ports)) >= 2


def test_each_server_needs_a_label():
    chains = own()
    for export in EXPORTS:
        with pytest.raises(InputError, match="labels = 1 texts: give 4, one for each server"):
            export(chains, description(chains, labels=("gpu",)))
    with pytest.raises(InputError, match="weights = int3"):
        description(chains, weights="int3")
    with pytest.raises(InputError, match="family = gpt5"):
        description(chains, family="gpt5")
