"""Draws horizontal bars as SVG, without scripts or external resources."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

_SVG = "http://www.w3.org/2000/svg"
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


def bars(name: str, labels: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    """Return horizontal bars as SVG, on a logarithmic scale.

    Args:
        name: Tells this chart from others on the page.
        labels: One for each bar, the first on top.
        series: What is counted -> a number for each bar.
    """
    # Imported late: only the performance page needs it.
    import pygal  # noqa: PLC0415
    from pygal.style import Style  # noqa: PLC0415

    # pygal installs an importer with an interface that Python 3.12 dropped, over which pytest fails.
    sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    chart = pygal.HorizontalBar(
        style=Style(**_STYLE),
        # The logarithm of 1 is 0, but a bar of 1 needs to be seen.
        zero=0.5,
        js=(),
        width=720,
        height=60 + 26 * max(len(labels), 1),
        legend_at_bottom=True,
        show_legend=len(series) > 1,
        logarithmic=True,
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
