"""An environment with a stand-in for PETALS: servers that only log, and a client that only counts."""

import os
import sys
from pathlib import Path

MODULES = {
    "petals/__init__.py": """
import time
from petals.client.inference_session import InferenceSession
class Config:
    vocab_size = 100
class Model:
    config = Config()
    def inference_session(self, max_length):
        return InferenceSession(max_length)
    def generate(self, prompt, min_new_tokens, max_new_tokens, do_sample, streamer):
        assert min_new_tokens == max_new_tokens
        InferenceSession.active._update_sequence(0, 0, 0)
        if len(prompt[0]) == 13:
            raise RuntimeError("no room\\nand no hope")
        if len(prompt[0]) == 14:
            import os
            print("RuntimeError: the swarm is gone", flush=True)
            os._exit(3)
        if len(prompt[0]) == 15:
            time.sleep(60)
        streamer.put(prompt)
        for i in range(max_new_tokens):
            InferenceSession.active.sessions[0].step(prompt if i == 0 else prompt.last())
            time.sleep(0.002 * len(prompt[0]))
            streamer.put(type(prompt)([7 + i]))
        streamer.end()
class AutoDistributedModelForCausalLM:
    @staticmethod
    def from_pretrained(folder, torch_dtype, initial_peers, dht_prefix):
        assert initial_peers and dht_prefix
        return Model()
""",
    "petals/client/inference_session.py": """
import threading
class Span:
    start, end = 0, 3
class _ServerInferenceSession:
    span = Span()
    def step(self, inputs, *rest, **named):
        return inputs
    def __del__(self):
        raise AssertionError("closed by the collector")
class Active(threading.local):
    pass
class Meta(type):
    local = Active()
    @property
    def active(cls):
        return cls.local.session
class InferenceSession(metaclass=Meta):
    def __init__(self, max_length):
        self.max_length, self.sessions = max_length, [_ServerInferenceSession()]
    def _update_sequence(self, server, block, attempt):
        return server
    def __enter__(self):
        type(self).local.session = self
    def __exit__(self, *details):
        pass
    def __del__(self):
        raise AssertionError("closed by the collector")
""",
    "petals/client/__init__.py": "",
    "petals/cli/__init__.py": "",
    "petals/cli/run_server.py": """
import subprocess, sys, time
words = sys.argv
name = words[words.index("--dht_prefix") + 1]
blocks = words[words.index("--block_indices") + 1]
child = subprocess.Popen(["sleep", "1000"])
print("child", child.pid, flush=True)
print("arguments", *words, flush=True)
if name == "broken" and "--initial_peers" in words:
    raise ValueError("Failed to parse the blocks")
print(f"Nov 30 [INFO] Running a server on ['/ip4/127.0.0.1/tcp/4{blocks[0]}/p2p/Qm{blocks[0]}']", flush=True)
if name != "slow":
    print("Nov 30 12:00:00.000 [\\x1b[1m\\x1b[34mINFO\\x1b[0m] Started", flush=True)
time.sleep(1000)
""",
    "torch.py": """
from contextlib import nullcontext
float32 = "float32"
def set_num_threads(count): pass
def inference_mode(): return nullcontext()
class tensor(list):
    @property
    def shape(self):
        return (1, len(self[0]))
    def tolist(self):
        return list(self)
    def last(self):
        return tensor([self[0][-1:]])
""",
}


def fake_python(folder: Path) -> Path:
    """Write the stand-in and a `python` that finds it; return that python."""
    for name, text in MODULES.items():
        path = folder / "packages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={folder / "packages"} exec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    return python


def is_running(pid: int) -> bool:
    """Return whether a process runs and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
