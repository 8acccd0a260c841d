"""Generate for jobs with PETALS' own client, by lines of JSON: `client.py DESCRIPTOR MODEL_FOLDER JSON`.

The descriptor is that of a connected socket, and the last argument has the fields of PETALS' `ClientConfig`, such as
`initial_peers`, and `dht_prefix`. Each line that comes over the socket is a round, a list of jobs with `arrival_s`,
`prompt`, `output_tokens` and `reserved_tokens`, by which servers set cache aside. The client sends
`{"ready": true}` once it has loaded the model, then for each job of a round a line when it ends, and
`{"round": "ended"}` after the last. Times are in seconds from the beginning of the round.

Each job has a thread, as PETALS' client waits for each step. It chooses the path, waits and tries again by itself.
"""

import json
import socket
import sys
import threading
import time
from contextvars import ContextVar
from typing import Any, TextIO

JOB: ContextVar["Job | None"] = ContextVar("job", default=None)


class Job:
    """One job: what was asked for, and what became of it; also the streamer that takes its tokens."""

    def __init__(self, index: int, fields: dict[str, Any], begin_s: float) -> None:
        self.index, self.begin_s = index, begin_s
        self.arrival_s, self.prompt = fields["arrival_s"], fields["prompt"]
        self.output_tokens, self.reserved_tokens = fields["output_tokens"], fields["reserved_tokens"]
        self.start_s = float("nan")
        self.tokens: list[int] = []
        self.tokens_s: list[float] = []
        self.visits: list[tuple[int, int, int, float]] = []  # first block, end, tokens, seconds
        self.searches: list[tuple[float, int, int]] = []  # when a path was searched, from which block, which attempt
        self.reason = ""
        self.is_prompt = True

    def now_s(self) -> float:
        """Return the seconds since the round began."""
        return time.perf_counter() - self.begin_s

    def put(self, tokens: Any) -> None:
        """Record a token and its time; the first call has the prompt."""
        if not self.is_prompt:
            self.tokens_s.append(self.now_s())
            self.tokens += tokens.tolist()
        self.is_prompt = False

    def end(self) -> None:
        """Take the end of the stream, which the last token has marked already."""

    def report(self) -> dict[str, Any]:
        """Return the line about the job."""
        return {
            "job": self.index,
            "start_s": self.start_s,
            "tokens": self.tokens,
            "tokens_s": self.tokens_s,
            "visits": self.visits,
            "searches": self.searches,
            "reason": self.reason,
        }


def watch(session_class: Any, server_session_class: Any) -> None:
    """Record searches for paths and visits of servers in the job of the thread."""
    search, step = session_class._update_sequence, server_session_class.step

    def noted_search(self: Any, server: int, block: int, attempt: int) -> Any:
        job = JOB.get()
        if job is not None:
            job.searches.append((job.now_s(), block, attempt))
        return search(self, server, block, attempt)

    def noted_step(self: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        begin_s = time.perf_counter()
        outputs = step(self, inputs, *rest, **named)
        job = JOB.get()
        if job is not None:
            span_s = time.perf_counter() - begin_s
            job.visits.append((self.span.start, self.span.end, inputs.shape[1], span_s))
        return outputs

    session_class._update_sequence, server_session_class.step = noted_search, noted_step


def without_late_ends(*session_classes: Any) -> None:
    """Let the garbage collector close no session.

    A session whose end failed, such as a refused one, stays open for PETALS. If the collector then closes it in the
    thread of the event loop, this thread waits for itself, and the client stands still for ever.
    """
    for session_class in session_classes:
        del session_class.__del__


def generate(model: Any, job: Job) -> None:
    """Wait for a job's arrival and generate its tokens; keep why it failed."""
    import torch

    JOB.set(job)
    time.sleep(max(job.arrival_s - job.now_s(), 0))
    job.start_s = job.now_s()
    count = job.output_tokens
    try:
        with torch.inference_mode(), model.inference_session(max_length=job.reserved_tokens):
            prompt = torch.tensor([job.prompt])
            model.generate(prompt, min_new_tokens=count, max_new_tokens=count, do_sample=False, streamer=job)
    except Exception as error:  # whatever PETALS raises is the job's end
        job.reason = f"{type(error).__name__}: {error}".splitlines()[0]


def serve_round(model: Any, fields: list[dict[str, Any]], answers: TextIO) -> None:
    """Serve the jobs of one round; write a line for each when it ends."""
    begin_s, lock = time.perf_counter(), threading.Lock()

    def run(job: Job) -> None:
        generate(model, job)
        with lock:
            write(answers, job.report())

    threads = [threading.Thread(target=run, args=(Job(i, of, begin_s),)) for i, of in enumerate(fields)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    write(answers, {"round": "ended"})


def write(answers: TextIO, line: dict[str, Any]) -> None:
    """Write one line of JSON at once."""
    print(json.dumps(line), file=answers, flush=True)


def main(folder: str, settings: dict[str, Any], rounds: TextIO, answers: TextIO) -> None:
    """Load the model, then serve rounds until the socket is closed."""
    import torch
    from petals import AutoDistributedModelForCausalLM
    from petals.client.inference_session import InferenceSession, _ServerInferenceSession

    torch.set_num_threads(1)
    watch(InferenceSession, _ServerInferenceSession)
    without_late_ends(InferenceSession, _ServerInferenceSession)
    model = AutoDistributedModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32, **settings)
    write(answers, {"ready": True})
    for line in rounds:
        serve_round(model, json.loads(line), answers)


if __name__ == "__main__":
    connection = socket.socket(fileno=int(sys.argv[1]))
    main(sys.argv[2], json.loads(sys.argv[3]), connection.makefile("r"), connection.makefile("w"))
