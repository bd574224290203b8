"""FixMatch among the searches: the same rows and start as theirs, balanced draws, repeatable."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import (
    common,
    discovery,
    discovery_sets,
    fixmatch,
    fixmatch_network,
    fixmatch_views,
)
from benchmarks.backbone_sets import LabelledSet
from benchmarks.discovery import LEFT_OUT, OTHER, TARGET, Asked, Found, Kept, search
from benchmarks.discovery_sets import RareSet
from benchmarks.fixmatch import FixMatchEngine, beside, called, found_in, with_stand_ins
from benchmarks.fixmatch_network import Cut, FixMatch, Lite0, pictures_of
from core.config import LoopConfig
from core.discovery import Engine
from core.errors import NotReady
from core.representation.networks.efficientnet import HEAD
from core.representation.refining import ALONE, Labels
from core.survey import Batch, Survey, SurveyWriter
from core.workspace import open_workspace

SIDE = 16
CUT = Cut(steps=10, labelled=8, unlabelled=12)
ASKED = Asked(set="red", search="fixmatch", start=0, known=0, budget=16, batch=8)
FOUND = Found(area=0.5, at=(1.0, 2.0, 3.0), first=2, seconds=6.0, targets=4, objects=50)


class Tiny(nn.Module):
    """Two convolutions: what is under test is how it is taught."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3)
        )
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).mean((2, 3)))


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(fixmatch_network.NETWORKS, "tiny", Tiny)


def red() -> tuple[RareSet, torch.Tensor]:
    """Targets are red, others blue; in the embedding the targets are the odd ones."""
    rng = np.random.default_rng(1)
    is_target = np.arange(120) < 12
    values = rng.standard_normal((120, 4)) + 3.0 * is_target[:, None]
    pixels = rng.integers(0, 90, (120, 3, SIDE, SIDE))
    pixels[is_target, 0] += 120
    pixels[~is_target, 2] += 120
    given = RareSet(values.astype(np.float32), is_target, 12)
    return given, torch.from_numpy(pixels.astype(np.uint8))


def made(pictures: torch.Tensor) -> partial[Engine]:
    return partial(fixmatch.engine_of, pictures, "tiny", CUT)


def test_half_of_the_labelled_pictures_of_a_step_are_finds(monkeypatch):
    given, pictures = red()
    index = np.array([3, 40, 41, 42, 43, 44, 45])  # one find, six others
    left = np.setdiff1d(np.arange(120), index)
    answered: list[list[int]] = []
    seen: list[torch.Tensor] = []
    terms, whole = fixmatch_network.fixmatch_terms, fixmatch_network.weak_view

    def watched_terms(labelled, answers, weak, strong, threshold):
        answered.append([len(labelled), int(answers.sum()), len(weak), len(strong)])
        return terms(labelled, answers, weak, strong, threshold)

    def watched_view(shown, generator):
        seen.append(shown)
        return whole(shown, generator)

    monkeypatch.setattr(fixmatch_network, "fixmatch_terms", watched_terms)
    monkeypatch.setattr(fixmatch_network, "weak_view", watched_view)
    labels = Labels(index, np.where(given.is_target[index], 0, ALONE))
    FixMatch("tiny", pictures, 0, CUT).train(labels, left)
    assert answered == [[8, 4, 12, 12]] * CUT.steps
    for labelled, unlabelled in zip(seen[::2], seen[1::2], strict=True):
        assert torch.equal(labelled[:4], pictures[[3] * 4])
        others = {tuple(one.flatten().tolist()) for one in labelled[4:]}
        assert others <= {tuple(pictures[row].flatten().tolist()) for row in index[1:]}
        assert len(others) == 4
        # No answered one is among the unlabelled, and none comes twice.
        same = (unlabelled[:, None] == pictures[None]).flatten(2).all(2)
        assert not same[:, index].any()
        assert bool((same.sum(0) <= 1).all())


def test_what_is_red_is_learnt_and_the_likeliest_is_shown():
    given, pictures = red()
    labels = {row: TARGET if row < 12 else OTHER for row in (0, 1, 2, 30, 31, 32)}
    engine = FixMatchEngine(given.features, pictures, "tiny", 0, CUT)
    ranking = engine.rerank(labels, n=9)
    assert {pick.row for pick in ranking.picks} == set(range(3, 12))
    scores = [pick.score for pick in ranking.picks]
    assert scores == sorted(scores, reverse=True)
    assert np.array_equal(ranking.scores[[pick.row for pick in ranking.picks]], scores)
    # The next round goes on from this one's network.
    before = engine.fixmatch
    assert before is not None
    engine.rerank({**labels, 50: OTHER}, n=1)
    assert engine.fixmatch is before
    assert int(before.trailing.step) == 2 * CUT.steps


def test_batch_normalisation_is_not_decayed():
    engine = FixMatch("tiny", red()[1], 0, CUT)
    decayed, free = engine.optimiser.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (7.5e-4, 0.0)
    assert [tuple(one.shape) for one in free["params"]] == [(8,), (8,)]
    everything = sum(one.numel() for one in engine.network.parameters())
    assert sum(p.numel() for group in (decayed, free) for p in group["params"]) == everything


@pytest.mark.parametrize("n_others", [0, 4])
def test_without_a_find_the_cold_start_shows(n_others):
    given, pictures = red()
    labels = dict.fromkeys(range(100, 100 + n_others), OTHER)
    config = LoopConfig(control_share=0.0, seed=3)
    plain = Engine(given.features, np.ones(120, bool), (OTHER, TARGET), TARGET, config)
    engine = FixMatchEngine(given.features, pictures, "tiny", 3, CUT)
    assert engine.rerank(labels, n=10).picks == plain.rerank(labels, n=10).picks
    assert engine.fixmatch is None


def test_with_finds_alone_unanswered_rows_stand_for_others():
    left = np.arange(5, 120)
    taught = with_stand_ins({3: TARGET}, left, 0)
    assert taught.index[0] == 3
    assert taught.classes.tolist() == [0] + [ALONE] * 10
    assert set(taught.index[1:]) <= set(left.tolist())
    assert len(set(taught.index.tolist())) == 11
    assert with_stand_ins({3: TARGET}, left, 1).index.tolist() != taught.index.tolist()
    both = with_stand_ins({3: TARGET, 4: OTHER}, left, 0)
    assert (both.index.tolist(), both.classes.tolist()) == ([3, 4], [0, ALONE])


def test_rows_are_those_of_the_discovery_benchmark(monkeypatch):
    given, pictures = red()
    pictures[:, 0, 0, 0] = torch.arange(120)
    kept: list[tuple[np.ndarray, torch.Tensor]] = []

    class Watched(FixMatchEngine):
        def __init__(self, values, shown, *rest):
            kept.append((values, shown))
            super().__init__(values, shown, *rest)

    monkeypatch.setattr(fixmatch, "FixMatchEngine", Watched)
    asked = replace(ASKED, start=2, budget=5)
    search(given, asked, made(pictures))
    rows = given.drawn(2, LEFT_OUT)
    assert len(rows) == 108
    assert kept[0][1][:, 0, 0, 0].tolist() == rows.tolist()
    assert np.array_equal(kept[0][0], given.features[rows])


def test_a_set_of_pictures_brings_its_survey(tmp_path, monkeypatch):
    workspace = open_workspace(tmp_path)
    pixels = (
        np.zeros((30, 1, 80, 80), np.uint8) + np.arange(30, dtype=np.uint8)[:, None, None, None]
    )
    with SurveyWriter(
        workspace, "made", bands=("g",), cutout_size_px=80, dtype="uint8", origin="", licence=""
    ) as writer:
        writer.append(Batch([f"o{n}" for n in range(30)], pixels, [{} for _ in range(30)]))
        writer.commit()
    survey = Survey.open(workspace, "made")
    labels = np.array(["arc"] * 3 + ["other"] * 27)
    values = np.arange(60, dtype=np.float16).reshape(30, 2)
    monkeypatch.setattr(
        discovery_sets, "labelled_set", lambda *_: LabelledSet(survey, labels, ("arc",))
    )
    monkeypatch.setattr(
        discovery_sets, "embedding_of", lambda *_: SimpleNamespace(rows=lambda: values)
    )
    given = discovery_sets._pictures("made", "arc", False, workspace, None)
    assert given.survey is survey
    shown = pictures_of(survey)
    assert (shown.shape, shown.dtype) == ((30, 3, 64, 64), torch.uint8)
    assert shown[:, :, 10, 20].tolist() == [[n] * 3 for n in range(30)]  # in the survey's order
    assert given.is_target.tolist() == (labels == "arc").tolist()


def test_a_cut_off_run_goes_on_to_the_same(tmp_path, monkeypatch):
    given, pictures = red()
    monkeypatch.setattr(fixmatch, "rare_set", lambda *_: given)
    monkeypatch.setattr(fixmatch, "pictures_of_set", lambda *_: pictures)
    plan = [replace(ASKED, known=1), replace(ASKED, start=1)]

    def run(kept: Kept) -> dict[Asked, Found]:
        fixmatch.run_all(plan, kept, "", None, "tiny", CUT)
        return {asked: replace(found, seconds=0.0) for asked, found in kept.found.items()}

    unbroken = run(Kept(tmp_path / "one.jsonl"))
    assert list(unbroken) == plan
    assert unbroken[plan[0]].at[0] >= 8  # of ten or so that are left
    first = Kept(tmp_path / "two.jsonl")
    fixmatch.run_all(plan[:1], first, "", None, "tiny", CUT)
    kept = first.found[plan[0]]
    again = Kept(tmp_path / "two.jsonl")
    assert run(again) == unbroken
    assert again.found[plan[0]] == kept  # its time too: it was not run again


def kept_areas(search: str, areas: dict[int, float]) -> dict[Asked, Found]:
    """Of those starts on the set red."""
    return {
        replace(ASKED, search=search, start=start): replace(FOUND, area=area)
        for start, area in areas.items()
    }


def shown(own: dict[Asked, Found], others: dict[Asked, Found]) -> dict[str, list[float]]:
    plan = [
        replace(ASKED, search=search, start=start)
        for search in ("fixmatch", "fixmatch/own")
        for start in range(4)
    ]
    assert beside(own, others, plan, 1) == {}
    return {name: values.tolist() for name, values in beside(own, others, plan, 0)["red"].items()}


def test_all_of_a_row_are_of_the_same_starts():
    own = kept_areas("fixmatch", {0: 0.0, 1: 0.1, 2: 0.2})  # the last is still to come
    small = kept_areas("fixmatch/own", {0: 0.3, 2: 0.5})
    default = kept_areas("default", {3: 0.9, 2: 0.8, 1: 0.7, 0: 0.6})
    assert shown(own, default) == {"fixmatch": [0.0, 0.1, 0.2], "default": [0.6, 0.7, 0.8]}
    two = {"fixmatch": [0.0, 0.2], "fixmatch/own": [0.3, 0.5], "default": [0.6, 0.8]}
    assert shown(own | small, default) == two
    # One that has none of these starts is not shown, and takes none from the others.
    assert shown(own | small, default | kept_areas("aad_forest", {1: 0.4})) == two
    assert shown(own | small, default | kept_areas("aad_forest", {2: 0.4})) == {
        "fixmatch": [0.2],
        "fixmatch/own": [0.5],
        "default": [0.8],
        "aad_forest": [0.4],
    }


def test_of_several_files_the_last_that_has_a_search_counts(tmp_path, capsys):
    paths = [tmp_path / name for name in ("one.jsonl", "two.jsonl", "none.jsonl")]
    for path, areas in zip(paths, ({0: 0.1, 1: 0.2}, {1: 0.3}), strict=False):
        kept = Kept(path)
        for asked, one in kept_areas("default", areas).items():
            kept.add(asked, one)
            if path is paths[0]:
                kept.add(replace(asked, set="blue"), one)
    found = found_in(paths)
    blue = {
        replace(asked, set="blue"): one
        for asked, one in kept_areas("default", {0: 0.1, 1: 0.2}).items()
    }
    assert found == kept_areas("default", {1: 0.3}) | blue  # no start 0 of other code
    assert f"There is no {paths[2]}" in capsys.readouterr().out
    assert not paths[2].exists()


def test_a_search_is_called_by_what_its_cut_changes():
    assert called("imagenet", Cut()) == "fixmatch"
    assert called("own", Cut()) == "fixmatch/own"
    assert called("imagenet", Cut(steps=200)) == "fixmatch/steps=200"
    assert called("own", Cut(labelled=16, unlabelled=80)) == (
        "fixmatch/own/labelled=16/unlabelled=80"
    )


def test_other_cuts_are_kept_apart_and_fresh_forgets_one_search(tmp_path, monkeypatch):
    given, pictures = red()
    for module in (discovery, fixmatch):
        monkeypatch.setattr(module, "rare_set", lambda *_: given)
    monkeypatch.setattr(fixmatch, "pictures_of_set", lambda *_: pictures)
    monkeypatch.setitem(fixmatch_network.NETWORKS, "own", Tiny)
    for module in (common, fixmatch):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    path = tmp_path / "some.jsonl"
    before = Kept(path)
    asked = replace(ASKED, budget=6, batch=3)
    names = ("fixmatch", "fixmatch/own", "fixmatch/own/steps=2")
    for name in names:
        before.add(replace(asked, search=name), FOUND)
    before.add(replace(asked, search=names[2], set="blue"), FOUND)
    other = Kept(tmp_path / "other.jsonl")
    other.add(replace(asked, search="default"), FOUND)

    def run(*options: str) -> dict[str, Found]:
        words = ["--sets", "red", "--starts", "1", "--budget", "6", "--batch", "3", "--name"]
        words += ["some", "--beside", "other", "--network", "own", *options]
        monkeypatch.setattr(sys, "argv", ["fixmatch", *words])
        fixmatch.main()
        found = Kept(path).found
        assert all(one.set == "red" for one in found) == ("--fresh" in options)
        return {one.search: each for one, each in found.items() if one.set == "red"}

    assert run("--steps", "2") == dict.fromkeys(names, FOUND)  # there already: nothing is run
    found = run("--steps", "2", "--fresh")
    assert found.pop(names[2]).objects == 120
    assert found == dict.fromkeys(names[:2], FOUND)
    table = json.loads((tmp_path / "some-0.json").read_text())
    row = dict(zip(table["columns"], table["rows"][0], strict=True))
    assert row["default"] == "0.50 / 0.50"
    assert row[names[2]]
    assert row["fixmatch/steps=2"] == ""
    assert table["settings"]["starts"] == {"red": 1}


def test_what_would_be_shown_is_not_forgotten_first(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fixmatch", "--table", "--fresh"])
    with pytest.raises(SystemExit):
        fixmatch._parsed()
    assert "--table shows what is kept" in capsys.readouterr().err


def test_the_pictures_are_all_sets_with_a_survey(tmp_path, monkeypatch):
    survey = cast(Survey, SimpleNamespace(name="made"))
    labels = np.array(["other"] * 30)
    monkeypatch.setattr(discovery_sets, "labelled_set", lambda *_: LabelledSet(survey, labels, ()))
    rows = SimpleNamespace(rows=lambda: np.zeros((30, 2), np.float16))
    monkeypatch.setattr(discovery_sets, "embedding_of", lambda *_: rows)
    monkeypatch.setattr(discovery_sets, "build_demo", lambda *_, **__: None)
    workspace = open_workspace(tmp_path)
    found: list[str] = []
    refused: list[str] = []
    groups = (discovery_sets.DEVELOPMENT, discovery_sets.EARLIER, discovery_sets.REPORT)
    for name, make in [pair for group in groups for pair in group.items()]:
        try:
            assert make(workspace, tmp_path).survey is survey
            found.append(name)
        except NotReady as error:  # a table, whose file is not there
            refused.append(str(error))
    assert tuple(found) == discovery_sets.PICTURES
    assert all(one.startswith(f"There is no {tmp_path}") for one in refused)
    assert {"FRI made rare", "stars made rare", "simulated artefacts, new seed"} <= set(found)


def test_the_body_from_imagenet_lies_where_the_rest_does(monkeypatch):
    class Body(nn.Linear):
        def layer(self, x: torch.Tensor) -> torch.Tensor:
            return self(x.mean((2, 3)))

        def to(self, device: Any) -> Any:  # type: ignore[override]  # "meta" for an accelerator
            return self.to_empty(device=device)

    monkeypatch.setattr(
        fixmatch_network,
        "ImageNetEncoder",
        lambda: SimpleNamespace(network=Body(3, HEAD, device="meta")),
    )
    assert Lite0()(torch.rand(2, 3, SIDE, SIDE)).shape == (2, 2)


def test_a_strong_view_follows_its_seed_and_hides_a_grey_square(monkeypatch):
    pictures = red()[1][:6]
    views = [
        fixmatch_views.strong_view(
            pictures, torch.Generator().manual_seed(one), np.random.default_rng(one)
        )
        for one in (0, 0, 1)
    ]
    assert views[0].shape == pictures.shape
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
    identity = fixmatch_views.RAND_AUGMENT["identity"]
    monkeypatch.setattr(fixmatch_views, "RAND_AUGMENT", {"identity": identity})
    pixels = pictures[0].permute(1, 2, 0).numpy()
    sides = []
    for seed in range(60):
        out = fixmatch_views._rand_augmented(pixels, np.random.default_rng(seed))
        changed = (out != pixels).any(2)
        assert (out[changed] == 127).all()
        rows, columns = (np.flatnonzero(changed.any(axis)) for axis in (1, 0))
        sides += [len(rows), len(columns)]
    assert max(sides) == SIDE // 2
    assert min(sides) == 0


def test_operations_do_what_they_are_called():
    from PIL import Image

    pixels = red()[1][0].permute(1, 2, 0).numpy()

    def done(name: str, amount: float) -> np.ndarray:
        operation = fixmatch_views.RAND_AUGMENT[name][0]
        return np.asarray(operation(Image.fromarray(pixels), amount)).astype(int)

    assert np.abs(done("brightness", 0.5) - pixels / 2).max() <= 1
    assert np.array_equal(done("solarise", 100), np.where(pixels < 100, pixels, 255 - pixels))
    assert np.array_equal(done("posterise", 4.7), pixels & 0xF0)
    assert np.array_equal(done("translate x", 0.25)[:, : SIDE - 4], pixels[:, 4:])
    assert np.array_equal(done("translate y", 0.25)[: SIDE - 4], pixels[4:])
