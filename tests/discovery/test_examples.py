"""Known examples named by their ids; what names nothing is told."""

from core.discovery.examples import Examples, examples_by_id

IDS = ["a", "b", "c", "d"]


def test_ids_become_rows_in_the_order_of_naming_each_once():
    found = examples_by_id([" c", "a", "", "c", "zz"], IDS)
    assert list(found.rows.items()) == [(2, "c"), (0, "a")]
    assert found.unresolved == ("'zz' is no object of the survey",)
    assert len(found) == 2
    assert not examples_by_id(["zz"], IDS)


def test_what_named_a_row_first_stays_when_joined():
    one = Examples({2: "c"}, ("x is nowhere",))
    two = one.joined(Examples({2: "SDSS J1 (table)", 3: "SDSS J2 (table)"}, ("y is nowhere",)))
    assert list(two.rows.items()) == [(2, "c"), (3, "SDSS J2 (table)")]
    assert two.sentences() == [
        "2 known examples are in the survey.",
        "2 could not be resolved: x is nowhere; y is nowhere.",
    ]
    many = Examples({1: "b"}, tuple(f"{k} is nowhere" for k in range(7)))
    assert many.sentences(most=2) == [
        "1 known example is in the survey.",
        "7 could not be resolved: 0 is nowhere; 1 is nowhere; and 5 more.",
    ]
