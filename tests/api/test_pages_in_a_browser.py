"""The pages in a real browser: headless Chromium, driven by Playwright."""

import time
from collections.abc import Iterator

import pytest

from tests.api.serving import serving
from tests.browser import CONTRAST, SIZES, launched, needs_browser

pytestmark = [pytest.mark.slow, needs_browser]
PAGES = (
    "/ui/rankings",
    "/ui/instruments/ACME",
    "/ui/backtests/b_one",
    "/ui/index",
    "/ui/strategies",
    "/ui/data",
    "/docs",
)


@pytest.fixture(scope="module")
def base(seeded_url, tmp_path_factory) -> Iterator[str]:
    with serving(seeded_url, tmp_path_factory.mktemp("home")) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture
def open_page(base, browser, figure):
    """Opens pages and notes what goes wrong on them: errors, refusals of the policy, requests to another host."""
    contexts, complaints = [], []

    def open_page(path, *, size="desktop", theme="light"):
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda asked: complaints.append(asked.url) if not asked.url.startswith((base, "data:")) else None
        )
        page.goto(base + path)
        page.wait_for_load_state("networkidle")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_fit_their_width_can_be_read_and_ask_nobody_else(open_page, figure, size, theme):
    """Contrast of words is 4.5 and more (WCAG AA)."""
    for path in PAGES:
        page = open_page(path, size=size, theme=theme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        figure(f"first paint of {path}, {size}, {theme}: {paint:.0f} ms")
        if path != "/docs":
            assert page.evaluate("document.documentElement.dataset.theme") == theme
            assert page.evaluate(CONTRAST) == [], path


def test_no_column_of_a_ranking_is_cut_off_however_long_the_names_are(open_page):
    page = open_page("/ui/rankings")
    page.evaluate(
        "document.querySelectorAll('.rank td.name, .rank td.sector').forEach(c => c.textContent = 'Wide '.repeat(20))"
    )
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every(box => box.scrollWidth <= box.clientWidth)")


def test_the_keyboard_moves_explains_and_opens(open_page):
    page = open_page("/ui/rankings")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.querySelector('.ticker').textContent") == "ACME"
    page.keyboard.press("e")
    page.get_by_text("Lifted by forecast (+9.0)").wait_for()
    page.keyboard.press("e")
    assert not page.get_by_text("Lifted by forecast (+9.0)").is_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/instruments/ZETA?profile=balanced")
    page.keyboard.press("g")
    page.keyboard.press("b")
    page.wait_for_url("**/ui/backtests")
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


def test_search_answers_while_one_types(open_page):
    page = open_page("/ui/data")
    page.keyboard.press("/")
    page.keyboard.type("met")
    page.locator("#found a").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/instruments/META")


def test_filters_change_the_table_and_the_address(open_page):
    page = open_page("/ui/rankings")
    page.select_option("select[name=sector]", "Energy")
    page.wait_for_url("**/ui/rankings?profile=balanced&sector=Energy")
    assert page.locator("tr.row").count() == 1
    page.get_by_label("Aggressive").check()
    page.get_by_text("Nothing is ranked here.").wait_for()
    page.go_back()
    page.locator("tr.row").wait_for()


def test_the_theme_that_was_chosen_stays(open_page):
    page = open_page("/ui/index", theme="light")
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_charts_are_drawn_and_say_their_last_values(open_page):
    for path, words in (
        ("/ui/instruments/ACME", ("Close USD", "53.00", "26 Jun 2024")),
        ("/ui/backtests/b_one", ("Book", "1.250", "Benchmark", "1.100")),  # 1 x (1 + 0.1)
        ("/ui/index", ("Index", "105.00", "Benchmark", "102.00")),  # 100 x 1.0 x 1.02
        ("/ui/strategies", ("Account", "909", "Benchmark", "1,020")),  # 1000 x 1.0 x 1.02
    ):
        page = open_page(path)
        page.locator(".chart").first.locator("canvas").first.wait_for()
        said = page.locator(".chart").first.inner_text()
        assert all(word in said for word in words), said
    page = open_page("/ui/instruments/ACME", size="phone")
    page.get_by_role("button", name="Max").click()
    page.locator(".chart[data-drawn=max]").wait_for()


def test_a_server_that_is_gone_is_said_on_the_page(base, browser):
    page = browser.new_page()
    page.route("**/v1/**", lambda route: route.abort())
    page.goto(f"{base}/ui/instruments/ACME")
    page.locator(".chart .none").wait_for()
    page.close()


def test_without_scripts_everything_can_be_read(base, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{base}/ui/rankings")
    page.get_by_role("link", name="ACME").click()
    assert "Revenue" in page.locator("main").inner_text()
    context.close()


def test_a_page_is_there_soon(base, browser, figure):
    """Measured on loopback, after the first visit; said, not asserted."""
    page = browser.new_page()
    for _ in range(2):
        started = time.perf_counter()
        page.goto(f"{base}/ui/rankings", wait_until="load")
        seconds = time.perf_counter() - started
    figure(f"the ranking's page is loaded in {seconds * 1e3:.0f} ms")
    page.close()
