"""The report in Chromium: it loads without errors, shows every figure, and can be switched, sorted and printed.

`make browser` runs these tests, which need Chromium or Chrome.
"""

import re
from base64 import b64decode

import pytest

from tests.plots.test_figures import SMALLER
from tests.support.project import script
from tests.support.web.browser import READABLE, started

pytestmark = pytest.mark.browser

VIEWS = ("both", "paper", "simulator")
PHONE = (390, 844)
SEEN = "element => element.getClientRects().length > 0"
TEXTS = ("p", "a", "caption", "td", "th", "summary", ".summary")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return the report of small runs of all experiments.

    They are those that need no download.
    """
    store, folder = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("report")
    for name in SMALLER:
        small = ("data=embedded", "draws=2", "hydra/launcher=basic", f"store={store}", *SMALLER[name])
        swept = script("run.py", "-m", f"experiment={name}", *small)
        assert swept.returncode == 0, swept.stderr
    made = script("plot.py", "report", "--store", store, "--to", folder, "--plans", folder)
    assert made.returncode == 0, made.stderr
    return folder / "report.html"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with started(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(chromium, report):
    """Return the browser with the report on a wide screen."""
    chromium.resize(1280, 1000)
    chromium.emulate()
    chromium.open(report)
    return chromium


def choose(page, view):
    page.evaluate(f"document.querySelector('label[for=view-{view}]').click()")


def unfold(page):
    """Open everything that is folded."""
    page.evaluate("document.querySelectorAll('details').forEach(folded => { folded.open = true })")


def seen(page, selector):
    """Return how many elements of a selector are shown."""
    return page.evaluate(f"[...document.querySelectorAll('{selector}')].filter({SEEN}).length")


def column(page, table, number):
    return page.evaluate(
        f"[...document.querySelector('{table}').tBodies[0].rows].map(r => r.cells[{number}].innerText)"
    )


def test_page_loads_without_errors_or_further_requests(page, report):
    assert page.problems() == []
    assert page.requests() == [report.resolve().as_uri()]


def test_errors_and_requests_of_a_page_are_noticed(page, tmp_path):
    (tmp_path / "bad.html").write_text('<img src="missing.png"><script>console.error("x"); missing()</script>')
    page.open(tmp_path / "bad.html")
    assert len(page.problems()) == 3
    assert len(page.requests()) == 2


@pytest.mark.parametrize("view", VIEWS)
def test_every_experiment_shows_one_figure_or_its_table(page, view):
    choose(page, view)
    box = "image.getBoundingClientRect()"
    sizes = f"image => [image.naturalWidth, {box}.width, {box}.height]"
    images = page.evaluate(f"[...document.querySelectorAll('img')].filter({SEEN}).map({sizes})")
    tables = 1  # Table I is a table, not a picture
    assert len(images) == len(SMALLER) - tables + 1  # one more for the benchmarks
    assert all(natural > 0 and width > 300 and height > 100 for natural, width, height in images)
    for name in SMALLER:
        assert seen(page, f"#{name}_embedded > .wide") == 1, name


def test_switch_shows_one_set_or_both(page):
    assert page.evaluate("document.querySelector('#view-both').checked")
    unfold(page)
    counts = {view: seen(page, f'[data-constants="{view}"]') for view in VIEWS[1:]}
    assert min(counts.values()) > 100
    for view in VIEWS:
        choose(page, view)
        for other in VIEWS:
            assert (seen(page, f'[data-view="{other}"]') > 0) == (view == other)
        for name, count in counts.items():
            assert seen(page, f'[data-constants="{name}"]') == (count if view in ("both", name) else 0)


def test_switch_works_by_keyboard(page):
    page.evaluate("document.querySelector('#view-both').focus()")
    page.press("ArrowRight", 39)
    assert page.evaluate("document.querySelector(':focus').id") == "view-paper"
    assert seen(page, '[data-constants="simulator"]') == 0


def test_click_on_a_head_sorts_a_table(page):
    ledger = "#claims table"
    click = f"document.querySelector('{ledger}').tHead.rows[0].cells[%d].querySelector('button').click()"
    order = f"[...document.querySelector('{ledger}').tHead.rows[0].cells].map(head => head.ariaSort)"
    ids = column(page, ledger, 0)
    page.evaluate(click % 2)
    verdicts = [re.split("[(:]", cell)[0] for cell in column(page, ledger, 2)]
    assert len(set(verdicts)) > 1
    assert verdicts == sorted(verdicts, key=str.lower)
    assert page.evaluate(order)[:3] == ["none", "none", "ascending"]
    page.evaluate(click % 0)
    assert column(page, ledger, 0) == ids  # C2a before C10a
    page.evaluate(click % 0)
    assert column(page, ledger, 0) == ids[::-1]
    assert page.evaluate(order)[:3] == ["descending", "none", "none"]


@pytest.mark.parametrize("title", ["median", "ratio"])
def test_numbers_are_sorted_as_numbers_and_blanks_come_last(page, title):
    """Check columns with small, large and blank numbers.

    Medians are from 0.0003 s to 10,000,000 jobs/s; benchmarks without a peer have no ratio.
    """
    heads = "[...document.querySelector('#benchmarks table').tHead.rows[0].cells]"
    number = page.evaluate(f"{heads}.findIndex(head => head.innerText.startsWith('{title}'))")
    for sign in (1, -1):
        page.evaluate(f"{heads}[{number}].querySelector('button').click()")
        texts = column(page, "#benchmarks table", number)
        numbers = [float(text) for text in texts if text]
        assert len(numbers) > 5
        assert numbers == sorted(numbers, key=lambda value: sign * value)
        assert texts[len(numbers) :] == [""] * (len(texts) - len(numbers))


@pytest.mark.parametrize("view", VIEWS)
def test_phone_scrolls_down_only(page, view):
    page.resize(*PHONE, mobile=True)
    choose(page, view)
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert page.evaluate("document.querySelector('.switch').getBoundingClientRect().height") < 80


@pytest.mark.parametrize("width", [360, 390, 640])
def test_phone_shows_every_verdict_and_claim_whole(page, width):
    page.resize(width, 780, mobile=True)
    unfold(page)
    box = "element.getBoundingClientRect()"
    edges = f"element => [{box}.left, {box}.right, element.scrollWidth - element.clientWidth]"
    for cell in range(3):  # the id and both verdicts, then the claim
        chosen = f"[...document.querySelectorAll('#claims tbody td:nth-child({cell + 1})')]"
        lines = page.evaluate(f"{chosen}.map({edges})")
        assert all(left >= 0 and right <= width and beyond <= 0 for left, right, beyond in lines)
        assert all(right > left for left, right, _ in lines)
    claims = page.evaluate(f"[...document.querySelectorAll('#claims tbody td:last-child')].map({edges})")
    assert all(left >= 0 and right <= width and beyond <= 0 for left, right, beyond in claims)
    verdicts = page.evaluate("[...document.querySelectorAll('#claims td:nth-child(3) .verdict')].map(e => e.innerText)")
    assert all(verdicts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(page, scheme):
    page.emulate(scheme=scheme)
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
    contrasts = page.contrasts(*TEXTS)
    assert min(contrasts.values()) >= READABLE, contrasts
    lightness = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (lightness == "rgb(255, 255, 255)") == (scheme == "light")


def test_print_has_the_figures_without_the_controls(page):
    page.emulate(media="print", scheme="dark")
    assert seen(page, ".switch, nav, details") == 0
    assert seen(page, "img") == len(SMALLER)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    printed = b64decode(page("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") >= 5
