"""New evidence: at every power cut and fault there is the old one, none, or the whole new one."""

import shutil
from dataclasses import replace

import pytest
import replay
import sweep
import test_faults

from migrator.errors import EvidenceError
from migrator.schema import catalogue
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify.evidence import ContractResult, Evidence, Outcome

pytestmark = pytest.mark.faults

OLD = Evidence(
    made="2026-01-01T00:00:00Z",
    versions={"migrator": "0"},
    legacy={"jarvis.db": "a" * 64},
    consolidated=dict.fromkeys(catalogue.TARGETS, "b" * 64),
    configuration="c",
    amendments=(),
    decisions="",
    mappings="d",
    suite="e",
    contracts=(ContractResult(id="verify/holds", clause="M1", verdict=Outcome.HELD, milliseconds=1, counts={}),),
    deselected=0,
    waivers=(),
    quarantine={},
    complaints=(),
)
NEW = replace(OLD, made="2026-02-02T00:00:00Z")


class Verification:
    """Evidence of an earlier run is withdrawn before the contracts begin, and the new one is written whole."""

    deed = "verify"

    def __init__(self, lab, folder):
        self.start = replay.copied(lab.scenarios["migrate"].done, folder)
        shutil.rmtree(folder / "judged", ignore_errors=True)
        (folder / "judged").mkdir()
        verify_evidence.write(NEW, folder / "judged" / "evidence.json")
        (folder / "judged" / verify_evidence.BROKEN).write_text(verify_evidence.broken_text(()), encoding="utf-8")
        root = folder / "data" / ".migrator"
        verify_evidence.write(OLD, root / "evidence.json")
        (root / verify_evidence.BROKEN).write_text(verify_evidence.broken_text(()), encoding="utf-8")
        (root / "report.html").write_text("old", encoding="utf-8")

    def demand(self, told):
        """Return which evidence may exist after these reports in *told*."""
        if "success" in told:
            return (NEW.made,)
        return ("", NEW.made) if "withdrawn" in told else (OLD.made, "", NEW.made)

    def judge(self, home, told, *, again):
        """Return everything that is wrong in *home* after a crash."""
        del again
        path = home / "data" / ".migrator" / "evidence.json"
        try:
            found = verify_evidence.read(path).made if path.exists() else ""
        except EvidenceError as error:
            return {"finished": str(error)}
        if found not in self.demand(told):
            return {"told": f"{told}, and the evidence is of {found!r}"}
        return {}


@pytest.fixture(name="verification")
def _verification(lab, tmp_path):
    return Verification(lab, tmp_path / "verification")


@pytest.mark.parametrize("model", ["strict", "ext4"])
def test_a_power_cut_while_evidence_is_written(lab, held, verification, model):
    tree, done = sweep.recorded(lab, verification)
    assert "" == done.error

    tally = sweep.power_cuts(lab, verification, done.operations, tree, model=model, stride=1)

    held(f"power cut, {model}: evidence", tally)


@pytest.mark.parametrize("name", test_faults.FAULTS)
def test_an_operation_on_evidence_fails_or_is_the_last(lab, held, verification, name):
    _, whole = sweep.recorded(lab, verification)
    able = [
        number
        for number, one in enumerate(whole.steps)
        if one.what in test_faults.FAULTS[name][2] and test_faults.able_to(name, one)
    ]
    points = able[lab.seed % 4 :: 4] if lab.stride > 1 and len(able) > 4 else able
    held(f"{name}: evidence", test_faults.swept(lab, verification, name, points))


@pytest.mark.parametrize(("mistake", "check"), [("no fsync of folders", "told"), ("no fsync of files", "finished")])
def test_evidence_that_is_not_synced_is_caught(lab, caught, verification, mistake, check):
    """A withdrawal of which the folder forgets is taken back; the new evidence may be torn."""
    tree, done = sweep.recorded(lab, verification, mistake=mistake)
    tally = sweep.power_cuts(lab, verification, done.operations, tree, stride=1)

    caught(f"evidence, {mistake}", tally, check)
