"""Measure this machine and write its GPU profile: `python -m hardware_profiles.profiler --model ... --name ...`.

Torch is imported only when something is measured.
"""

import argparse
import datetime
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardware_profiles.profile import FOLDER, GpuProfile
from hardware_profiles.profiler import document
from hardware_profiles.profiler.card import profile_card
from hardware_profiles.profiler.scope import CUDA, QUICK, Scope
from serving.blocks.architecture import architecture
from serving.installed import require_installed
from store.disk.provenance import current_provenance
from system import InputError
from system.checks import require

if TYPE_CHECKING:
    from hardware_profiles.profiler.measure import Findings

PROGRAM = "python -m hardware_profiles.profiler"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command's options; their values are checked where they are used."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    parser.add_argument("--model", nargs="+", required=True, help="presets, such as tiny_llama llama2_7b")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1")
    parser.add_argument("--dtype", default="float32", help="float32, bfloat16, float16")
    parser.add_argument("--threads", type=int, default=1, help="of a CPU; a server of the runtime computes on one")
    parser.add_argument("--name", required=True, help="of the profile, as configurations will call it")
    parser.add_argument("--to", type=Path, help="file; hardware_profiles/NAME.yaml by default")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it is there")
    parser.add_argument("--longest", type=int, help="prompt and context in tokens; 512 on a CPU, else 2048 by default")
    parser.add_argument("--stacks", type=int, nargs="+", help="numbers of blocks; 1 2 4 8 by default")
    parser.add_argument("--batches", type=int, nargs="+", help="numbers of jobs; 1 2 4 8 16 by default")
    parser.add_argument("--rounds", type=int, help="times that everything is measured; 15 by default")
    parser.add_argument("--quick", action="store_true", help="a rough profile in seconds")
    return parser.parse_args(words)


def main() -> None:
    """Measure, write the profile, and print what it says."""
    args = arguments()
    sys.stdout.write(measured_profile(args, f"{PROGRAM} {shlex.join(sys.argv[1:])}", current_provenance()))


def measured_profile(asked: argparse.Namespace, words: str, origin: Mapping[str, Any]) -> str:
    """Measure, write the profile, and return its card.

    `words` are the command as it was given, `origin` is the provenance of results (`store.disk.provenance`).
    """
    require(asked.name.isidentifier(), "name", asked.name, "must be letters, digits and _, such as my_machine")
    path = asked.to or FOLDER / f"{asked.name}.yaml"
    document.require_writable(path, overwrite=asked.overwrite)
    models, scope = [architecture(name) for name in asked.model], scope_of(asked)
    require_installed("torch")
    from hardware_profiles.profiler.measure import Bench, measure_models

    bench = Bench(asked.device, asked.dtype, asked.threads)
    found = _profile(asked, measure_models(models, scope, bench, origin["machine"]["processor"]), words, origin)
    document.write(path, found, overwrite=asked.overwrite)
    return f"{profile_card(found)}\nwritten: {path}\n"


def scope_of(asked: argparse.Namespace) -> Scope:
    """The defaults of the kind of device, then those of --quick, then what is asked for."""
    settings = dict(CUDA if asked.device.startswith("cuda") else {})
    if asked.quick:
        settings |= QUICK | {"longest": 4 * settings.get("shortest", Scope.shortest)}
    given = {name: getattr(asked, name) for name in ("longest", "stacks", "batches", "rounds")}
    return Scope(**settings | {name: value for name, value in given.items() if value is not None})


def _profile(asked: argparse.Namespace, findings: "Findings", words: str, origin: Mapping[str, Any]) -> GpuProfile:
    threads = {} if asked.device.startswith("cuda") else {"threads": asked.threads}
    date = datetime.date.today().isoformat()
    told = {
        "name": asked.name,
        "description": ", ".join([findings.device, *(f"{key} = {n}" for key, n in threads.items()), asked.dtype]),
        "source": f"measured on {date} by {words}",
        "memory_gb": findings.memory_gb,
        "prefill_tflops": findings.tflops,
        "bandwidth_gb_per_s": findings.gb_per_s,
    }
    measured_on = {
        "device": findings.device,
        **threads,
        "dtype": asked.dtype,
        "quantization": "none",
        "system": origin["machine"]["system"],
        "commit": origin["commit"],
        **findings.for_people,
    }
    return document.profile_of(findings.models, told, measured_on)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
