"""Small models of both families; heads are grouped, or no power of two."""

from evaluators.runtime.blocks.architecture import Architecture

NEEDS_TORCH = 'needs the extra runtime: pip install -e ".[runtime]"'
LLAMA = Architecture("small_llama", "llama", 4, 72, 6, 2, 100, 96)
BLOOM = Architecture("small_bloom", "bloom", 4, 72, 6, 6, 288, 96)
MODELS = (LLAMA, BLOOM)


def name_of(architecture):
    return architecture.name
