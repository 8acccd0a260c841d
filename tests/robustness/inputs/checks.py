"""Bad input to the checks themselves."""

from system.checks import require_at_most, require_boolean, require_count
from tests.robustness.bad_input import BadInput

BAD = (
    BadInput(
        "boolean or unit",
        "a word in place of true or false",
        lambda folder: require_boolean(reroute="maybe"),
        "reroute = ",
        "maybe",
        "must be true or false",
    ),
    BadInput(
        "no upper bound",
        "a count above its bound",
        lambda folder: require_at_most(1000, server_count=10**12),
        "server_count = ",
        "1000000000000",
        "at most 1,000",
    ),
    BadInput(
        "no upper bound",
        "a list of a million values is echoed shortened",
        lambda folder: require_count(server_count=[7] * 10**6),
        "server_count = ",
        "[7, 7, 7, 7, 7, 7, ...]",
        "must be a whole number",
    ),
)
