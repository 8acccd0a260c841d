"""Write a small LLaMA of random weights as a folder in Hugging Face's format: `model_folder.py FOLDER JSON`.

The JSON object has the fields of `transformers.LlamaConfig`. Equal fields give equal weights.
"""

import json
import sys
from pathlib import Path


def write(folder: Path, fields: dict[str, int]) -> None:
    """Write config.json and model.safetensors; the last block comes last."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(**fields, bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=False)
    LlamaForCausalLM(config).save_pretrained(folder, safe_serialization=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]), json.loads(sys.argv[2]))
