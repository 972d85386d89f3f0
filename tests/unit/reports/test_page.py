"""The report as a file: correct for names of any kind, and without other files."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree as ET

import pytest

from migrator.records.build import Built, SourceAccount, TargetAccount
from migrator.records.plan import Fate
from migrator.records.verify import BrokenContract
from migrator.reports import charts, page
from migrator.reports.page import Report
from migrator.stages.verify.evidence import Evidence, Outcome, Said, Why

HOSTILE = "<script>alert('x')</script>\n\"quoted\" `tick` |pipe| \x00\x1b[31m \u202e" + "w" * 1_000_000
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def said(name, verdict=Outcome.HELD, **more):
    return Said(
        id=name, clause="L1", verdict=verdict, milliseconds=12, counts=MappingProxyType({"judged_rows": 1234}), **more
    )


def report(*contracts, broken=(), built=None, name="jarvis.db", complaints=(), reasons=()):
    return Report(
        evidence=Evidence(
            made="2026-01-31T12:00:00Z",
            versions={"migrator": "1", "sqlite": "3"},
            legacy={name: "a" * 64},
            consolidated={"core": "b" * 64},
            configuration="c",
            mappings="d",
            suite="e",
            contracts=contracts or (said("verify/holds[core]"),),
            deselected=0,
            waivers=(),
            quarantine={"core.trades": {"NOT NULL id": 3}},
            complaints=complaints,
        ),
        broken=broken,
        built=built,
        reasons=reasons,
    )


def built(name="jarvis"):
    return Built(
        run="0001",
        stage=Path("stage"),
        digests={},
        sources=(
            SourceAccount(
                source=f"{name}.trades", fate=Fate.MAPPED, into="core.trades", rows=10, mapped=7, quarantined=3
            ),
            SourceAccount(source=f"{name}.items", fate=Fate.CARRIED, into="analytics.legacy_items", rows=5, carried=5),
            SourceAccount(source="raid_bot.raids", fate=Fate.STANDALONE, rows=2, standing=2),
        ),
        targets=(
            TargetAccount(
                table="core.trades", rows=8, from_legacy=7, stubs=1, quarantined={f"CHECK {name}": 3}, seconds=0.1
            ),
        ),
        mismatches={},
        seconds=1.0,
    )


class Page(HTMLParser):
    """What a browser would make of it: tags, attributes, the text outside of styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self._style = set(), [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        self._style = tag == "style"

    def handle_data(self, data):
        if not self._style:
            self.text += data


def text_of(html):
    return " ".join(Page(html.replace("</td>", " </td>")).text.split())


def test_the_verdict_comes_first():
    go, stale = report(), report(reasons=("legacy jarvis.db has changed since it was judged",))
    broken = report(said("verify/x[core]", Outcome.BROKEN), broken=(BrokenContract(name="x", says="core: lost"),))

    assert "GO: 1 contracts hold" in text_of(page.html(go))
    assert "NO-GO: 0 contracts hold, 1 broken" in text_of(page.html(broken))
    assert (
        "STALE: 1 contracts hold The evidence does not fit the files as they are now: legacy jarvis.db has"
        in text_of(page.html(stale))
    )
    assert ["## GO:", "## NO-GO:", "## STALE:"] == [
        " ".join(page.markdown(one).split()[:2]) for one in (go, broken, stale)
    ]


def test_what_is_waived_or_was_not_asked_is_not_green():
    found = text_of(
        page.html(
            report(
                said("verify/w[core]", Outcome.WAIVED),
                said("verify/s[core]", Outcome.SKIPPED, why=Why.NO_DATA),
                said("verify/h[core]"),
            )
        )
    )

    assert "1 broken contracts are waived: they do not hold." in found
    assert "verify/w[core] L1 waived" in found
    assert "skipped: the legacy set has none of its tables" in found


def test_every_row_is_in_the_flow():
    drawn = charts.flow(built().sources)

    assert {
        "jarvis to core: 7 rows",
        "jarvis to quarantine: 3 rows",
        "jarvis to analytics: 5 rows",
        "raid_bot to left alone: 2 rows",
    } == {ribbon.title for ribbon in drawn.ribbons}
    left = sum(node.rows for node in drawn.nodes if node.kind == "source")
    assert 17 == left == sum(node.rows for node in drawn.nodes if node.kind != "source")
    assert all(node.y + node.height <= drawn.height for node in drawn.nodes)
    assert (0, ()) == (len(charts.flow(()).nodes), charts.flow(()).ribbons)


def test_bars_are_wellformed_without_scripts():
    drawn = charts.bars("x", ["a<b&", "c"], {"rows": [0, 5], "more": [1, 2]}, logarithmic=True)

    tags = {node.tag.rpartition("}")[2] for node in ET.fromstring(drawn).iter()}  # noqa: S314 - drawn just now
    assert "rect" in tags
    assert "script" not in tags
    assert "a&lt;b&amp;" in drawn


def test_one_row_has_a_bar_and_ten_times_as_many_one_step_more():
    drawn = ET.fromstring(charts.bars("x", ["a", "b", "c"], {"rows": [1, 10, 100]}, logarithmic=True))  # noqa: S314 - drawn just now

    of_bars = [node for node in drawn.iter() if "rect reactive" in node.get("class", "")]
    short, middle, long = sorted(float(node.get("width")) for node in of_bars)
    assert 5 < short < middle < long
    assert pytest.approx(long - middle, rel=0.01) == middle - short


def test_a_long_name_keeps_the_end_that_tells_it_from_others():
    slow = [said(f"monitor/a_name_that_is_much_too_long_for_the_room_beside_a_chart[{case}]") for case in (1, 2)]

    found = page.html(report(*slow))

    assert "monitor/a_name_that_is_m…e_room_beside_a_chart[1]" in found
    assert "monitor/a_name_that_is_m…e_room_beside_a_chart[2]" in found


@pytest.mark.parametrize("what", ["name", "says", "complaint", "built"])
def test_whatever_a_name_holds_it_is_shown_and_does_nothing(what):
    hostile = report(
        said(HOSTILE if what == "name" else "x", Outcome.BROKEN),
        broken=(BrokenContract(name="x", says=HOSTILE * (2 if what == "says" else 0)),),
        complaints=(HOSTILE,) if what == "complaint" else (),
        built=built(HOSTILE) if what == "built" else None,
        name=HOSTILE if what == "name" else "jarvis.db",
    )

    html, summary = page.html(hostile), page.markdown(hostile)

    found = Page(html)
    assert not {"script", "img", "iframe", "link", "object"} & found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in {"src", "href"}]
    assert "<script>alert" not in html
    assert "1,000,0" in html
    assert 400_000 > len(html) + len(summary)
    assert not set(html + summary) & {"\x00", "\x1b", "\u202e"}
    for line in summary.splitlines():
        # Raw HTML, or a cell that ends early, would need one of these outside of a code span.
        outside = re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", line)
        assert "<" not in outside
        assert "alert" not in outside


def test_nothing_is_fetched_from_elsewhere():
    html = page.html(report(built=built()))

    assert {"http://www.w3.org/2000/svg"} >= set(re.findall(r"https?://[^\"'\s<)]+", html))
    assert not re.search(r"@import|url\(", html)
    assert "default-src 'none'" in html


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; .ci/run installs one where it can")
@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_shows_it_in_the_width_at_hand(tmp_path, width):
    tables = [f"core.table_{number}" for number in range(30)]
    whole = built()
    targets = tuple(
        TargetAccount(table=name, rows=9, from_legacy=9, stubs=0, quarantined={"CHECK " + "x" * 70: 1}, seconds=0.0)
        for name in tables
    )
    html = page.html(report(built=Built(**{n: getattr(whole, n) for n in Built.__slots__} | {"targets": targets})))
    # Only this test measures by a script; the page has none, and forbids any.
    measured = re.sub(r"<meta http-equiv[^>]+>", "", html).replace(
        "</body>",
        "<script>const e = document.documentElement; document.title = 'overflow ' + (e.scrollWidth - e.clientWidth)</script></body>",
    )
    # Chromium's window is never narrower than 500: a frame is.
    (tmp_path / "inner.html").write_text(measured, encoding="utf-8")
    (tmp_path / "outer.html").write_text(
        f"<iframe id=f src=inner.html style='width:{width}px;height:900px;border:0'></iframe>"
        "<script>onload = () => { document.title = f.contentDocument.title + ' of ' + f.clientWidth }</script>",
        encoding="utf-8",
    )

    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
         f"--user-data-dir={tmp_path}/profile", "--dump-dom", (tmp_path / "outer.html").as_uri()],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    assert f"<title>overflow 0 of {width}</title>" in done.stdout
