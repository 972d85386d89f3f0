"""The report as a file: correct for names of any kind, and without other files."""

import datetime as dt
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType

import pytest

from migrator.config.waivers import Waiver
from migrator.records.build import Built, SourceAccount, TargetAccount
from migrator.records.plan import Fate
from migrator.records.quarantine import Group, Quarantine
from migrator.records.verify import BrokenContract
from migrator.reports import consequences, page
from migrator.reports.next_steps import Run
from migrator.reports.page import Report
from migrator.stages.verify import freshness
from migrator.stages.verify.evidence import ContractResult, Evidence, Outcome, Why

HOSTILE = "<script>alert('x')</script>\n\"quoted\" `tick` |pipe| \x00\x1b[31m \u202e" + "w" * 1_000_000
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


RUN = Run(options="--data-dir /srv/data", snapshot="/srv/data/backup/0007")
SMALLEST = (
    "python -m contracts.smallest 'verify/row_says_what_was_decided[core.trades]'"
    " --legacy-dir /srv/data/backup/0007 --output test_fault.py"
)
TODAY = dt.date(2026, 1, 31)


def said(name, verdict=Outcome.HELD, **more):
    return ContractResult(
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
            amendments=(),
            decisions="",
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


def no_go(*broken, **more):
    """A report in which contracts are broken: names, clauses and messages."""
    results = [replace(said(name, Outcome.BROKEN), clause=clause) for name, clause, _ in broken]
    return report(*results, broken=tuple(BrokenContract(name=name, says=says) for name, _, says in broken), **more)


def quarantine():
    of = {"target": "core.positions", "broken": "x"}
    return Quarantine(
        rows=45,
        at_stake=11,
        groups=(
            Group(**of, source="jarvis.positions", cause="status is none of open, closed", money="open position",
                  at_stake=9, rows=12, keys=tuple(f"p{number}" for number in range(12))),
            Group(**of, source="jarvis.positions", cause="id is NULL", money="open position", at_stake=2, rows=2,
                  keys=("#1f0c33a2", "#77aa01ff")),
            Group(**of, source="call_tracking.calls", cause="no such token", money="", at_stake=0, rows=31, keys=("c1",)),
        ),
    )  # fmt: skip


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


def headings(html):
    return re.findall(r"<h[123][^>]*>(.*?)</h[123]>", html)


def test_the_verdict_comes_first():
    go, stale = report(), report(reasons=("legacy file jarvis.db has changed since it was judged",))
    broken = no_go(("verify/x[core]", "L8", "core: lost"))
    broken_and_old = replace(broken, reasons=stale.reasons)

    assert "GO: 1 contract holds" == headings(page.html(go))[0]
    assert (
        "NO-GO: 1 contract is broken, 0 hold"
        == headings(page.html(broken))[0]
        == headings(page.html(broken_and_old))[0]
    )
    assert "STALE: GO no longer stands" == headings(page.html(stale))[0]
    for one in (stale, broken_and_old):
        assert "The evidence does not fit the files as they are now: legacy file jarvis.db has changed" in text_of(
            page.html(one)
        )
    for one in (go, broken, stale):
        assert f"## {headings(page.html(one))[0]}" == page.markdown(one).splitlines()[0]


def test_what_is_lost_comes_before_what_to_do_and_that_before_the_tables():
    order = ["What is lost or refused", "What to do now", "Broken contracts", "Rows in quarantine"]
    of_html = [*order, "Where every row went", "Tables", "Contracts", "What was judged"]

    shown = no_go(("verify/x[core]", "L8", "core: lost"), built=built())

    assert of_html == re.findall("<h2>(.*?)</h2>", page.html(shown))
    assert [*order, "Rows"] == re.findall("^### (.*)$", page.markdown(shown), re.MULTILINE)


def test_a_clean_set_has_lost_nothing():
    clean = report()
    clean = replace(clean, evidence=replace(clean.evidence, quarantine={}), run=RUN)

    for made in (text_of(page.html(clean)), page.markdown(clean)):
        assert "Nothing: no row is lost, and no row is refused." in made
        assert "quarantine" not in made.partition("What to do now")[2].partition("migrator cutover")[0]


def test_lost_rows_come_before_missing_statistics_and_money_before_other_tables():
    shown = no_go(
        ("build/statistics_are_stored[core]", "S10", "core: index without statistics"),
        ("verify/row_says_what_was_decided[analytics.calls]", "M1", "a call differs"),
        ("verify/row_says_what_was_decided[core.trades]", "M1", "a trade differs"),
        ("verify/row_says_what_was_decided[core.positions]", "M1", "a position differs"),
        ("verify/no_legacy_row_is_lost", "L8", "5 of 5,157 legacy rows have no row"),
        ("own/a_rule_of_ours", "X1", "ours is broken"),
    )
    order = ["5 of 5,157", "a position", "a trade", "a call", "index without", "ours is"]

    for made in (page.html(shown), page.markdown(shown)):
        assert "Rows are lost" in made.partition("What is lost")[0]
        listed = made.partition("Broken contracts")[2]
        assert sorted(order, key=listed.index) == order
        titles = ["Rows are lost", "Rows hold other values", "Queries may be slow", "Other contracts are broken"]
        told = made.partition("What is lost or refused")[2]
        assert sorted(titles, key=told.index) == titles
        assert all(one.advice in made for one in consequences.consequences(shown.evidence, shown.broken))


def test_every_clause_has_one_meaning_and_what_to_do():
    meant = [clause for one in consequences.CONSEQUENCES for clause in one.clauses]

    assert sorted(freshness.clauses()) == sorted(meant)
    assert all(one.advice.endswith(".") for one in consequences.CONSEQUENCES)


def test_rows_with_money_at_stake_come_first_with_their_keys():
    shown = replace(report(), quarantine=quarantine(), run=RUN)

    html, summary = page.html(shown), page.markdown(shown)

    money, _, others = text_of(html).partition("What to do now")
    assert "Money is at stake in 11 rows." in money
    assert "status is none of open, closed 9 open positions: p0, p1, p2, p3, p4, p5, p6, p7 and 1 more" in money
    assert "id is NULL 2 open positions: #1f0c33a2, #77aa01ff" in money
    assert "no such token" not in money
    assert "31 call_tracking.calls: no such token" in others
    assert "| 12 | `jarvis.positions` | `status is none of open, closed` | **9 open positions** |" in summary
    assert summary.index("| 31 | `call_tracking.calls`") > summary.index("### What to do now")


def test_a_set_in_use_is_shown_with_the_rows_that_are_in_quarantine_now():
    used = replace(report(), quarantine=quarantine(), run=replace(RUN, cut_over=True, accepted=True))

    for made in (text_of(page.html(used)), page.markdown(used)):
        assert "This set is in use. Its quarantine is shown as it is now" in made
        assert "In quarantine: 45 rows" in made
        assert "accepted" not in made


def test_rows_that_are_known_by_their_constraint_alone_name_tables_with_money_first():
    shown = report()
    refused = {
        "core.trades": {"NOT NULL id": 3},
        "core.tax_lots": {"NOT NULL id": 1},
        "core.positions": {"UNIQUE t": 2},
    }
    shown = replace(shown, evidence=replace(shown.evidence, quarantine=refused))

    found = text_of(page.html(shown))

    order = ["core.positions: refused by UNIQUE t 2 positions, perhaps open", "1 lot, perhaps unsold", "What to do now",
             "3 core.trades"]  # fmt: skip
    assert sorted(order, key=found.index) == order


def test_rows_that_the_owners_decided_on_need_nothing_more():
    decided = replace(report(), quarantine=Quarantine(rows=0, at_stake=0, groups=(), settled=3), run=RUN)

    for made in (text_of(page.html(decided)), page.markdown(decided)):
        assert "No open position, active order or unsold lot is left to decide on. 3 rows stay there by your" in made
        assert "migrator quarantine" not in made


@pytest.mark.parametrize(
    ("shown", "commands"),
    [
        ("go", ["quarantine list", "quarantine explain jarvis.positions:p0", "quarantine accept", "cutover", "cutover --execute", "monitor"]),
        ("accepted", ["cutover", "cutover --execute", "monitor"]),
        ("stale", ["migrate", "report"]),
        ("no-go", ["migrate", SMALLEST]),
        ("a complaint", ["verify"]),
        ("in use", ["status", "monitor --env-file /srv/.env"]),
        ("in use, no-go", ["rollback --env-file /srv/.env"]),
        ("any pair", ["status --evidence evidence.json --legacy LEGACY_DIR --consolidated CONSOLIDATED_DIR"]),
    ],
)  # fmt: skip
def test_what_to_do_now_is_commands_with_the_options_of_the_run(shown, commands):
    go = replace(report(), quarantine=quarantine(), run=RUN)
    lost = no_go(("verify/row_says_what_was_decided[core.trades]", "M1", "a trade differs"))
    in_use = replace(RUN, cut_over=True, outside=("--env-file /srv/.env",))
    found = {
        "go": go,
        "accepted": replace(go, run=replace(RUN, accepted=True)),
        "stale": replace(go, reasons=("the mappings have changed since",)),
        "no-go": replace(lost, run=RUN),
        "a complaint": replace(report(complaints=("the waiver of x ran out",)), run=RUN),
        "in use": replace(go, run=in_use),
        "in use, no-go": replace(lost, run=in_use),
        "any pair": report(),
    }[shown]

    html, summary = page.html(found), page.markdown(found)

    listed = re.findall("<pre><code>(.*?)</code></pre>", html.partition("What to do now")[2].partition("<h2>")[0])
    plain = [unescape(re.sub("<[^>]+>", "", one)) for one in listed]
    with_options = [one.replace(" --data-dir /srv/data", "").removeprefix("migrator ") for one in plain]
    assert commands == with_options
    assert [] == [
        one for one in plain if one.startswith("migrator") and "--data-dir" not in one and shown != "any pair"
    ]
    assert [] == [one for one in plain if f"`{one}`" not in summary]


def test_the_page_names_the_amendments_of_the_specification():
    plain = report()
    amended = replace(plain, evidence=replace(plain.evidence, amendments=("child_indexes", "position_history")))

    for made in (page.html, page.markdown):
        named = "to the specification with the amendments child_indexes, position_history"
        assert named in made(amended).replace("`", "")
        assert "amendment" not in made(plain)


def test_what_is_waived_or_was_not_asked_is_not_green():
    shown = report(
        said("verify/w[core]", Outcome.WAIVED),
        said("verify/s[core]", Outcome.SKIPPED, why=Why.NO_DATA),
        said("verify/h[core]"),
        said("verify/h[cache]"),
    )
    waiver = Waiver(id="verify/w", scope="core", reason="typed by | hand", owner="the *desk*", expires=TODAY)
    shown = replace(shown, evidence=replace(shown.evidence, waivers=(waiver,)))

    html = page.html(shown)

    found = text_of(html)
    assert "GO, with 1 contract waived: 2 hold, 1 did not apply" == headings(html)[0]
    assert 'class="verdict GO waived"' in html
    assert "What is waived does not hold: its owners accept that until the date below." in found
    assert "verify/w[core]the *desk*, 2026-01-31 typed by | hand" in found
    assert "verify/wL1 waived 12 core; judged_rows: 1,234" in found
    assert "verify/sL1 skipped 12 the legacy set has none of its tables, or no row to ask about: core" in found
    # One contract over its cases is one row, and what it looked at is summed.
    assert "verify/hL1 held 24 core, cache; judged_rows: 2,468" in found


def test_every_row_is_in_the_table_of_the_legacy_databases():
    html = page.html(report(built=built()))

    found = text_of(html)
    assert "17 legacy rows = 7 mapped + 5 carried + 3 quarantined + 2 in files left alone." in found
    assert "jarvis15 core 7, quarantine 3, analytics 5 raid_bot2 left alone 2" in found
    widths = re.findall(r'<rect class="(\w+)" x="([\d.]+)%" width="([\d.]+)%"', html)
    # To one linear scale: the largest database is as wide as its cell, and 2 of 15 rows as 2 / 15 of it.
    assert [("home", "0.000", "80.000"), ("quarantine", "80.000", "20.000"), ("alone", "0.000", "13.333")] == widths[:3]


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


STATES = {
    "go": replace(report(built=built()), quarantine=quarantine(), run=RUN),
    "no-go": no_go(("verify/x[a|b]", "L8", "core: lost\n  expected: `1` | 2\n  found: 3"), built=built()),
    "waived": replace(
        report(said("verify/w[core]", Outcome.WAIVED), said("verify/h")),
        evidence=replace(
            report(said("verify/w[core]", Outcome.WAIVED), said("verify/h")).evidence,
            waivers=(Waiver(id="verify/w", scope="core", reason="by | hand", owner="the *desk*", expires=TODAY),),
        ),
    ),
    "stale": report(built=built(), reasons=("legacy file a|b.db has changed",), complaints=("a | complaint",)),
}


@pytest.mark.parametrize("state", STATES)
def test_github_renders_the_summary(state):
    """cmark-gfm is what GitHub uses: each table is one, each item is one, and no mark is left over."""
    cmarkgfm = pytest.importorskip("cmarkgfm", reason="tox installs it")
    summary = page.markdown(STATES[state])

    html = cmarkgfm.github_flavored_markdown_to_html(summary)

    assert len(re.findall(r"^\|[-:|]+\|$", summary, re.MULTILINE)) == html.count("<table>")
    assert len(re.findall(r"^ *- |^\d+\. ", summary, re.MULTILINE)) == html.count("<li>")
    assert len(re.findall(r"^##+ ", summary, re.MULTILINE)) == len(re.findall("<h[23]>", html))
    outside = re.sub("<code>.*?</code>", "", html)
    assert not set("|`#*") & set(Page(outside).text)
    # In a table the backslash before a bar goes; elsewhere it would be seen.
    assert "\\" not in html
    for cells in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL):
        assert len(re.findall("<t[hd]", cells)) in {3, 4, 5}


@pytest.mark.parametrize("state", STATES)
def test_print_and_screen_readers_get_all_of_it(state):
    html = page.html(STATES[state])

    # A browser prints no closed <details>, and cuts what scrolls.
    assert not re.search("<details|display: none|overflow(-x)?: (auto|scroll|hidden)", html)
    assert 'lang="en"' in html
    for table in re.findall("<table>(.*?)</table>", html, re.DOTALL):
        head, body = table.split("</thead>")
        assert [] == re.findall(r"<th(?! scope=\"col\")(?=[ >])", head)
        assert [] == re.findall(r"<th(?! scope=\"row\")(?=[ >])", body)
    pictures = re.findall("<svg[^>]*>", html)
    assert all('aria-hidden="true"' in one for one in pictures)


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_text_has_the_contrast_that_wcag_asks_of_it():
    html = page.html(report())
    colours = dict(re.findall(r"--(\w+): (#\w{6})", html))

    for name in ("go", "no", "stale", "quiet"):
        assert 4.5 <= 1.05 / (luminance(colours[name]) + 0.05), name


def test_nothing_is_fetched_from_elsewhere():
    html = page.html(report(built=built()))

    assert {"http://www.w3.org/2000/svg"} >= set(re.findall(r"https?://[^\"'\s<)]+", html))
    assert not re.search(r"@import|url\(", html)
    assert "default-src 'none'" in html


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; .ci/run installs one where it can")
@pytest.mark.parametrize("width", [390, 1280])
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
