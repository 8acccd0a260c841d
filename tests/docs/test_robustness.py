"""The page of limits states the constants of the code."""

import re

from system import limits
from tests.support.project import ROOT

PAGE = ROOT / "docs/robustness.md"
ROW = re.compile(r"^\| `([A-Z_]+)` \| ([\d,]+) \|", flags=re.MULTILINE)


def test_the_limits_of_the_page_are_those_of_the_code():
    stated = {name: int(number.replace(",", "")) for name, number in ROW.findall(PAGE.read_text())}
    assert len(stated) > 20
    assert stated == {name: getattr(limits, name) for name in stated}
