"""Measure this machine and write its GPU profile: `python -m hardware_profiles.profiler --model ... --name ...`.

Torch is imported only once the arguments have been checked.
"""

import argparse
import datetime
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hardware_profiles.profile import FOLDER, GpuProfile
from hardware_profiles.profiler import document
from hardware_profiles.profiler.card import profile_card
from hardware_profiles.profiler.scope import CUDA, QUICK, Scope
from serving.blocks.supported import supported_preset
from serving.installed import require_installed
from store.disk.provenance import current_provenance
from system.checks import require, require_one_of
from system.command.arguments import Parser, path
from system.command.boundary import ends_in_one_sentence

if TYPE_CHECKING:
    from hardware_profiles.profiler.measure import Measurements

PROGRAM = "python -m hardware_profiles.profiler"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command's arguments; their values are checked where they are used."""
    parser = Parser(prog=PROGRAM, description=__doc__)
    parser.add_argument("--model", nargs="+", required=True, help="models to measure, such as tiny_llama llama2_7b")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, or for example cuda:1")
    parser.add_argument("--engine", help="an engine to measure instead of this project's blocks: llamacpp")
    parser.add_argument("--dtype", default="float32", help="float32, bfloat16 or float16")
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of a CPU; 1 by default, as for servers of real runs"
    )
    parser.add_argument("--name", required=True, help="name of the profile in configurations")
    parser.add_argument("--to", type=path, help="file to write; hardware_profiles/NAME.yaml by default")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    parser.add_argument(
        "--longest", type=int, help="longest prompt and context in tokens; by default 512 on a CPU and 2048 on CUDA"
    )
    parser.add_argument("--stacks", type=int, nargs="+", help="numbers of blocks in a row; 1 2 4 8 by default")
    parser.add_argument("--batches", type=int, nargs="+", help="numbers of jobs in a batch; 1 2 4 8 16 by default")
    parser.add_argument("--rounds", type=int, help="how often everything is measured; 15 by default")
    parser.add_argument("--quick", action="store_true", help="measure a rough profile within seconds")
    return parser.parse_args(words)


def main() -> None:
    """Measure this machine, write its profile, and print a summary."""
    args = arguments()
    sys.stdout.write(measure_profile(args, f"{PROGRAM} {shlex.join(sys.argv[1:])}", current_provenance()))


def measure_profile(args: argparse.Namespace, command: str, origin: Mapping[str, Any]) -> str:
    """Measure, write the profile, and return its card.

    `command` is the command line, and `origin` the provenance that results have, too (`store.disk.provenance`).
    """
    require(args.name.isidentifier(), "name", args.name, "must be letters, digits and _, such as my_machine")
    if args.engine is not None:
        require_one_of(("llamacpp",), engine=args.engine)
        from hardware_profiles.profiler.engines.profile import measure_engine_profile

        return measure_engine_profile(args, command, origin)
    path = args.to or FOLDER / f"{args.name}.yaml"
    document.require_writable(path, overwrite=args.overwrite)
    models, scope = [supported_preset(name) for name in args.model], scope_of(args)
    require_installed("torch")
    from hardware_profiles.profiler.measure import Bench, measure_models

    bench = Bench(args.device, args.dtype, args.threads)
    measurements = measure_models(models, scope, bench, origin["machine"]["processor"])
    profile = _profile(args, measurements, command, origin)
    document.write(path, profile, overwrite=args.overwrite)
    return f"{profile_card(profile)}\nwritten: {path}\n"


def scope_of(args: argparse.Namespace) -> Scope:
    """Return the scope that the arguments ask for.

    The given options take precedence over those of --quick, and these over the defaults of the kind of device.
    """
    settings = dict(CUDA if args.device.startswith("cuda") else {})
    if args.quick:
        settings |= QUICK | {"longest": 4 * settings.get("shortest", Scope.shortest)}
    given = {name: getattr(args, name) for name in ("longest", "stacks", "batches", "rounds")}
    return Scope(**settings | {name: value for name, value in given.items() if value is not None})


def _profile(
    args: argparse.Namespace, measurements: "Measurements", command: str, origin: Mapping[str, Any]
) -> GpuProfile:
    threads = {} if args.device.startswith("cuda") else {"threads": args.threads}
    date = datetime.date.today().isoformat()
    device = {
        "name": args.name,
        "description": ", ".join([measurements.device, *(f"{key} = {n}" for key, n in threads.items()), args.dtype]),
        "source": f"measured on {date} by {command}",
        "memory_gb": measurements.memory_gb,
        "prefill_tflops": measurements.tflops,
        "bandwidth_gb_per_s": measurements.gb_per_s,
    }
    measured_on = {
        "device": measurements.device,
        **threads,
        "dtype": args.dtype,
        "quantization": "none",
        "system": origin["machine"]["system"],
        "commit": origin["commit"],
        **measurements.details,
    }
    return document.profile_of(measurements.models, device, measured_on)


if __name__ == "__main__":
    with ends_in_one_sentence():
        main()
