"""The speeds of k users on a plan."""

from planner.choice.sharing.users import loop_of, user_speed
from planner.results import Plan, UserSpeed

DOUBLINGS = 12  # of the number of users, at most


def user_speeds(plan: Plan) -> tuple[UserSpeed, ...]:
    """Return the speeds for 1, 2, 4, ... users and for the plan's users.

    There are no more users than are served at once. Numbers of users are left out whose answers take too long to
    simulate. There are no speeds where answers have one token, or where times do not depend on tokens.
    """
    composition, loop = plan.composition, loop_of(plan.inventory)
    if loop.further_tokens == 0 or not composition.job_coefficients_s[:, 2].all():
        return ()
    most = composition.total_capacity
    counts = {min(2**n, most) for n in range(DOUBLINGS)}
    if plan.user_speed is not None:
        counts.add(plan.user_speed.users)
    speeds = (user_speed(composition, users, loop) for users in sorted(counts))
    return tuple(speed for speed in speeds if speed is not None)
