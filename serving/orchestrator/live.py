"""Jobs that other threads submit while an orchestrator runs."""

from collections import deque
from collections.abc import Callable
from functools import partial

import numpy as np

from evaluators.admission.requests import RequestAdmission
from serving.orchestrator.attempt import Job, Request
from serving.orchestrator.inbox import Inbox
from serving.orchestrator.job_record import ServedJob
from serving.orchestrator.orchestrator import Orchestrator


class LiveJobs:
    """The way of jobs from other threads into an orchestrator's loop.

    The admission knows at most `most` jobs at once, by numbers that are used again; the caller must not submit more.
    `rng` draws each job's random number for the policy.
    """

    def __init__(
        self, orchestrator: Orchestrator, admission: RequestAdmission, most: int, rng: np.random.Generator
    ) -> None:
        self._orchestrator, self._admission, self._rng = orchestrator, admission, rng
        self._free, self._inbox = deque(range(most)), Inbox()

    def serve(self) -> None:
        """Serve in this thread until another calls `close`.

        Raises `InputError` if the rule is broken.
        """
        self._orchestrator.serve(self._inbox)

    def submit(self, request: Request, on_token: Callable[[int, int], object], on_end: Callable[[], object]) -> Job:
        """Return a job that arrives now; the functions are called in the loop's thread."""
        job = Job(request, ServedJob(self._orchestrator.now_s()), partial(self._end, on_end), on_token)
        self._inbox.call(partial(self._arrive, job))
        return job

    def cancel(self, job: Job) -> None:
        """End a job that nobody waits for any more."""
        self._inbox.call(partial(self._orchestrator.cancel, job))

    def close(self) -> None:
        """End the loop after the calls so far."""
        self._inbox.close()

    def release(self) -> None:
        """Release the inbox after the loop has ended."""
        self._inbox.release()

    def _arrive(self, job: Job) -> None:
        number = self._free.popleft()
        self._admission.renew(number, self._rng.random())
        self._orchestrator.arrive(number, job)

    def _end(self, on_end: Callable[[], object], number: int) -> None:
        self._free.append(number)
        on_end()
