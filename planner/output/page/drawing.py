"""The page's picture: machines with their blocks, links to the orchestrator, and chains along the blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from planner.output.page.bundles import Bundle, bundles_of
from planner.output.rows import MOST_ROWS, Row, rows_of
from planner.results import Plan
from planner.words import percent
from system.pages.markup import Markup, html_of, joined
from system.words import counted

# In units of the drawing, of which a wide screen shows about one in a pixel.
HUB, LINKS, LABELS, BLOCKS, EDGE = 84, 40, 280, 610, 66  # widths
NAMES = HUB + LINKS + 50  # where names begin, behind round-trip times
LEFT = HUB + LINKS + LABELS
WIDTH = LEFT + BLOCKS + EDGE
MARGIN = 34  # above and below the rows
ROW, SMALL_ROW = 26, 15  # heights
HUB_ROW = 8  # beside which the orchestrator is, so that it is seen first
LABEL = 36  # characters of a name
COLOURS = 8  # of chains; the others are grey
TICKS = 8  # about


@dataclass(frozen=True)
class Canvas:
    """A plan with the rows that the picture shows, and their places in it."""

    plan: Plan
    rows: Sequence[Row]
    left_out: int  # servers on no chain, of a plan with many rows

    @cached_property
    def bundles(self) -> list[Bundle]:
        """Return the chains to draw."""
        return bundles_of(self.plan, self.rows)

    @property
    def has_many(self) -> bool:
        """Return whether rows must be small."""
        return len(self.rows) > MOST_ROWS

    @property
    def row_height(self) -> int:
        """Return the height of a row."""
        return SMALL_ROW if self.has_many else ROW

    @property
    def height(self) -> int:
        """Return the height of the whole picture."""
        return 2 * MARGIN + self.row_height * len(self.rows)

    def y(self, row: float) -> float:
        """Return the middle of a row."""
        return MARGIN + self.row_height * (row + 0.5)

    def x(self, block: int) -> float:
        """Return where a block begins."""
        return LEFT + BLOCKS * block / self.plan.inventory.model.block_count


def canvas_of(plan: Plan) -> Canvas:
    """Return the canvas of a plan.

    Of many rows it has only those with chains.
    """
    rows = rows_of(plan)
    if len(rows) <= MOST_ROWS:
        return Canvas(plan, rows, 0)
    on_chains = set(plan.composition.hop_server.tolist())
    kept = [row for row in rows if not on_chains.isdisjoint(row.servers)]
    return Canvas(plan, kept, sum(len(row.servers) for row in rows) - sum(len(row.servers) for row in kept))


def drawing_of(plan: Plan) -> Markup:
    """Return the picture with its buttons and its legend."""
    canvas = canvas_of(plan)
    shapes = joined([*_axis(canvas), *_links(canvas), *_bars(canvas), *_chains(canvas)])
    model = plan.inventory.model
    label = f"{counted(len(canvas.rows), 'row')} of machines by the {model.block_count} blocks of {model.name}, with "
    label += counted(len(plan.composition), "chain")
    svg = f'<svg viewBox="0 0 {WIDTH} {canvas.height}" role="img" aria-label="{html_of(label)}">\n{shapes}</svg>'
    many = ' data-rows="many"' if canvas.has_many else ""
    return Markup(
        f'<div class="picture">\n{_buttons()}<div class="view" role="region" tabindex="0"{many} '
        f'aria-label="Picture of the plan: plus, minus, 0 and 1 zoom, arrow keys move">{svg}</div>\n'
        f"{_note(canvas)}{_legend(canvas.bundles)}</div>\n"
    )


def _buttons() -> Markup:
    names = {"in": ("+", "Zoom in"), "out": ("\N{MINUS SIGN}", "Zoom out"), "width": ("Width", "Show the whole width")}
    names |= {"whole": ("Whole", "Show the whole picture")}
    buttons = "".join(
        f'<button type="button" data-zoom="{key}" aria-label="{words}">{sign}</button>'
        for key, (sign, words) in names.items()
    )
    return Markup(f'<div class="zoom" role="group" aria-label="Zoom">{buttons}</div>\n')


def _note(canvas: Canvas) -> Markup:
    """Return how to read the picture."""
    is_hub = canvas.plan.composition.system.forwarding == "hub"
    text = (
        "A bar shows the blocks of a machine, darker where more of its cache is in use; its share is at the right. "
        "A line is a chain: it runs along blocks, and down or up where a request goes "
        f"{'through the orchestrator' if is_hub else 'straight'} to the next machine. Thin lines at the left are links "
        "to the orchestrator, with their round-trip times. Choose a chain or a machine to see its chains alone."
    )
    if canvas.left_out:
        text += f" {counted(canvas.left_out, 'server')} on no chain are in the tables only."
    return Markup(f'<p class="note">{html_of(text)}</p>\n')


def _axis(canvas: Canvas) -> Iterator[Markup]:
    """Yield the numbers of blocks with lines down the picture."""
    blocks, end = canvas.plan.inventory.model.block_count, canvas.height - MARGIN
    step = next(size for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, blocks) if size * TICKS >= blocks)
    for block in dict.fromkeys([*range(0, blocks - step // 2, step), blocks]):
        x = canvas.x(block)
        yield Markup(f'<path class="grid" d="M{x:.1f} {MARGIN}V{end}"/>')
        for y in (MARGIN - 8, end + 18):
            yield Markup(f'<text class="tick" x="{x:.1f}" y="{y}">{block}</text>')
    yield Markup(f'<text class="tick" x="{LEFT + BLOCKS / 2}" y="{canvas.height - 2}">block</text>\n')


def _links(canvas: Canvas) -> Iterator[Markup]:
    """Yield the orchestrator and its link to each row."""
    middle = canvas.y(min((len(canvas.rows) - 1) / 2, HUB_ROW))
    rtt_s = canvas.plan.composition.system.servers.orchestrator_rtt_s
    for n, row in enumerate(canvas.rows):
        y = canvas.y(n)
        curve = f"M{HUB} {middle:.1f}C{HUB + 25} {middle:.1f} {HUB + 10} {y:.1f} {HUB + LINKS - 6} {y:.1f}"
        yield Markup(f'<path class="link" data-row="{n}" d="{curve}"/>')
        if rtt_s is not None:
            text = _milliseconds(rtt_s[list(row.servers)])
            yield Markup(f'<text class="rtt" x="{NAMES - 6}" y="{y + 4:.1f}">{text}</text>')
    yield Markup(
        f'<rect class="hub" x="2" y="{middle - 15:.1f}" width="{HUB - 2}" height="30" rx="6"/>'
        f'<text class="hubname" x="{HUB / 2 + 1}" y="{middle + 4:.1f}">orchestrator</text>\n'
    )


def _milliseconds(rtt_s: NDArray[np.float64]) -> str:
    """Return the smallest and largest round-trip times as text."""
    low, high = (f"{1000 * value:.3g}" for value in (rtt_s.min(), rtt_s.max()))
    return f"{low} ms" if low == high else f"{low}-{high} ms"


def _bars(canvas: Canvas) -> Iterator[Markup]:
    """Yield each row's name, blocks and share of the cache in use."""
    placement, thick = canvas.plan.composition.placement, 0.7 * canvas.row_height
    for n, row in enumerate(canvas.rows):
        first, end = (int(ends[row.servers[0]]) for ends in (placement.first_block, placement.end_block))
        x, y, share = canvas.x(first), canvas.y(n), percent(row.utilisation)
        label = row.label if len(row.label) <= LABEL else f"{row.label[: LABEL - 1]}…"
        words = f"{row.label}: {counted(len(row.servers), 'server')}, blocks {first}:{end}, {share} of the cache in use"
        yield Markup(
            f'<g class="row" data-row="{n}"><title>{html_of(words)}</title>'
            f'<text class="name" x="{NAMES}" y="{y + 4:.1f}">{html_of(label)}</text>'
            f'<rect x="{x:.1f}" y="{y - thick / 2:.1f}" width="{canvas.x(end) - x:.1f}" height="{thick:.1f}" '
            f'style="--use: {row.utilisation:.3f}"/>'
            f'<text class="share" x="{WIDTH - 4}" y="{y + 4:.1f}">{share}</text></g>\n'
        )


def _chains(canvas: Canvas) -> Iterator[Markup]:
    """Yield a line for each bundle, the fastest on top."""
    bundles = canvas.bundles
    widest, coloured = max(bundle.capacity for bundle in bundles), min(len(bundles), COLOURS)
    for number in reversed(range(len(bundles))):
        bundle = bundles[number]
        share = (number + 0.5) / coloured - 0.5 if number < COLOURS else 0.0  # so that lines do not hide others
        rows = " ".join(str(stretch.row) for stretch in bundle.stretches)
        yield Markup(
            f'<g class="chain" data-chain="{number}" data-colour="{_colour(number)}" data-rows="{rows}">'
            f"<title>{html_of(bundle.title)}</title>"
            f'<path d="{_path(canvas, bundle, share)}" style="--wide: {1 + 2.5 * bundle.capacity / widest:.2f}"/></g>\n'
        )


def _path(canvas: Canvas, bundle: Bundle, share: float) -> str:
    """Return a bundle's line, row after row along the blocks."""
    points = []
    for stretch in bundle.stretches:
        y = canvas.y(stretch.row) + 0.55 * canvas.row_height * share
        points += [f"{canvas.x(block):.1f} {y:.1f}" for block in (stretch.first, stretch.end)]
    return "M" + "L".join(points)


def _colour(number: int) -> str:
    return str(number) if number < COLOURS else "grey"


def _legend(bundles: Sequence[Bundle]) -> Markup:
    """Return a list of buttons, one for each bundle."""
    buttons = "".join(
        f'<li><button type="button" aria-pressed="false" data-chain="{number}" data-colour="{_colour(number)}">'
        f"<b>{html_of(bundle.title)}</b> <span>{html_of(bundle.hops)}</span></button></li>\n"
        for number, bundle in enumerate(bundles)
    )
    return Markup(f'<ul class="legend" aria-label="Chains, fastest first" tabindex="0">\n{buttons}</ul>\n')
