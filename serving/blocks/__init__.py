"""Transformer blocks that a server hosts: LLaMA and BLOOM decoder blocks, their weights and their cache slots.

Parameters have the names of Hugging Face's models, so that published checkpoints fit.
"""
