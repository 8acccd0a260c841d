"""Values that are set in a composed configuration: copied into the resolved case, or resolved again."""

import pytest
from omegaconf import OmegaConf

from sweep.expansion.template import Template, resolved_case

COPIES = {"a": "${first}", "again": ["${first}", {"b": "${second}"}], "own": 3}
CASES = {"only copied": COPIES, "inside a text": COPIES | {"text": "is ${first}"}}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize(
    "values",
    [{}, {"first": 2}, {"second": 2.5}, {"first": "x", "second": "x"}, {"second": None, "first": 7}, {"case.own": 4}],
    ids=str,
)
def test_a_case_is_that_of_a_configuration_with_these_values(case, values):
    plain = {"first": 1, "second": "b", "case": case}
    template, config = Template(OmegaConf.create(plain), {}), OmegaConf.create(plain)
    for key, value in values.items():
        OmegaConf.update(config, key, value)
    for _ in range(2):  # the second time from what the first has found
        assert template.case(values) == resolved_case(config)
