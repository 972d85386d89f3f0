"""Records become plain values and are read from them again; other fields and types are refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path, PurePosixPath

import pytest

from migrator.system.serialize import plain, record


class Kind(StrEnum):
    GOOD = "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    kind: Kind
    rows: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    path: Path
    place: PurePosixPath
    day: date
    parts: tuple[Part, ...]
    named: Mapping[str, tuple[str, ...]]
    seconds: float = 0.0


WHOLE = Whole(
    path=Path("/data"),
    place=PurePosixPath("x/jarvis.db"),
    day=date(2026, 1, 31),
    parts=(Part(kind=Kind.GOOD, rows=None), Part(kind=Kind.GOOD, rows=3)),
    named={"a": ("b", "c")},
    seconds=1.5,
)


def test_a_record_is_read_from_its_plain_values():
    assert WHOLE == record(plain(WHOLE), Whole)


def test_a_path_is_read_as_asked_and_taken_as_it_is():
    read = record(plain(WHOLE) | {"path": "data"}, Whole, lambda text: Path("/home") / text)

    assert (Path("/home/data"), PurePosixPath("x/jarvis.db")) == (read.path, read.place)
    assert WHOLE == record(plain(WHOLE) | {"path": Path("/data")}, Whole, lambda _: Path("/else"))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"seconds": "1.5"}, r"Expected `float`, got `str` - at `\$\.seconds`"),
        ({"day": "yesterday"}, r"date - at `\$\.day`"),
        ({"place": 5}, r"not '?int'? - at `\$\.place`"),
        ({"named": {"a": "b"}}, r"Expected `array`, got `str`"),
        ({"parts": [{"kind": "good", "rows": True}]}, r"got `bool` - at `\$\.parts\[0\]\.rows`"),
        ({"parts": [{"kind": "bad", "rows": 1}]}, "Invalid enum value 'bad'"),
        ({"parts": [{"kind": "good"}]}, "missing required field `rows`"),
        ({"parts": [{"kind": "good", "rows": 1, "mo\nre": 1}]}, r"unknown field `mo\\nre`"),
        ({"more": 1}, "unknown field `more`"),
    ],
)
def test_other_fields_and_types_are_refused(changed, sentence):
    with pytest.raises(ValueError, match=sentence):
        record(plain(WHOLE) | changed, Whole)


@pytest.mark.parametrize("values", [None, [], "text", {}])
def test_what_is_no_object_is_refused(values):
    with pytest.raises(ValueError, match=r"Expected|missing"):
        record(values, Whole)
