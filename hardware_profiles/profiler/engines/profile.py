"""The profile of an engine on this machine: its file, and a summary for the terminal."""

import argparse
import datetime
import os
from collections.abc import Iterator, Mapping
from typing import Any

from hardware_profiles.profile import FOLDER, GpuProfile
from hardware_profiles.profiler import document
from hardware_profiles.profiler.engines.measure import MeasuredEngine, measure_engine
from hardware_profiles.profiler.engines.scope import ENGINE_QUICK, EngineScope
from serving.blocks.supported import supported_preset
from serving.engines.llamacpp.binaries import find_binaries
from serving.engines.llamacpp.settings import LOCKSTEP, LlamaCpp
from serving.installed import require_installed
from system.checks import require
from system.models.decoder import GB, Decoder


def measure_engine_profile(args: argparse.Namespace, command: str, origin: Mapping[str, Any]) -> str:
    """Measure llama.cpp, write the profile, and return its summary.

    The arguments are those of `hardware_profiles.profiler.__main__`.
    """
    require(len(args.model) == 1, "model", args.model, "an engine is measured with one model, such as small_llama")
    path = args.to or FOLDER / f"{args.name}.yaml"
    document.require_writable(path, overwrite=args.overwrite)
    decoder, scope = supported_preset(args.model[0]), scope_of(args)
    require_installed("aiohttp", "engines")
    binaries = find_binaries(None, None)
    settings = LlamaCpp(threads=args.threads, options=LOCKSTEP)
    measured = measure_engine(decoder, scope, settings)
    source = f"measured on {datetime.date.today().isoformat()} by {command}"
    measured_on = {
        "device": origin["machine"]["processor"],
        "threads": args.threads,
        "options": " ".join(LOCKSTEP),
        "system": origin["machine"]["system"],
        "commit": origin["commit"],
        "versions": {"llamacpp": str(binaries.build)},
    }
    profile = engine_profile(args.name, decoder, measured, source, measured_on)
    document.write(path, profile, overwrite=args.overwrite)
    return "\n".join([*card(profile, decoder.name), f"written: {path}", ""])


def scope_of(args: argparse.Namespace) -> EngineScope:
    """Return the scope that the arguments ask for.

    Given options take precedence over those of --quick.
    """
    fields = dict(vars(ENGINE_QUICK)) if args.quick else {}
    given = {name: getattr(args, name) for name in ("stacks", "batches", "rounds")}
    return EngineScope(**fields | {name: value for name, value in given.items() if value is not None})


def engine_profile(
    name: str, decoder: Decoder, measured: MeasuredEngine, source: str, measured_on: Mapping[str, Any]
) -> GpuProfile:
    """Return the profile of a measured engine, checked.

    Its rates of arithmetic and of reading are those that its blocks reach.
    """
    fit, model = measured.fit, decoder.name
    once_s, token_s, step_s = fit.block.coefficients_s
    together = [[1, jobs, seconds] for jobs, seconds in fit.batch_s.items()]
    return GpuProfile(
        name=name,
        description=f"llama.cpp on {measured_on['device']}, threads = {measured_on['threads']}, float16",
        source=source,
        memory_gb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GB,
        prefill_tflops=decoder.flop_per_token / token_s / 1e12,
        bandwidth_gb_per_s=decoder.block_bytes("16 bit") / step_s / GB,
        overhead_s=once_s,
        measured_block_s={model: fit.block.coefficients_s},
        measured_engine={model: fit.constants},
        fit_report={model: fit.block.report},
        measured_points={model: {**measured.points, "decode_together": together}},
        measured_on=measured_on,
    )


def card(profile: GpuProfile, model: str) -> Iterator[str]:
    """Yield the lines of a summary."""
    (once_s, token_s, step_s), constants = profile.measured_block_s[model], profile.measured_engine[model]
    report, rows = profile.fit_report[model], profile.measured_points[model]["decode_together"]
    ratios = ", ".join(f"{int(jobs)}: {seconds / step_s:.3g}" for _, jobs, seconds in rows)
    yield f"{profile.name}: {profile.description}"
    yield f"{model}, one block"
    error = f"mean error {report['prefill_error']:.1%}"
    yield f"  {'prefill':<14}{once_s * 1e3:.3g} ms + {token_s * 1e3:.3g} ms per token, {error}"
    yield f"  {'decode':<14}{step_s * 1e3:.3g} ms per step, mean error {report['decode_error']:.1%}"
    yield f"  {'batches':<14}times relative to one request: {ratios}"
    yield f"  {'round':<14}{constants['round_s'] * 1e3:.3g} ms + {constants['hop_s'] * 1e3:.3g} ms per server"
    yield f"  {'host':<14}{constants['head_s'] * 1e3:.3g} ms per token, {constants['join_s'] * 1e3:.3g} ms per prompt"
    yield f"  {'new shapes':<14}{constants['shape_round_trips']:.2g} round trips per block"
