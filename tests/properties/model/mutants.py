"""Mistakes that a switch could be built with, each as what :func:`checker.check` takes; the checker has to find them.

The last four were in the product until this model, or the tests beside it, found them.
"""

from protocol import PROGRAMS, recovery


def without(program, *steps):
    assert set(steps) <= set(PROGRAMS[program]), steps
    return {program: tuple(step for step in PROGRAMS[program] if step not in steps)}


def moved(program, step, *, before):
    """Return *program* with *step* right before another."""
    rest = [one for one in PROGRAMS[program] if one != step]
    rest.insert(rest.index(before), step)
    return {program: tuple(rest)}


def once(program, step):
    """Return *program* in which *step* is not done again."""
    first = PROGRAMS[program].index(step)
    return {program: tuple(one for at, one in enumerate(PROGRAMS[program]) if one != step or at == first)}


def instead(program, step, *others):
    """Return *program* with other steps in the place of *step*."""
    at = PROGRAMS[program].index(step)
    return {program: (*PROGRAMS[program][:at], *others, *PROGRAMS[program][at + 1 :])}


def wrong_way(disk):
    """Finish what has not committed, undo what has."""
    other = {"finish": "undo", "undo": "finish"}
    return " ".join(other.get(word, word) for word in recovery(disk).split())


#: Name -> (what the checker is given, the invariant that does not hold).
MUTANTS = {
    "the flag first": (moved("cutover", "flag true", before="point new"), "flag_true_means_new"),
    "a rename for each name": (instead("cutover", "point new", "flatten 0", "flatten 1", "point new"), "one_set"),
    "no quiesce": (without("cutover", "hold legacy", "look"), "nothing_is_lost"),
    "no second look": (without("cutover", "look"), "nothing_is_lost"),
    "the pointer removed and made anew": (instead("cutover", "point new", "point nowhere", "point new"), "whole"),
    "originals moved before the commit": (moved("cutover", "original 0", before="point new"), "whole"),
    "recovery goes the wrong way": (wrong_way, "flag_true_means_new"),
    "recovery removes the pointer first": (
        moved("recover: undo cutover", "point nowhere", before="put back legacy 0"),
        "whole",
    ),
    "two migrators at once": (None, "whole"),
    "a rollback turns the flag last": (moved("rollback", "flag false", before="leave 0"), "flag_true_means_new"),
    "a rollback takes nothing along": (without("rollback", "carry back"), "nothing_is_lost"),
    "what is written while a rollback writes its copies": (once("rollback", "carry back"), "nothing_is_lost"),
    "a rollback leaves the copies to writers": (without("rollback", "hold copies"), "nothing_is_lost"),
    "recovery moves a legacy file under a writer": (
        without("recover: finish rollback", "hold names and three"),
        "nothing_is_lost",
    ),
    "recovery moves an original under a writer": (
        without("recover: finish cutover", "hold kept"),
        "nothing_is_lost",
    ),
    "held before it is written down": (moved("rollback", "hold three", before="record rollback"), "the_end_is_an_end"),
}


def machine(name):
    """Return what :func:`checker.check` is given for the mutant *name*."""
    change = MUTANTS[name][0]
    if change is None:
        return {"lock": False}
    return {"recovery": change} if callable(change) else {"programs": PROGRAMS | change}
