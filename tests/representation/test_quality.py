"""Assessing embeddings: views, verdicts, what is kept, and what cannot be measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.errors import Damaged, NotFound, NotReady
from core.metrics import two_point
from core.representation import embed
from core.representation.encoder import register_encoder
from core.representation.quality import (
    MEASURES,
    OWN_OBJECTS,
    Assessment,
    Comparison,
    Labels,
    Probe,
    QualityRun,
    Sheet,
    assess,
    assess_all,
    cell_of,
    comparison,
    cosine_distances,
    distance_sample,
    embeddings_of,
    keep,
    kept,
    nearest_rows,
    quality_runs,
    query_rows,
    verdict_of,
)
from core.representation.quality.labels import probe
from core.representation.quality.verdict import best_of, deciding_target
from core.representation.quality.views import ViewedSurvey, changed
from core.run_quality import quality_lines
from core.survey import Batch, RunFolder, RunRecord, SurveyWriter
from core.vocabulary import JobKind
from core.workspace import open_workspace

COUNT = 60


def make_survey(folder, *, count=COUNT, dtype="float32", name="galaxies", groups=False):
    """Round and double galaxies in two bands; one has no picture."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:24, :24] - 11.5
    images: list[np.ndarray | None] = []
    for number in range(count):
        light = np.exp(-np.hypot(x, y * rng.uniform(1, 1.6)) / rng.uniform(1.5, 4))
        if number % 3 == 0:
            light = light + 0.9 * np.exp(-((x - 6) ** 2 + (y - 1) ** 2) / 4)
        bands = np.stack([light * c for c in (0.6, 1.2)]) + rng.normal(0, 0.02, (2, 24, 24))
        if dtype == "uint8":
            bands = np.clip(bands * 120 + 10, 0, 255)
        images.append(bands.astype(dtype))
    if count > 5:
        images[5] = None
    folder.mkdir(exist_ok=True)
    writer = SurveyWriter(
        open_workspace(folder / "ws"),
        name,
        bands=("g", "r"),
        cutout_size_px=24,
        dtype=dtype,
        origin="test",
        licence="none",
    )
    with writer:
        ids = [f"G{number}" for number in range(count)]
        pairs = [f"P{number // 2}" for number in range(count)] if groups else None
        writer.append(Batch(ids, images, [{} for _ in ids], pairs))
        return writer.commit()


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    made = make_survey(tmp_path_factory.mktemp("quality"))
    for name in ("pca", "structure"):
        embed(made, name)
    return made


@pytest.fixture(scope="module")
def found(survey):
    classes = {row: "double" if row % 3 == 0 else "single" for row in range(0, COUNT, 2)}
    labels = Labels(classes, "double", "the task doubles")
    return assess_all(survey, embeddings_of(survey), labels=labels)


def test_measures_are_those_of_the_embedding_on_shared_rows(survey, found):
    pca, structure = found.assessments
    assert (pca.encoder, structure.encoder) == ("pca", "structure")
    for one, embedded in zip(found.assessments, embeddings_of(survey), strict=True):
        assert set(one.measures) == {measure.name for measure in MEASURES}
        assert all(value is not None for value in one.measures.values()), one.notes
        assert (one.n_objects, one.n_masked, one.n_measured) == (COUNT, 1, COUNT - 1)
        values = np.asarray(embedded.values[embedded.mask], float)
        assert one.measures["two_point"] == pytest.approx(two_point(values).score)
        assert 1 <= one.measures["rankme"] <= one.dimensions
        assert one.alarms == ()
        assert one.arrays["differences"].shape == (COUNT - 1, COUNT - 1)
    # Principal components of pixels turn with the picture, extremes of pixels do not.
    assert structure.measures["consistency"] > pca.measures["consistency"]


def test_the_same_seed_gives_the_same_assessment(survey, found):
    again = assess_all(survey, embeddings_of(survey, encoders=["structure"]))
    one = next(a for a in found.assessments if a.encoder == "structure")
    assert dict(again.assessments[0].measures) == dict(one.measures)
    other = assess(survey, embeddings_of(survey, encoders=["structure"])[0], seed=9)
    assert other.measures["alignment"] != one.measures["alignment"]
    assert again.verdict == ""


def test_labels_give_probes_with_intervals_and_a_verdict(found):
    for one in found.assessments:
        (found_probe,) = one.probes  # of two classes the other is the mirror image
        assert (found_probe.target, found_probe.n_labelled) == ("double", COUNT // 2)
        assert found_probe.n_targets == 10
        for value, low, high in (found_probe.linear, found_probe.nearest):
            assert 0 <= low <= value <= high <= 1
    structure = found.assessments[1]
    assert structure.probes[0].linear[0] > 0.8
    assert "A linear probe ranks double" in structure.verdict
    assert found.verdict.startswith("Take ")
    assert "linear probe of double is the best" in found.verdict


def test_too_few_labels_are_told(survey):
    labels = Labels({0: "double", 1: "single", 2: "single"}, "double", "the task doubles")
    one = assess(survey, embeddings_of(survey, encoders=["structure"])[0], labels=labels)
    assert one.probes == ()
    assert any("the task doubles has 1 and 2; label more" in note for note in one.notes)


def test_views_of_one_thing_are_held_out_together(tmp_path):
    """Each pair has its own place and a random class: only a leak can predict it."""
    rng, count = np.random.default_rng(0), 2 * COUNT
    pairs = rng.normal(size=(COUNT, 100)).repeat(2, axis=0)
    values = (pairs + 0.01 * rng.normal(size=pairs.shape)).astype(np.float32)
    classes = dict(enumerate(np.where(rng.random(COUNT) < 0.3, "a", "b").repeat(2)))
    scores = []
    for number, groups in enumerate((False, True)):
        survey = make_survey(tmp_path / str(number), count=count, groups=groups)
        (found,), notes = probe(
            survey, values, np.ones(count, bool), Labels(classes, "a", "the task"), 0
        )
        assert notes == ()
        scores.append(found.linear[0])
    assert scores[0] > 0.85
    assert scores[1] < 0.6


def test_few_objects_are_refused_in_words(tmp_path):
    survey = make_survey(tmp_path, count=12)
    embed(survey, "structure")
    with pytest.raises(NotReady, match="has 11 objects to measure, but 20 are needed"):
        assess(survey, embeddings_of(survey)[0])


def test_twenty_objects_are_assessed(tmp_path):
    survey = make_survey(tmp_path, count=21, dtype="uint8")
    embed(survey, "structure")
    one = assess(survey, embeddings_of(survey)[0])
    assert one.n_measured == 20
    assert one.measures["consistency"] is not None


def test_embeddings_that_share_too_few_objects_are_measured_apart(survey):
    first, second = embeddings_of(survey)
    odd = np.arange(COUNT) % 2 == 1
    apart = [
        replace(first, mask=first.mask & odd),
        replace(second, mask=second.mask & ~odd),
    ]
    for one in assess_all(survey, apart).assessments:
        assert one.notes[0] == OWN_OBJECTS
        assert one.n_measured in (29, 30)


def test_an_encoder_that_does_not_look_is_not_said_to_be_consistent(tmp_path):
    class Fixed:
        """Values that lie in a file."""

        def fit(self, survey, progress):
            pass

        def encode(self, images):
            return np.random.default_rng(0).normal(size=(len(images), 4)).astype(np.float32)

        def save(self, folder):
            return {}

        @classmethod
        def load(cls, folder, settings):
            return cls()

    from core.representation import ENCODERS

    register_encoder("fixed-of-a-test")(Fixed)
    try:
        survey = make_survey(tmp_path)
        embed(survey, "fixed-of-a-test")
        one = assess(survey, embeddings_of(survey)[0])
    finally:
        del ENCODERS["fixed-of-a-test"]
    assert one.measures["consistency"] is None
    assert any("does not look at the pixels anew" in note for note in one.notes)
    gone = assess(survey, embeddings_of(survey)[0])
    assert any("is not known here" in note for note in gone.notes)


def test_views_turn_and_shift_and_add_the_noise_of_the_sky(survey):
    image = survey.images(np.array([0]))[0]
    none = changed(image, np.zeros(2, np.float32), np.random.default_rng(3))
    # Whatever the turn and the shift, what is inside stays: the brightest pixels are the same.
    assert np.allclose(np.sort(none[0].ravel())[-20:], np.sort(image[0].ravel())[-20:])
    views = [ViewedSurvey(survey, seed) for seed in (1, 2)]
    first, second = (one.images(np.array([0, 1, 2])) for one in views)
    assert first.dtype == np.float32
    assert not np.allclose(first, second)
    # An object's view does not depend on what it is read with.
    assert np.array_equal(views[0].images(np.array([2, 0])), first[[2, 0]])
    assert np.array_equal(views[0].image(1), first[1])
    assert np.array_equal(survey.images(np.array([0]))[0], image)
    sigma = np.array([0.1, 0.5], np.float32)
    flat = np.zeros((2, 200, 200), np.float32)
    noisy = changed(flat, sigma, np.random.default_rng(0))
    assert noisy.std((1, 2)) == pytest.approx(sigma, rel=0.02)


def test_views_of_bytes_stay_bytes_and_nan_stays_nan():
    rng = np.random.default_rng(0)
    image = np.full((1, 20, 20), 254, np.uint8)
    view = changed(image, np.array([5], np.float32), rng)
    assert view.dtype == np.uint8
    assert 230 < view.min() <= view.max() == 255
    gap = np.zeros((1, 20, 20), np.float32)
    gap[0, 8:12, 8:12] = np.nan
    assert np.isnan(changed(gap, np.array([1], np.float32), rng)).sum() == 16


def test_sheets_agree_with_a_sort(survey):
    embedded = embeddings_of(survey, encoders=["structure"])[0]
    found = cosine_distances(embedded, 3)
    values = np.asarray(embedded.values, float)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    expected = 1 - unit @ unit[3]
    expected[3] = np.nan
    np.testing.assert_allclose(found, expected, atol=1e-5)
    others = [row for row in np.argsort(expected) if row not in (3, 5)]
    assert nearest_rows(found).tolist() == others[:8]
    assert len(distance_sample(found)) == COUNT - 2
    with pytest.raises(NotReady, match="nothing to see"):
        cosine_distances(embedded, 5)
    assert 5 not in query_rows([embedded])
    assert nearest_rows(np.full(4, np.nan, np.float32)).tolist() == []


def test_what_is_kept_is_what_was_found(survey, found):
    sheets = [Sheet("G1", {one.run_id: ("G2", "G3") for one in found.assessments})]
    with RunFolder(survey, JobKind.QUALITY, {"seed": 0}) as run:
        keep(run.path, found, sheets, "the task doubles")
    record = quality_runs(survey)[0]
    read = kept(record)
    assert read.comparison == found
    assert read.sheets == tuple(sheets)
    assert read.labels == "the task doubles"
    for one, other in zip(read.comparison.assessments, found.assessments, strict=True):
        for name, values in other.arrays.items():
            assert np.array_equal(one.arrays[name], values)
    (record.path / "quality.json").write_text("{")
    with pytest.raises(Damaged, match="assess the embeddings again"):
        kept(record)


def test_what_is_not_there_is_told(survey, tmp_path):
    with pytest.raises(NotFound, match="no finished embedding"):
        embeddings_of(survey, runs=["embed-0"])
    with pytest.raises(NotReady, match="has no vicreg embedding yet"):
        embeddings_of(survey, encoders=["vicreg"])
    bare = make_survey(tmp_path, count=3, name="bare")
    with pytest.raises(NotReady, match="no embedding to assess"):
        embeddings_of(bare)


# Words


def assessment(encoder, *, alarms=(), probe=None, **measures):
    plain = {"two_point": 1.0, "consistency": 0.5, "retrieval": 0.5, "silhouette": 0.1}
    plain |= {"davies_bouldin": 2.0, "rankme": 3.0, "alignment": 1.0, "uniformity": -1.0}
    probes = () if probe is None else (Probe("lens", 10, 100, probe, probe),)
    return Assessment(
        *(f"run-{encoder}", encoder, 8, 100, 0, 100, plain | measures, {"two_point": 0.5}, ()),
        alarms=tuple(alarms),
        probes=probes,
        notes=(),
    )


def test_the_verdict_says_what_the_numbers_mean():
    words = verdict_of(assessment("a", two_point=5.0, consistency=0.91))
    assert "Uses 3 of 8 dimensions." in words
    assert "keeps 91% of its nearest neighbours" in words
    assert "groups stand apart" in words
    assert "No sign of collapse." in words
    poor = verdict_of(assessment("a", consistency=0.1, alarms=["All objects are the same."]))
    assert "which is little" in poor
    assert "No groups stand out" in poor
    assert "All objects are the same." in poor
    assert "No sign" not in poor
    blank = verdict_of(assessment("a", two_point=None, consistency=None))
    assert "score" not in blank
    assert "keeps" not in blank


def test_the_better_of_two_is_named_with_its_count():
    good = assessment("good", two_point=9.0, consistency=0.6, silhouette=0.05)
    words = comparison([assessment("plain"), good])
    assert words.startswith("Take good: better than plain on 2 of 3 measures that are apart.")
    assert "plain is better in silhouette" in words
    assert comparison([good]) == ""
    named = comparison([assessment("plain"), good], {"run-good": "vicreg, shipped"})
    assert named.startswith("Take vicreg, shipped: better than plain")


@pytest.mark.parametrize(
    "better",
    [
        {"two_point": 99.0},
        {"two_point": 99.0, "consistency": 0.6},
        {"two_point": 99.0, "silhouette": 0.5, "davies_bouldin": 1.0},  # clumps only
        {"two_point": 1.9, "silhouette": 0.2, "davies_bouldin": 1.0},  # within the errors
        {"consistency": 0.515, "retrieval": 0.519, "silhouette": 0.2},
        {"davies_bouldin": 1.97, "silhouette": 0.1015, "consistency": 0.6},
        {"retrieval": None, "consistency": None, "two_point": 9.0, "silhouette": 0.5},
    ],
)
def test_two_measures_or_differences_within_the_errors_decide_nothing(better):
    pair = [assessment("a"), assessment("b", **better)]
    assert best_of(pair) is None
    assert comparison(pair).startswith("No clear difference between a and b.")


def test_clumps_decide_nothing_where_there_are_no_views_either():
    """Over the six sets of the benchmark they name the better of two no more often than chance."""
    clumps = {"two_point": 99.0, "silhouette": 0.5, "davies_bouldin": 1.0}
    unseen = assessment("table", consistency=None, retrieval=None, **clumps)
    for other in (assessment("pca"), assessment("file", consistency=None, retrieval=None)):
        pair = [other, unseen]
        assert best_of(pair) is None
        words = comparison(pair)
        assert words.startswith(f"No clear difference between {other.encoder} and table.")
        named = "file and table" if other.encoder == "file" else "table"
        assert f"Of {named} no two views could be compared, and how far objects clump" in words
    seen = assessment("good", two_point=9.0, consistency=0.6, retrieval=0.7)
    assert "no two views" not in comparison([assessment("pca"), seen])
    assert best_of([assessment("pca"), unseen, seen]) is seen


def test_neighbours_weigh_most_and_a_disagreement_is_told():
    fusion = assessment(
        "fusion",
        two_point=42.0,
        silhouette=0.12,
        davies_bouldin=1.738,
        consistency=0.657,
        retrieval=0.903,
    )
    network = assessment(
        "vicreg",
        two_point=301.0,
        silhouette=0.16,
        davies_bouldin=1.404,
        consistency=0.473,
        retrieval=0.623,
    )
    words = comparison([network, fusion])
    assert words.startswith("Take fusion: better than vicreg on 2 of 5")
    assert "vicreg is better in two-point score, silhouette and Davies-Bouldin" in words
    assert "hint" in words


def test_a_collapsed_embedding_is_not_taken():
    collapsed = assessment("c", two_point=99.0, consistency=1.0, alarms=["Dead."])
    words = comparison([assessment("plain"), collapsed])
    assert words.startswith("Take plain")
    assert "Signs of collapse: c." in words


def test_labels_decide_and_intervals_that_meet_are_told():
    clear = assessment("clear", probe=(0.9, 0.8, 0.95))
    close = assessment("close", probe=(0.85, 0.7, 0.9), two_point=99.0)
    far = assessment("far", probe=(0.3, 0.2, 0.4))
    words = comparison([far, close, clear])
    assert words.startswith("Take clear: its linear probe of lens is the best")
    assert "Within the intervals close is as good" in words
    assert "far" not in words


def probed(encoder: str, alarms: tuple[str, ...] = (), **precision: float) -> Assessment:
    """An assessment with a probe a class: its average precision."""
    probes = tuple(
        Probe(target, 10, 100, (value, value - 0.05, value + 0.05), (value, value, value))
        for target, value in precision.items()
    )
    plain: Assessment = assessment(encoder, alarms=alarms)
    return replace(plain, probes=probes)


def test_probes_are_compared_of_one_class_that_all_have():
    first = probed("first", lens=0.9, merger=0.3)
    second = probed("second", merger=0.5, lens=0.1)  # the same classes in another order
    assert best_of([first, second]) is first
    assert deciding_target([first, second]) == "lens"
    third = probed("third", merger=0.6)  # too few lenses among its objects
    assert best_of([first, second, third]) is third
    words = comparison([first, second, third])
    assert words.startswith("Take third: its linear probe of merger is the best (average")
    assert "Within the intervals second is as good" in words
    # No class that all have: nothing is said by labels.
    apart = [probed("one", lens=0.9), probed("two", merger=0.2)]
    assert deciding_target(apart) is None
    assert best_of(apart) is None
    assert comparison(apart).startswith("No clear difference between one and two.")


def test_a_class_without_a_probe_has_a_dash_at_the_terminal(tmp_path):
    found = (probed("one", merger=0.2), probed("two", lens=0.9, merger=0.3))
    run = RunRecord("run", tmp_path, {}, JobKind.QUALITY, {})
    lines = quality_lines(QualityRun(run, Comparison(found, ""), (), "", {}))
    (lens,) = (line for line in lines if line.startswith("AP lens, linear probe"))
    assert lens.split()[4:] == ["\N{EN DASH}", "0.900", "(0.850", "to", "0.950)"]
    (merger,) = (line for line in lines if line.startswith("AP merger, linear probe"))
    assert [merger.split()[at] for at in (4, 8)] == ["0.200", "0.300"]


def test_labels_decide_among_the_sound_and_the_words_say_so():
    """One rule for which to take and for why: the collapsed one has no probe, or the best one."""
    good, fair = probed("good", lens=0.8), probed("fair", lens=0.4)
    for collapsed in (
        assessment("collapsed", alarms=["Dead."]),
        probed("collapsed", alarms=("Dead.",), lens=0.99),
    ):
        found = [collapsed, fair, good]
        assert best_of(found) is good
        words = comparison(found)
        assert words.startswith(
            "Take good: its linear probe of lens is the best of those without a sign of collapse"
        )
        assert words.endswith(" Signs of collapse: collapsed.")
        assert "Within the intervals" not in words


def test_cells_have_their_errors_and_dashes():
    by_name = {measure.name: measure for measure in MEASURES}
    one = assessment("a", alignment=None)
    assert cell_of(by_name["two_point"], one) == "1.0 \N{PLUS-MINUS SIGN} 0.5"
    assert cell_of(by_name["consistency"], one) == "50%"
    assert cell_of(by_name["alignment"], one) == "\N{EN DASH}"
    assert isinstance(comparison([one, one]), str)
    assert Comparison((one,), "").assessments[0] == one
