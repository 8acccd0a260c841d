"""Small programs in the place of llama.cpp's: they log and listen as those do, and fail as a test asks."""

import sys

import pytest

from serving.engines.llamacpp.fleet import LlamaCpp

SHARED = f"""#!{sys.executable} -IS
import os, signal, socket, sys, time
def option(name):
    return sys.argv[sys.argv.index(name) + 1]
def log(*words):
    print(*words, flush=True)
def fail(*words, status=1):
    log(*words)
    sys.exit(status)
def listen(answer=b""):
    with socket.create_server((option("--host"), int(option("--port")))) as server:
        while True:
            connection = server.accept()[0]
            if answer:
                connection.recv(4096)
                connection.sendall(answer)
            connection.close()
"""
HEALTHY = 'b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n"'
LOADING = 'b"HTTP/1.1 503 Loading\\r\\nContent-Length: 0\\r\\n\\r\\n"'
RPC_SERVER = """
if "--version" in sys.argv:
    fail("error: unknown argument: --version", status=0)
log("Starting RPC server v5.0.0")
listen()
"""
LLAMA_SERVER = f"""
if "--version" in sys.argv:
    fail("version: 10434 (abcdef1)", status=0)
addresses, split = option("--rpc").split(","), list(map(int, option("--tensor-split").split(",")))
for j, address in enumerate(addresses):
    log(f"using device RPC{{j}} ({{address}}) (unknown id) - 24105 MiB free")
devices = [j for j, count in enumerate(split) for _ in range(count)]
for layer, j in enumerate(devices):
    log(f"load_tensors: layer {{layer:3d}} assigned to device RPC{{j}}, is_swa = 0")
log("srv llama_server: listening on http://" + option("--host"))
listen({HEALTHY})
"""


def program(folder, name, body):
    """Return the path of an executable script."""
    path = folder / name
    path.write_text(SHARED + body)
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def fakes(tmp_path, model_file):
    """Return a function that makes settings with fake programs, by default healthy ones."""

    def settings(llama_server=LLAMA_SERVER, rpc_server=RPC_SERVER, **fields):
        host = program(tmp_path, "llama-server", llama_server)
        rpc = program(tmp_path, "rpc-server", rpc_server)
        named = {"llama_server": host, "rpc_server": rpc, "model_file": model_file, "logs": str(tmp_path / "logs")}
        return LlamaCpp(**named | {"start_s": 10.0} | fields)

    return settings
