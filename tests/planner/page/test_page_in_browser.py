"""The page of a plan in Chromium, opened as a file: it loads, zooms, copies commands and fits a phone.

`make browser` runs these tests, which need Chromium or Chrome.
"""

import time
from base64 import b64decode

import pytest

from planner.output.page.page import plan_page
from tests.planner.page.studies import HOSTILE, datacentre, lab, renamed
from tests.support.web.browser import READABLE, started

pytestmark = pytest.mark.browser

WIDE, PHONE = 1280, 360
TEXTS = (
    "p",
    "a",
    "td",
    "th",
    "summary",
    ".legend b",
    ".legend span",
    ".numbers dt",
    "figcaption",
    ".head span",
    "code",
)
OPACITY = "Number(getComputedStyle(document.querySelector('.chain[data-chain=\"%d\"] path')).opacity)"
ZOOM = "document.querySelector('.view svg').getBoundingClientRect().width / document.querySelector('.view').clientWidth"
PLANS = {"lab": lab, "datacentre": datacentre, "hostile": lambda: renamed(HOSTILE)}
SLOWEST_S = 20.0  # of 400 servers, on a busy machine; a quiet one takes half a second


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with started(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the file of each plan's page."""
    folder = tmp_path_factory.mktemp("pages")
    for name, study in PLANS.items():
        (folder / f"{name}.html").write_text(plan_page(study()[0], name if name != "hostile" else HOSTILE, study()[1]))
    return {name: folder / f"{name}.html" for name in PLANS}


@pytest.fixture
def page(chromium, files):
    """Return the browser with the page of the lab on a wide screen."""
    chromium.resize(WIDE, 1000)
    chromium.emulate()
    chromium.open(files["lab"])
    return chromium


def click(page, selector):
    page.evaluate(f"document.querySelector('{selector}').click()")


def unfold(page):
    page.evaluate("document.querySelectorAll('details').forEach(folded => { folded.open = true })")


@pytest.mark.parametrize("width", [WIDE, PHONE])
@pytest.mark.parametrize("name", PLANS)
def test_a_page_loads_soon_without_errors_and_scrolls_down_only(chromium, files, name, width):
    chromium.resize(width, 800, mobile=width == PHONE)
    begun_s = time.perf_counter()
    chromium.open(files[name])
    unfold(chromium)
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    assert time.perf_counter() - begun_s < SLOWEST_S
    assert chromium.problems() == []
    assert chromium.requests() == [files[name].resolve().as_uri()]
    beyond = "[...document.querySelectorAll('h1, h2, p, main button:not(th *), .numbers, .view, .wide, pre, .bar')]"
    right = f"Math.max(...{beyond}.map(element => element.getBoundingClientRect().right))"
    assert chromium.evaluate(right) <= width


def test_buttons_and_keys_zoom_the_picture(page):
    click(page, "[data-zoom=whole]")
    assert page.evaluate(ZOOM) <= 1
    click(page, "[data-zoom=width]")
    assert page.evaluate(ZOOM) == pytest.approx(1, abs=0.01)
    click(page, "[data-zoom=in]")
    larger = page.evaluate(ZOOM)
    assert larger > 1.2
    assert page.evaluate("document.querySelector('.view').scrollLeft") > 0  # around the middle
    page.evaluate("document.querySelector('.view').focus()")
    page.press("+", 187)
    assert page.evaluate(ZOOM) > larger
    page.press("1", 49)
    assert page.evaluate(ZOOM) == pytest.approx(1, abs=0.01)
    click(page, "[data-zoom=in]")
    click(page, "[data-zoom=out]")
    assert page.evaluate(ZOOM) == pytest.approx(1, abs=0.01)


def test_dragging_the_mouse_moves_a_zoomed_picture(page):
    for _ in range(4):
        click(page, "[data-zoom=in]")
    x, y = page.evaluate(
        "(box => [box.left + box.width / 2, box.top + box.height / 2])"
        "((document.querySelector('.view').scrollIntoView(), document.querySelector('.view').getBoundingClientRect()))"
    )
    before = page.evaluate("document.querySelector('.view').scrollLeft")
    page("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, button="left", clickCount=1)
    for step in (20, 40, 60):
        page("Input.dispatchMouseEvent", type="mouseMoved", x=x - step, y=y, button="left", buttons=1)
    page("Input.dispatchMouseEvent", type="mouseReleased", x=x - 60, y=y, button="left", clickCount=1)
    assert page.evaluate("document.querySelector('.view').scrollLeft") > before + 30


def test_two_fingers_zoom_the_picture(page):
    page.resize(PHONE, 800, mobile=True)
    page("Emulation.setTouchEmulationEnabled", enabled=True)
    page.evaluate("document.querySelector('.view').scrollIntoView()")
    before = page.evaluate(ZOOM)
    for kind, apart in (("touchStart", 20), ("touchMove", 40), ("touchMove", 60), ("touchEnd", None)):
        points = [] if apart is None else [{"x": 150 - apart, "y": 60, "id": 0}, {"x": 150 + apart, "y": 60, "id": 1}]
        page("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    page("Emulation.setTouchEmulationEnabled", enabled=False)
    assert page.evaluate(ZOOM) > 2 * before


def test_a_chain_is_shown_alone_by_its_button_and_its_line_and_all_again(page):
    click(page, '.legend button[data-chain="1"]')
    assert page.evaluate("document.querySelector('.legend button[data-chain=\"1\"]').ariaPressed") == "true"
    assert page.evaluate(OPACITY % 1) == 1
    assert page.evaluate(OPACITY % 0) < 0.1
    click(page, '.legend button[data-chain="1"]')
    assert page.evaluate(OPACITY % 0) == 1
    event = "new MouseEvent('click', {bubbles: true})"
    page.evaluate(f"document.querySelector('.chain[data-chain=\"0\"]').dispatchEvent({event})")
    assert page.evaluate(OPACITY % 1) < 0.1
    page.evaluate("document.querySelector('.view').focus()")
    page.press("Escape", 27)
    assert page.evaluate(OPACITY % 1) == 1


def test_a_machine_shows_the_chains_through_it(page):
    row = "[...document.querySelectorAll('.row')].find(row => row.textContent.includes('shared-box'))"
    page.evaluate(f"{row}.dispatchEvent(new MouseEvent('click', {{bubbles: true}}))")
    assert (page.evaluate(OPACITY % 0), page.evaluate(OPACITY % 1)) == (pytest.approx(0.06), 1)


def test_copy_puts_the_command_on_the_clipboard(page):
    shown = page.evaluate("document.querySelector('.commands code').textContent")
    page("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    page("Page.bringToFront")
    click(page, ".copy")
    assert page.evaluate("document.querySelector('#status').textContent") in ("", "Copied")
    assert page.evaluate("navigator.clipboard.readText()") == shown
    assert "--port" in shown


def test_copy_selects_the_command_where_there_is_no_clipboard(page):
    shown = page.evaluate("document.querySelector('.commands code').textContent")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate("document.execCommand = () => false")
    click(page, ".copy")
    assert page.evaluate("String(getSelection())").strip() == shown.strip()
    assert page.evaluate("document.querySelector('#status').textContent").startswith("Selected")


def test_many_commands_can_be_searched(chromium, files):
    chromium.open(files["datacentre"])
    unfold(chromium)
    petals = "document.querySelector('[data-engine=petals]')"
    shown = f"[...{petals}.querySelectorAll('.commands li')].filter(item => item.getClientRects().length).length"
    every = chromium.evaluate(shown)
    chromium.evaluate(
        f"(field => {{ field.value = 'h100-16'; field.dispatchEvent(new Event('input')) }})"
        f"({petals}.querySelector('input'))"
    )
    assert every > 300
    assert chromium.evaluate(shown) == 1


def test_heads_sort_numbers_with_units_and_commas(page):
    page.evaluate("""(body => { body.rows[0].cells[1].textContent = '1,230 s'; })
                     (document.querySelector('[id^=response-times] table').tBodies[0])""")
    click(page, "[id^=response-times] th button")
    column = "[...document.querySelector('[id^=response-times] table').tBodies[0].rows].map(r => r.cells[1].innerText)"
    assert page.evaluate(column)[-1] == "1,230 s"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(page, scheme):
    page.emulate(scheme=scheme)
    contrasts = page.contrasts(*TEXTS)
    assert min(contrasts.values()) >= READABLE, contrasts
    assert (page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)") == (
        scheme == "light"
    )


def test_names_that_users_chose_run_no_script(chromium, files):
    chromium.resize(WIDE, 800)
    chromium.open(files["hostile"])
    dialogs = [event for event in chromium.events if event["method"] == "Page.javascriptDialogOpening"]
    assert dialogs == []
    assert chromium.evaluate("document.querySelectorAll('script').length") == 1
    assert chromium.evaluate("document.querySelector('h1').textContent") == HOSTILE
    assert chromium.evaluate("document.querySelectorAll('[onmouseover]').length") == 0


def test_print_has_everything_but_the_controls(page):
    click(page, "[data-zoom=in]")
    page.emulate(media="print", scheme="dark")
    seen = "[...document.querySelectorAll('.zoom, .copy, nav')].filter(e => e.getClientRects().length).length"
    assert page.evaluate(seen) == 0
    assert page.evaluate(ZOOM) <= 1.01
    assert b64decode(page("Page.printToPDF")["data"]).startswith(b"%PDF")
