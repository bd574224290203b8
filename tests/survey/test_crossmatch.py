"""Matching by place against a brute-force comparison, and the columns that come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput, NotReady
from core.survey import Batch, SurveyWriter
from core.survey.added_columns import added_columns, full_catalogue, write_columns
from core.survey.batch import CatalogueValue
from core.survey.matching.crossmatch import Found, cross_match, slug_of
from core.survey.matching.sphere import Positions, pairs_within


def separations(ra, dec, other_ra, other_dec):
    """(N, M) great-circle distances in arcsec (Vincenty's formula, by astropy)."""
    from astropy.coordinates import angular_separation

    args = [np.radians(x) for x in (ra[:, None], dec[:, None], other_ra[None], other_dec[None])]
    return np.degrees(angular_separation(*args)) * 3600


def sorted_pairs(found):
    pairs = [np.stack([rows, points], axis=1) for rows, points, _ in found]
    together = np.concatenate(pairs) if pairs else np.empty((0, 2), int)
    return together[np.lexsort((together[:, 1], together[:, 0]))].tolist()


# Positions crowd where matching goes wrong: the poles, 0h, and each other.
_ra = st.one_of(
    st.floats(0, 360),
    st.floats(-1e-3, 1e-3).map(lambda x: x % 360),
    st.sampled_from([0.0, 360.0, 180.0, float("nan")]),
)
_dec = st.one_of(
    st.floats(-90, 90),
    st.floats(0, 1e-3).map(lambda x: 90 - x),
    st.floats(0, 1e-3).map(lambda x: -90 + x),
    st.floats(-1e-3, 1e-3),
    st.sampled_from([90.0, -90.0, 0.0, float("nan"), float("inf")]),
)
_places = st.lists(st.tuples(_ra, _dec), max_size=12)


@settings(max_examples=60, deadline=None)
@given(_places, _places, st.sampled_from([0.01, 1.0, 5.0, 3600.0]))
def test_pairs_are_those_of_brute_force(mine, known, radius):
    ra, dec = (np.array([one[k] for one in mine], float) for k in (0, 1))
    other_ra, other_dec = (np.array([one[k] for one in known], float) for k in (0, 1))
    found = list(pairs_within(Positions(ra, dec), other_ra, other_dec, radius))
    with np.errstate(invalid="ignore"):
        sep = separations(ra, dec, other_ra, other_dec)
        # What lies on the very edge may fall on either side.
        surely = np.argwhere(sep < radius * (1 - 1e-9) - 1e-9).tolist()
        perhaps = np.argwhere(sep <= radius * (1 + 1e-9) + 1e-9).tolist()
    pairs = sorted_pairs(found)
    assert len(pairs) == len({tuple(one) for one in pairs})
    assert all(one in pairs for one in surely)
    assert all(one in perhaps for one in pairs)
    for rows, points, arcsec in found:
        assert arcsec == pytest.approx(sep[rows, points], abs=1e-8, rel=1e-9)


def test_many_pairs_come_in_bounded_pieces(monkeypatch):
    monkeypatch.setattr("core.survey.matching.sphere._PAIRS_AT_ONCE", 100)
    monkeypatch.setattr("core.survey.matching.sphere._POINTS_AT_ONCE", 40)
    mine = Positions(np.full(30, 10.0), np.linspace(0, 1e-6, 30))
    pieces = list(pairs_within(mine, np.full(70, 10.0), np.zeros(70), 1.0))
    assert max(len(rows) for rows, _, _ in pieces) <= 130
    assert sum(len(rows) for rows, _, _ in pieces) == 30 * 70
    points = np.concatenate([points for _, points, _ in pieces])
    assert (np.diff(points) >= 0).all()


@dataclass
class Listed:
    """A catalogue given as lines (ra, dec, name, type)."""

    label: str
    lines: list[tuple[float, float, str, str | None]]
    piece: int = 2
    notes: list[str] = field(default_factory=list)

    def near(self, positions, radius_arcsec, progress):
        for start in range(0, len(self.lines), self.piece):
            progress(start / len(self.lines), "looking")
            part = self.lines[start : start + self.piece]
            ra, dec = (np.array([line[k] for line in part]) for k in (0, 1))
            for rows, points, sep in pairs_within(positions, ra, dec, radius_arcsec):
                yield Found(rows, sep, [part[p][2] for p in points], [part[p][3] for p in points])

    def provenance(self) -> dict[str, Any]:
        return {"source": "a list"}


@pytest.fixture
def survey(workspace):
    """Six objects; the last has no position."""
    places: list[tuple[float | None, float | None]] = [
        (10.0, 20.0),
        (359.9999, 0.0),
        (123.0, 89.9999),
        (200.0, -30.0),
        (10.0, 20.01),
        (None, None),
    ]
    with SurveyWriter(
        workspace,
        "sky",
        bands=("r",),
        cutout_size_px=8,
        dtype="uint8",
        origin="",
        licence="",
    ) as writer:
        columns: list[dict[str, CatalogueValue]] = [{"ra": ra, "dec": dec} for ra, dec in places]
        images = np.ones((6, 1, 8, 8), np.uint8)
        writer.append(Batch([f"o{n}" for n in range(6)], images, columns))
        return writer.commit()


def table(result):
    return {name: column.to_pylist() for name, column in result.columns.items()}


ARCSEC = 1 / 3600

SIMBAD = Listed(
    "SIMBAD",
    [
        (10.0, 20.0 + 1.5 * ARCSEC, "farther", "G"),
        (10.0, 20.0 + 0.5 * ARCSEC, "nearer", "QSO"),
        (0.0001, 0.0, "across 0h", None),
        (303.0, 89.9999, "across the pole", "*"),
        (float("nan"), 20.0, "nowhere", "?"),
        (10.0, 20.0 - 0.5 * ARCSEC, "as near, later", "G"),
        (200.0, -31.0, "far", "G"),
    ],
)
LENSES = Listed("my (lenses)", [(10.0, 20.0, "L1", "lens"), (10.0, 20.01, "L2", "")])


def test_the_nearest_names_it_and_all_count(survey):
    result = cross_match(survey, [SIMBAD], 2.0)
    found = table(result)
    assert found["known_simbad_as"][0] == "nearer"
    assert found["known_as"] == [
        "nearer (SIMBAD)",
        "across 0h (SIMBAD)",
        "across the pole (SIMBAD)",
        *[None] * 3,
    ]
    assert found["known_type"][0] == "QSO (SIMBAD)"
    assert found["known_sep_arcsec"][0] == pytest.approx(0.5, abs=1e-9)
    # Looked up and unknown is 0, never looked up is missing.
    assert found["known_n"] == [3, 1, 1, 0, 0, None]
    assert (result.n_searched, result.n_without_position, result.n_known) == (5, 1, 3)
    assert result.sentences() == [
        "Known in SIMBAD: 3 of 5 objects, 1 with several matches.",
        "Objects without a position, which cannot be looked up: 1.",
    ]


def test_across_0h_and_the_pole(survey):
    assert cross_match(survey, [SIMBAD], 0.71).n_known == 1
    found = table(cross_match(survey, [SIMBAD], 0.73))
    assert found["known_simbad_as"] == [
        "nearer",
        "across 0h",
        "across the pole",
        *[None] * 3,
    ]
    assert found["known_simbad_sep_arcsec"][1] == pytest.approx(0.72, abs=1e-6)
    assert found["known_simbad_sep_arcsec"][2] == pytest.approx(0.72, abs=1e-6)


def test_several_catalogues_are_told_together(survey):
    result = cross_match(survey, [SIMBAD, LENSES], 2.0)
    found = table(result)
    assert found["known_as"][0] == "nearer (SIMBAD), L1 (my (lenses))"
    assert found["known_in"][0] == "SIMBAD, my (lenses)"
    assert found["known_type"][0] == "QSO (SIMBAD), lens (my (lenses))"
    assert found["known_sep_arcsec"][0] == 0.0
    assert found["known_n"] == [4, 1, 1, 0, 1, None]
    assert found["known_type"][4] is None
    assert set(result.info) == set(result.columns)


def test_earlier_catalogues_are_kept_and_newer_answers_count(survey):
    first = cross_match(survey, [SIMBAD], 2.0)
    about = {"catalogues": first.catalogues}
    write_columns(survey, "one", "crossmatch", first.columns, provenance=about)
    second = cross_match(survey, [LENSES], 2.0)
    about = {"catalogues": second.catalogues}
    write_columns(survey, "two", "crossmatch", second.columns, provenance=about)
    added = added_columns(survey)
    assert added["known_as"][0] == "nearer (SIMBAD), L1 (my (lenses))"
    assert added["known_as"][4] == "L2 (my (lenses))"
    assert added["known_n"].to_list() == [4, 1, 1, 0, 1, pd.NA]
    assert added["known_simbad_as"][0] == "nearer"
    # The same catalogue again: its newer answer replaces the older one.
    third = cross_match(survey, [Listed("SIMBAD", [(200.0, -30.0, "new", "G")])], 2.0)
    assert table(third)["known_as"] == [
        "L1 (my (lenses))",
        None,
        None,
        "new (SIMBAD)",
        "L2 (my (lenses))",
        None,
    ]
    assert "known_as" in full_catalogue(survey)


def test_what_cannot_be_matched_is_one_sentence(survey, workspace):
    for radius in (0.0, -1.0, 3601.0, float("nan"), float("inf")):
        with pytest.raises(BadInput, match="radius"):
            cross_match(survey, [SIMBAD], radius)
    with pytest.raises(BadInput, match="'simbad' comes twice"):
        cross_match(survey, [SIMBAD, Listed("Simbad", [])], 1.0)
    with SurveyWriter(
        workspace, "dark", bands=("r",), cutout_size_px=8, dtype="uint8", origin="", licence=""
    ) as writer:
        writer.append(Batch(["a"], np.ones((1, 1, 8, 8), np.uint8), [{"mag": 1.0}]))
        dark = writer.commit()
    with pytest.raises(NotReady, match="no positions"):
        cross_match(dark, [SIMBAD], 1.0)


@pytest.mark.parametrize(
    ("label", "slug"),
    [
        ("SIMBAD", "simbad"),
        ("VizieR II/246/out", "vizier_ii_246_out"),
        ("Ωmega", "mega"),
        ("…", "catalogue"),
        ("x" * 99, "x" * 48),
    ],
)
def test_slugs(label, slug):
    assert slug_of(label) == slug
