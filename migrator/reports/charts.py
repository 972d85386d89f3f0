"""Charts of a run as SVG: the flow of rows, and bars; without scripts or external resources."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from migrator.records.build import SourceAccount

_SVG = "http://www.w3.org/2000/svg"
#: Width of the flow picture and of its nodes, least height of a node, room between two, all in units of its view box.
_WIDTH, _NODE, _LEAST, _GAP = 720.0, 12.0, 2.0, 13.0
#: Height of all rows together.
_ROWS = 420.0

_STYLE = {
    "background": "transparent",
    "plot_background": "transparent",
    "foreground": "#333",
    "foreground_strong": "#111",
    "foreground_subtle": "#777",
    "colors": ("#2f6f6d", "#b5482a", "#8a8a8a"),
    "font_family": "system-ui, sans-serif",
    "label_font_size": 12,
    "legend_font_size": 13,
    "value_font_size": 11,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A bar of the flow picture.

    Attributes:
        name: The database, or the fate, that it stands for.
        rows: Its rows.
        kind: ``source``, ``home``, ``quarantine`` or ``alone``: its colour.
        x: Its left edge.
        y: Its upper edge.
        height: Its height.
    """

    name: str
    rows: int
    kind: str
    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ribbon:
    """A stream of rows between two bars.

    Attributes:
        title: Its tooltip.
        kind: The kind of the bar that it ends in.
        path: Its outline, as SVG writes paths.
    """

    title: str
    kind: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The flow picture.

    Attributes:
        width: Of its view box.
        height: Of its view box.
        nodes: The bars.
        ribbons: The streams between them.
    """

    width: float
    height: float
    nodes: tuple[Node, ...]
    ribbons: tuple[Ribbon, ...]


def flow(sources: Sequence[SourceAccount]) -> Flow:
    """Return the flow picture of the rows of each legacy database, from the accounts of its tables."""
    streams: dict[tuple[str, str], int] = {}
    for account in sources:
        database = account.source.partition(".")[0]
        parts = {
            account.into.partition(".")[0]: account.mapped + account.carried,
            "quarantine": account.quarantined,
            "left alone": account.standing,
        }
        for into, rows in parts.items():
            if rows:
                streams[database, into] = streams.get((database, into), 0) + rows
    total = sum(streams.values()) or 1
    order = [*sorted({into for _, into in streams} - {"quarantine", "left alone"}), "quarantine", "left alone"]
    left = _column(_sums(streams, 0), total, 190.0, lambda _: "source")
    right = _column(_sums(streams, 1), total, _WIDTH - 190.0 - _NODE, _kind, order)
    begun = dict.fromkeys((*left, *right), 0.0)
    ribbons = []
    for (database, into), rows in sorted(
        streams.items(), key=lambda stream: (left[stream[0][0]].y, order.index(stream[0][1]))
    ):
        from_, to = left[database], right[into]
        share = (rows / from_.rows * from_.height, rows / to.rows * to.height)
        tops = (from_.y + begun[database], to.y + begun[into])
        begun[database] += share[0]
        begun[into] += share[1]
        path = _band(from_.x + _NODE, tops[0], share[0], to.x, tops[1], share[1])
        ribbons.append(Ribbon(title=f"{database} to {into}: {rows:,} rows", kind=to.kind, path=path))
    nodes = (*left.values(), *right.values())
    height = max((node.y + node.height for node in nodes), default=0.0) + _GAP
    return Flow(width=_WIDTH, height=round(height, 1), nodes=nodes, ribbons=tuple(ribbons))


def _sums(streams: Mapping[tuple[str, str], int], end: int) -> dict[str, int]:
    sums: dict[str, int] = {}
    for ends, rows in streams.items():
        sums[ends[end]] = sums.get(ends[end], 0) + rows
    return sums


def _column(
    rows: Mapping[str, int], total: int, x: float, kind: Callable[[str], str], order: Sequence[str] | None = None
) -> dict[str, Node]:
    """Return the bars of one side, from above: in *order*, else the largest first."""
    names = [name for name in order if name in rows] if order else sorted(rows, key=lambda name: (-rows[name], name))
    nodes, y = {}, _GAP
    for name in names:
        height = max(rows[name] / total * _ROWS, _LEAST)
        nodes[name] = Node(name=name, rows=rows[name], kind=kind(name), x=x, y=round(y, 1), height=round(height, 1))
        y += height + _GAP
    return nodes


def _kind(into: str) -> str:
    return {"quarantine": "quarantine", "left alone": "alone"}.get(into, "home")


def _band(x: float, y: float, height: float, to_x: float, to_y: float, to_height: float) -> str:
    middle = (x + to_x) / 2
    return (
        f"M{x:.1f},{y:.1f}C{middle:.1f},{y:.1f} {middle:.1f},{to_y:.1f} {to_x:.1f},{to_y:.1f}"
        f"V{to_y + to_height:.1f}C{middle:.1f},{to_y + to_height:.1f} {middle:.1f},{y + height:.1f} {x:.1f},{y + height:.1f}Z"
    )


def bars(name: str, labels: Sequence[str], series: Mapping[str, Sequence[float]], *, logarithmic: bool = False) -> str:
    """Return horizontal bars as SVG.

    Args:
        name: Tells this chart from others on the page.
        labels: One for each bar, the first on top.
        series: What is counted -> a number for each bar.
        logarithmic: Whether each grid line stands for ten times the one before.
    """
    # Imported late: only a report needs it.
    import pygal  # noqa: PLC0415
    from pygal.style import Style  # noqa: PLC0415

    # pygal installs an importer with an interface that Python 3.12 dropped, over which pytest fails.
    sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    chart = pygal.HorizontalBar(
        style=Style(**_STYLE),
        # The logarithm of 1 is 0, but one row needs a visible bar.
        zero=0.5 if logarithmic else 0,
        js=(),
        width=720,
        height=60 + 26 * max(len(labels), 1),
        legend_at_bottom=True,
        show_legend=len(series) > 1,
        logarithmic=logarithmic,
        print_values=True,
        print_values_position="top",
        show_y_guides=False,
        show_x_guides=False,
        # pygal turns a horizontal chart's axes round before it labels them: this is the axis of numbers.
        show_x_labels=False,
        print_zeroes=False,
        value_formatter=lambda value: f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2f}",
        margin=6,
        margin_right=48,
        spacing=6,
    )
    chart.uuid = name
    chart.x_labels = list(reversed(labels))
    for title, values in series.items():
        # 0 has no logarithm.
        chart.add(title, [value or None for value in reversed(values)])
    drawn = ET.fromstring(chart.render())  # noqa: S314 - drawn just now
    ET.register_namespace("", _SVG)
    for parent in list(drawn.iter()):
        for child in list(parent):
            if child.tag == f"{{{_SVG}}}script":
                parent.remove(child)
            elif child.get("text-anchor") == "middle" and child.get("class") == "value":
                # Beyond the end of its bar, not across it.
                child.set("text-anchor", "start")
    drawn.set("role", "img")
    return ET.tostring(drawn, encoding="unicode")
