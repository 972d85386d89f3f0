"""How long a census of 2,000 files takes, each with 150 lines beside the made-up bot's: ``python tests/tools/census_speed.py``."""

import resource
import sys
import tempfile
import time
from pathlib import Path

from migrator.application.census import code_base

BOT = Path(__file__).parents[1] / "support" / "bot_code"
FILES, LINES = 2_000, 150


def write(folder):
    """Write copies of the made-up bot, each a package of its own, until there are enough files."""
    files, copy = 0, 0
    while files < FILES:
        for path in sorted(path for path in BOT.rglob("*") if path.is_file() and path.suffix != ".md"):
            text = path.read_text(encoding="utf-8").replace("from bot", f"from bot{copy}")
            if path.suffix == ".py":
                text += "".join(
                    f"\n\ndef step_{number}(first, second=None):\n    total = [one + {number} for one in first]\n"
                    f"    return total if second is None else [*total, second]\n"
                    for number in range(LINES // 5)
                )
            written = folder / f"copy{copy}" / path.relative_to(BOT.parent / "bot_code")
            parts = [f"bot{copy}" if part == "bot" else part for part in written.relative_to(folder).parts]
            target = folder.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            files += 1
        copy += 1
    return files


def main():
    """Measure one census, and print files, lines, findings, seconds and memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        lines = sum(path.read_bytes().count(b"\n") for path in folder.rglob("*") if path.is_file())
        begun, processor = time.perf_counter(), time.process_time()
        taken = code_base.take([folder])
        seconds, busy = time.perf_counter() - begun, time.process_time() - processor
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        f"{taken.files} files, {lines:,} lines, {len(taken.findings):,} findings: {seconds:.1f} s"
        f" ({busy:.1f} s of processor time), {memory:.0f} MiB\n"
    )


if __name__ == "__main__":
    main()
