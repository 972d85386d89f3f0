"""The oracle's maps and sorted lists: from the disk they return the same as from memory."""

import gc
import math
import sys
import threading
import weakref
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.oracle import spilling_map
from contracts.oracle.cells import bytes_of, text_of

CELLS = st.one_of(
    st.none(),
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0.0, -0.0, 1.0, 2.5, float(2**53), math.inf]),
    st.sampled_from(["", "1", "a", "A", "a\0b", text_of(b"\xff")]),
    st.sampled_from([b"", b"1", b"a", b"\xff"]),
)


@pytest.mark.parametrize("in_memory", [0, 3, 1_000])
@given(
    answers=st.lists(st.tuples(CELLS, st.one_of(CELLS, st.tuples(CELLS, CELLS))), max_size=20), asked=st.lists(CELLS)
)
def test_first_answer_counts_wherever_it_lies(in_memory, answers, asked):
    expected = dict(reversed(answers))
    with mock.patch.object(spilling_map, "IN_MEMORY", in_memory):
        found = spilling_map.Known(iter(answers))
    for key in [*expected, *asked, 2**63, -(2**70)]:
        assert found.get(key, "nothing") == expected.get(key, "nothing"), key
        assert repr(found.get(key)) == repr(expected.get(key)), key


@pytest.mark.parametrize("in_memory", [0, 1_000])
def test_what_is_no_cell_is_no_key(in_memory):
    with mock.patch.object(spilling_map, "IN_MEMORY", in_memory):
        found = spilling_map.Known([(1, 2)])
    with pytest.raises(TypeError):
        found.get([])


def sortable(cell):
    """Return what sorts cells as SQLite does: NULL, numbers, text by its bytes, bytes."""
    if cell is None:
        return 0, 0
    if isinstance(cell, int | float):
        return 1, cell
    return (2, bytes_of(cell)) if isinstance(cell, str) else (3, cell)


@given(places=st.lists(st.tuples(CELLS, st.integers(0, 2), CELLS, st.integers(0, 2)), max_size=30))
def test_what_was_seen_comes_in_the_order_of_its_places(places):
    seen = spilling_map.Places()
    for number, place in enumerate(places):
        seen.add(number, *place)

    expected = sorted(range(len(places)), key=lambda number: (*map(sortable, places[number]), number))
    assert expected == list(seen.taken())
    assert [] == list(seen.taken())


def test_the_database_is_closed_in_any_thread_that_collects_its_owner(monkeypatch):
    monkeypatch.setattr(spilling_map, "IN_MEMORY", 1)
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    owner = [spilling_map.Known((number, "answer") for number in range(3))]
    # Only the collector of cycles frees it, in the thread in which that happens to run.
    owner.append(owner)
    freed = weakref.ref(owner[0])

    del owner
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join()

    assert freed() is None
    assert [] == unraisable
