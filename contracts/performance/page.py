"""Writes the figures on docs/reference/performance.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from contracts.performance.bars import bars

#: The figures are between these two lines of the page; the rest is written by hand and kept.
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
#: Work -> the work with which it is compared.
WRITING, READING = "VACUUM INTO", "reading the rows through SQL"
LIMITS: Mapping[str, str] = {
    "build": WRITING,
    "cp of the three": WRITING,
    "naive row by row": WRITING,
    "executemany": WRITING,
    ".dump into sqlite3": WRITING,
    "sqlite-utils": WRITING,
    "proof": READING,
    "reading all bytes": READING,
    "EXCEPT both ways": READING,
    "sqldiff": READING,
    "migrate": "naive row by row",
}
#: The project's goals at a million rows: ratio -> shape -> at least, goal.
REACH: Mapping[tuple[str, str], Mapping[str, tuple[float, ...]]] = {
    ("build", WRITING): {"specified": (2.0,), "found": (8.0, 4.0)},
    ("proof", READING): {"specified": (8.0,), "found": (10.0, 6.0)},
    ("migrate", "naive row by row"): {"specified": (0.5,), "found": (1.0, 0.6)},
}

Took = Sequence[Mapping[str, Any]]


def write(results: Mapping[str, Any], page: Path, picture: Path) -> None:
    """Write the figures to *page*, between its two lines, and the *picture*."""
    text = page.read_text(encoding="utf-8") if page.exists() else f"# How fast\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = "\n".join(figures(results, picture.name))
    page.write_text(f"{before}{BEGIN}\n\n{lines}\n{END}{after}", encoding="utf-8")
    picture.write_text(chart(results), encoding="utf-8")


def figures(results: Mapping[str, Any], picture: str) -> Iterator[str]:
    """Yield the lines of the figures: ratios, every set, the queries."""
    sets = sorted(results.get("sets", {}).values(), key=itemgetter("variant", "rows"))
    yield from _reach(sets)
    if sets:
        yield f"![Processor time of everything, in units of VACUUM INTO]({picture})"
        yield ""
    for measured in sets:
        yield from _set(measured)
    yield from _growth(results.get("alone", {}))
    if "questions" in results:
        yield from _questions(results["questions"])


def _reach(sets: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Ratios"
    yield ""
    yield "Medians of processor time over the rounds of one run, in brackets of elapsed time."
    yield ""
    yield "| | shape | at least | goal | " + " | ".join(f"{rows:,} rows" for rows in _sizes(sets)) + " |"
    yield "|---|---|---:|---:|" + "---:|" * len(_sizes(sets))
    for (work, limit), shapes in REACH.items():
        for variant, wanted in shapes.items():
            by_rows = {measured["rows"]: measured["took"] for measured in sets if measured["variant"] == variant}
            cells = [
                f"{ratio(by_rows[rows], work, limit, 'cpu_s'):.1f} ({ratio(by_rows[rows], work, limit, 'wall_s'):.1f})"
                if rows in by_rows
                else ""
                for rows in _sizes(sets)
            ]
            goal = f"{wanted[1]:g}" if len(wanted) > 1 else ""
            yield f"| {work} / {limit} | {variant} | {wanted[0]:g} | {goal} | {' | '.join(cells)} |"
    yield ""


def _sizes(sets: Sequence[Mapping[str, Any]]) -> list[int]:
    return sorted({measured["rows"] for measured in sets})


def ratio(took: Mapping[str, Took], work: str, limit: str, what: str) -> float:
    """Return the median ratio of *work* to *limit* in *what*, ``cpu_s`` or ``wall_s``."""
    pairs = zip(took[work], took[limit], strict=False)
    return float(statistics.median(mine[what] / max(theirs[what], 1e-6) for mine, theirs in pairs))


def _median(every: Took, what: str) -> float:
    return float(statistics.median(run[what] for run in every))


def _peak(every: Took) -> str:
    """Return the peak memory of all rounds; '' if it was not measured."""
    peaks = [run["peak_mib"] for run in every if run["peak_mib"] is not None]
    return f"{max(peaks):,.0f}" if peaks else ""


def _set(measured: Mapping[str, Any]) -> Iterator[str]:
    took: Mapping[str, Took] = measured["took"]
    yield f"## {measured['rows']:,} rows, as {measured['variant']}"
    yield ""
    yield from _circumstances(measured, f"the legacy files have {measured['legacy_mib']:,} MiB")
    yield "| | rounds | rows/s | seconds | CPU seconds | peak MiB | ratio of CPU | of time | to |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---|"
    for name, every in sorted(took.items(), key=lambda entry: _order(entry[0])):
        wall_s = _median(every, "wall_s")
        limit = LIMITS.get(name, "")
        ratios = (
            f"{ratio(took, name, limit, 'cpu_s'):.2f} | {ratio(took, name, limit, 'wall_s'):.2f}" if limit else " | "
        )
        yield (
            f"| {name} | {len(every)} | {measured['rows'] / wall_s:,.0f} | {wall_s:.2f} | {_median(every, 'cpu_s'):.2f}"
            f" | {_peak(every)} | {ratios} | {limit} |"
        )
    yield ""
    whole = sum(measured["profile"].values())
    parts = [
        f"{kind} {cpu_s / whole:.0%}"
        for kind, cpu_s in sorted(measured["profile"].items(), key=itemgetter(1), reverse=True)
        if cpu_s >= whole / 100
    ]
    yield f"Where the processor time of a build goes: {', '.join(parts)}."
    yield ""


def _order(name: str) -> tuple[int, str]:
    first = ("build", WRITING, "proof", READING, "migrate", "naive row by row")
    return (first.index(name), "") if name in first else (len(first), name)


def _circumstances(measured: Mapping[str, Any], more: str) -> Iterator[str]:
    yield (
        f"{measured['date']}, {measured['machine']}, SQLite {measured['sqlite']}, Python {measured['python']}; runnable processes:"
        f" {' before, '.join(measured['load'])} after; {more}."
    )
    yield ""
    yield f"`{measured['command']}`"
    yield ""


def _growth(alone: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines on how time and memory of a build grow with the rows."""
    if not alone:
        return
    yield "## How a build grows"
    yield ""
    for variant, measured in sorted(alone.items()):
        took: Mapping[str, Took] = measured["took"]
        yield from _circumstances(measured, "sizes in turn")
        yield "| rows | shape | rounds | seconds | CPU seconds | peak MiB |"
        yield "|---:|---|---:|---:|---:|---:|"
        rising = sorted(took, key=int)
        for rows in rising:
            every = took[rows]
            yield (
                f"| {int(rows):,} | {variant} | {len(every)} | {_median(every, 'wall_s'):.1f}"
                f" | {_median(every, 'cpu_s'):.1f} | {_peak(every)} |"
            )
        yield ""
        few, many = rising[0], rising[-1]
        wall, cpu = (ratio(took, many, few, what) for what in ("wall_s", "cpu_s"))
        yield (
            f"{int(many) / int(few):.1f} times the rows, as {variant}, took {wall:.1f} times the elapsed time and"
            f" {cpu:.1f} times the processor time, medians of the rounds."
        )
        yield ""


def _questions(measured: Mapping[str, Any]) -> Iterator[str]:
    yield f"## The bot's queries, {measured['rows']:,} rows"
    yield ""
    yield from _circumstances(measured, f"each mix ran for {measured['seconds']:g} s, legacy and ours in turn")
    yield "| readers | connection | writer | legacy p50 ms | p95 | a second | ours p50 ms | p95 | a second | writes a second, legacy and ours | locked |"
    yield "|---:|---|---|---:|---:|---:|---:|---:|---:|---|---|"
    for each in measured["mixes"]:
        sides = " | ".join(
            f"{each[side]['p50_ms']:.3f} | {each[side]['p95_ms']:.2f} | {each[side]['a_second']:,.0f}"
            for side in ("legacy", "ours")
        )
        writes = (
            f"{each['legacy']['writes_a_second']:.0f}, {each['ours']['writes_a_second']:.0f}" if each["writing"] else ""
        )
        yield (
            f"| {each['readers']} | {'reused' if each['reuse'] else 'for each query'} | {'yes' if each['writing'] else ''}"
            f" | {sides} | {writes} | {each['legacy']['locked']}, {each['ours']['locked']} |"
        )
    yield ""
    yield (
        "One by measured, in turn, on a reused connection, in processor time; a query with a finding is on"
        " [findings.md](findings.md)."
    )
    yield ""
    yield "| query | frequency | legacy p50 ms | p95 | ours p50 ms | p95 | finding | plan on ours |"
    yield "|---|---|---:|---:|---:|---:|---|---|"
    for name, each in measured["each"].items():
        legacy, ours = each["legacy_ms"], each["ours_ms"]
        yield (
            f"| {name} | {each['often']} | {legacy[0]:.3f} | {legacy[1]:.3f} | {ours[0]:.3f} | {ours[1]:.3f}"
            f" | {'yes' if each['finding'] else ''} | {'; '.join(each['plan'])} |"
        )
    yield ""


def chart(results: Mapping[str, Any]) -> str:
    """Return as SVG the processor time of each writing work, in units of VACUUM INTO."""
    sets = [
        entry
        for entry in results.get("sets", {}).values()
        if entry["variant"] == "found" and "sqlite-utils" in entry["took"]
    ]
    sets = sets or list(results.get("sets", {}).values())
    if not sets:
        return bars("performance", (), {})
    took = max(sets, key=itemgetter("rows"))["took"]
    names = sorted(
        {name for name, limit in LIMITS.items() if name in took and limit == WRITING} | {"migrate", WRITING},
        key=lambda name: _median(took[name], "cpu_s"),
    )
    values = [ratio(took, name, WRITING, "cpu_s") for name in names]
    return bars("performance", names, {"times VACUUM INTO": values})
