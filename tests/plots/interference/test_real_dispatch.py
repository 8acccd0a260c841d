"""The figure of dispatch policies in real runs pairs the policies in each draw."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from plots.figures.interference import real_dispatch
from store.tables.labels import Labels
from tests.support.made_up_results import results_of

LABELS = Labels(
    {
        "service": {"steps": "step queues"},
        "evaluator": {"replay": "replay", "runtime": "measured"},
        "dispatch": {"jffc": "JFFC", "least_work": "least work"},
    }
)
RUNS = {"step queues": ("replay", "steps"), "measured": ("runtime", "")}
BASE_S = (1.0, 2.0, 4.0)  # of JFFC in each draw
GAINS_S = {"step queues": (0.2, 0.3, 0.4), "measured": (0.1, 0.1, 0.1)}


def made_up(draws=3, rates=("3",)):
    rows = [
        {"evaluator": evaluator, "service": service, "dispatch": policy, "demand.per_s": rate, "draw": draw}
        | {"metric": metric, "value": share * (BASE_S[draw] - (GAINS_S[kind][draw] if policy == "least_work" else 0))}
        for kind, (evaluator, service) in RUNS.items()
        for rate in rates
        for policy in ("jffc", "least_work")
        for draw in range(draws)
        for metric, share in (("response_mean_s", 1.0), ("service_mean_s", 1.0), ("first_token_mean_s", 0.5))
    ]
    table = pd.DataFrame(rows).assign(status="ok", draws=draws, replication=0, at=np.nan)
    return table.assign(point=table["evaluator"] + table["dispatch"] + table["demand.per_s"])


def drawn(rows):
    figure = real_dispatch.draw(results_of(rows), LABELS)
    plt.close(figure)
    return figure


def test_titles_have_the_paired_difference_and_its_interval():
    # Gains of .2, .3 and .4 s have the half-width 4.303 * .1 / sqrt(3) = .248 s, though draws differ by seconds.
    response, first_token = drawn(made_up()).axes
    assert response.get_title().splitlines() == ["step queues -300 ± 248 ms", "measured -100 ± 0 ms"]
    assert first_token.get_title().splitlines() == ["step queues -150 ± 124 ms", "measured -50 ± 0 ms"]


def test_a_single_draw_has_no_interval():
    response, _ = drawn(made_up(draws=1)).axes
    assert response.get_title().splitlines() == ["step queues -200 ms", "measured -100 ms"]


def test_every_draw_has_a_line_and_every_policy_a_mean():
    response, _ = drawn(made_up()).axes
    lines = [line.get_ydata().tolist() for line in response.lines]
    expected = [[base, base - gain] for gains in GAINS_S.values() for base, gain in zip(BASE_S, gains, strict=True)]
    assert [line for line in lines if line in expected] == expected
    assert [curve.get_label() for curve in response.containers] == list(RUNS)
    assert [tick.get_text() for tick in response.get_xticklabels()] == ["JFFC", "least work"]


def test_every_rate_has_its_own_panels_and_lines_of_the_card():
    rows = made_up(rates=("2", "3"))
    titles = [axes.get_title().splitlines()[0] for axes in drawn(rows).axes]
    assert len(titles) == 4
    assert ["2" in title for title in titles] == [True, True, False, False]
    card = real_dispatch.card(results_of(rows), LABELS)
    assert card.startswith("# least work less JFFC\n")
    assert card.count("measured -100 ± 0 ms") == 2
    assert "# Predicted and measured" in card
