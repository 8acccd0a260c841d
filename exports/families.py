"""Families of models as engines name them; an engine that lacks one cannot serve it."""

LLAMACPP = {  # its architecture: `general.architecture` of a GGUF file
    "llama": "llama",
    "mistral": "llama",
    "mixtral": "llama",
    "phi3": "phi3",
    "qwen2": "qwen2",
    "qwen2_moe": "qwen2moe",
    "qwen3": "qwen3",
    "qwen3_moe": "qwen3moe",
    "gemma3_text": "gemma3",
    "bloom": "bloom",
    "gpt_neox": "gptneox",
    "falcon": "falcon",
    "deepseek_v2": "deepseek2",
    "deepseek_v3": "deepseek2",
    "glm4_moe": "glm4moe",
    "llama4_text": "llama4",
    "gpt_oss": "gpt-oss",
}
VLLM = {  # its architecture: `architectures` of a config.json
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen2_moe": "Qwen2MoeForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "bloom": "BloomForCausalLM",
    "gpt_neox": "GPTNeoXForCausalLM",
    "falcon": "FalconForCausalLM",
    "deepseek_v2": "DeepseekV2ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "glm4_moe": "Glm4MoeForCausalLM",
    "llama4_text": "Llama4ForCausalLM",
    "gpt_oss": "GptOssForCausalLM",
}
PETALS = {"bloom": "BLOOM", "falcon": "Falcon", "llama": "LLaMA", "mixtral": "Mixtral"}


def family_refusal(families: dict[str, str], family: str) -> str:
    """Return why an engine cannot serve a family, or nothing."""
    return "" if family in families else f"it has no {family} models"
