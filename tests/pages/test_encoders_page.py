"""The encoders page: who sees what, what its buttons start, and how jobs are told."""

from __future__ import annotations

import json

import pytest

from core.errors import BadInput, Forbidden
from core.representation import choose_embedding, chosen_embedding, finished_embeddings
from core.run import _parser
from core.survey import RunFolder
from core.vocabulary import JobKind, Role
from core.workspace import open_workspace
from pages._server.identity import Identity, install_resolver
from pages._server.services import Services, install
from pages._shared import encoders_jobs
from pages._shared.encoders_embed import embed_arguments
from pages._shared.encoders_words import (
    doubts,
    encoder_words,
    fitting_encoders,
    fusion_parts,
    networks,
)
from tests.pages.conftest import embed
from tests.pages.kit import labels_of, one, press, text_of
from tests.pages.trainings import called, draw, train

CHECKED = (
    "the network runs in float32 (same neighbours as float32: folded bf16 0.98): no faster way"
    " keeps 99% of them"
)


def test_without_a_survey_it_says_where_to_begin(tmp_path):
    owner = Identity("owner", "ann", Role.OWNER)
    empty = Services(open_workspace(tmp_path / "empty"), owner, start_processes=False)
    install(empty)
    install_resolver(lambda _: owner)
    try:
        assert "Import one on the Data page" in text_of(draw())
        install_resolver(lambda _: Identity("vic", "vic", Role.VIEWER))
        assert "ann has not added one yet" in text_of(draw())
    finally:
        install_resolver(None)
        install(None)


def test_the_view_stays_in_the_address_and_an_unknown_one_is_the_first(services, sign_in):
    script = draw("train")
    assert script.query_params["view"] == "train"
    assert script.query_params["survey"] == "tiny"
    assert draw("nonsense").query_params["view"] == "embeddings"


def test_a_damaged_run_is_a_sentence_and_hides_nothing(services, sign_in, tiny):
    embed(tiny)
    (tiny.folder / "runs" / "broken").mkdir(parents=True)
    script = draw()
    assert "broken" in script.warning[0].value
    assert len(script.dataframe) == 1


@pytest.mark.parametrize("name", ["cat", "vic"])
@pytest.mark.parametrize("view", ["embeddings", "train"])
def test_who_is_not_the_owner_reads_and_starts_nothing(services, sign_in, tiny, name, view):
    embed(tiny)
    embed(tiny, "pca")
    train(tiny)
    sign_in(name)
    script = draw(view)
    assert labels_of(script) == []
    assert len(script.dataframe) == 1


def test_jobs_are_started_by_owners_only(services, sign_in, jobs):
    sign_in("cat")
    with pytest.raises(Forbidden):
        encoders_jobs.start(JobKind.EMBED, "tiny", ["tiny"])
    assert jobs == []


def test_embeddings_are_listed_with_the_one_in_use(services, sign_in, tiny):
    assert "tiny has no embedding yet" in text_of(draw())
    embed(tiny)
    embed(tiny, "pca")
    table = draw().dataframe[0].value
    assert table["Encoder"].tolist() == ["pca", "fusion"]
    assert table["In use"].tolist() == ["", "\N{CHECK MARK}"]
    assert table["Masked"].tolist() == [0, 0]


def test_what_an_assessment_found_stands_beside_the_embedding(services, sign_in, tiny):
    from core.representation.quality import Assessment, Comparison, keep

    embed(tiny)
    used = finished_embeddings(tiny)[0].run_id
    found = Assessment(
        run_id=used,
        encoder="fusion",
        dimensions=4,
        n_objects=9,
        n_masked=0,
        n_measured=9,
        measures={"consistency": 0.75, "two_point": None},
        errors={},
        clusters=(),
        alarms=(),
        probes=(),
        notes=(),
    )
    with RunFolder(tiny, JobKind.QUALITY, {}) as run:
        keep(run.path, Comparison((found,), "Take it."), (), "")
    table = draw().dataframe[0].value
    assert table["Neighbours kept"].tolist() == ["75%"]
    assert "Two-point score" not in table
    with RunFolder(tiny, JobKind.QUALITY, {}) as run:
        (run.path / "quality.json").write_text("{")
    script = draw()
    assert f"The quality run {run.run_id} cannot be read" in text_of(script)
    assert script.dataframe[0].value["Neighbours kept"].tolist() == ["75%"]


def test_another_embedding_is_chosen_and_the_choice_taken_back(services, sign_in, tiny, jobs):
    embed(tiny)
    embed(tiny, "pca")
    script = draw()
    assert "ranked anew" in text_of(script)
    assert one(script.button, "Use for labelling").disabled
    pca = next(one.run_id for one in finished_embeddings(tiny) if one.encoder == "pca")
    one(script.selectbox, "Use another one").select(pca).run()
    press(script, "Use for labelling")
    pca = next(one.run_id for one in finished_embeddings(tiny) if one.encoder == "pca")
    assert chosen_embedding(tiny) == pca
    assert script.dataframe[0].value["In use"].tolist() == ["\N{CHECK MARK}", ""]
    one(script.selectbox, "Use another one").select("").run()
    press(script, "Use for labelling")
    assert chosen_embedding(tiny) is None


def test_the_map_is_made_anew_for_another_embedding(services, sign_in, tiny, jobs):
    embed(tiny)
    embed(tiny, "pca")
    services.start_processes = True
    script = draw()
    pca = next(one.run_id for one in finished_embeddings(tiny) if one.encoder == "pca")
    one(script.selectbox, "Use another one").select(pca).run()
    press(script, "Use for labelling")
    assert jobs == [(JobKind.MAP, "tiny", ["tiny"])]


def test_the_form_embeds_with_the_options_that_were_filled_in(services, sign_in, tiny, jobs):
    script = draw()
    assert one(script.selectbox, "Encoder").value == "fusion"
    one(script.selectbox, "Encoder").select("vicreg").run()
    one(script.selectbox, "Network").select("shipped").run()
    one(script.text_input, "rotations").input(" 2 ").run()
    press(script, "Embed")
    words = ["tiny", "--encoder=vicreg", "--set=weights=shipped", "--set=rotations=2"]
    assert jobs == [(JobKind.EMBED, "tiny", words)]
    parsed = _parser().parse_args(["embed", *words])
    assert parsed.set == ["weights=shipped", "rotations=2"]


def test_paths_outside_of_the_data_roots_are_no_options(services, sign_in, tiny, jobs):
    with pytest.raises(BadInput, match="elsewhere"):
        embed_arguments("tiny", "external", {"path": "/etc/passwd"})
    assert embed_arguments("tiny", "pca", {"components": "", "x": "a=b"})[2:] == ["--set=x=a=b"]


def test_every_encoder_that_fits_has_a_sentence(services, tiny):
    names = fitting_encoders(tiny)
    assert names[0] == "fusion"
    assert "spectrum_pca" not in names
    for name in names:
        words = encoder_words(name)
        assert 10 < len(words) < 400, name
        assert "->" not in words, name
        assert "(B" not in words, name


def test_a_newer_network_is_pointed_out_until_an_embedding_uses_it(services, sign_in, tiny, jobs):
    embed(tiny)
    assert "is not embedded yet" not in text_of(draw())
    network = train(tiny)
    script = draw()
    assert "is not embedded yet" in text_of(script)
    assert "trained for 50 steps only" in text_of(script)
    press(script, "Embed and use it in the default")
    kind, subject, words = jobs[-1]
    assert (kind, subject) == (JobKind.EMBED, "tiny")
    assert words[:2] == ["tiny", "--encoder=fusion"]
    assert f"--set=weights={network}" in words
    assert f"--set=parts={fusion_parts('vicreg')}" in words
    with RunFolder(
        tiny, JobKind.EMBED, {"encoder": "vicreg", "options": {"weights": network}}
    ) as run:
        for name in ("embedding.npy", "mask.npy"):
            source = tiny.folder / "runs" / finished_embeddings(tiny)[0].run_id / name
            (run.path / name).write_bytes(source.read_bytes())
    assert "is not embedded yet" not in text_of(draw())


def test_a_worse_network_is_warned_of_and_a_better_one_is_not(services, sign_in, tiny, jobs):
    embed(tiny)
    better = train(tiny, steps=400, kept=0.8)
    train(tiny, "byol", steps=400, kept=0.6)
    script = draw("train")
    words = f"keeps 60% of the neighbours, but {called(tiny, better)}, 400 steps 80%"
    assert words in text_of(script)
    one(script.selectbox, "Embed the survey with").select(better).run()
    assert words not in text_of(script)
    choose_embedding(tiny, finished_embeddings(tiny)[0].run_id)
    assert "Embed and use it in the default" not in labels_of(draw("train"))


def test_an_autoencoder_is_held_against_others_by_its_error(services, sign_in, tiny):
    old = train(tiny, "vae", steps=400, kept=0.9)  # of a version that measured no error
    runs = {}
    for kept, error in ((0.1, 0.0123456), (0.6, 0.03)):
        quality = {"neighbour_consistency": kept, "reconstruction_error": error}
        runs[error] = train(tiny, "vae", steps=400, quality=quality)
    known = {run.run_id: run for run in networks(tiny)}
    assert doubts(tiny, known[runs[0.0123456]]) == ""
    assert doubts(tiny, known[old]) == ""
    words = doubts(tiny, known[runs[0.03]])
    assert words.startswith("It rebuilds held-out pictures with an error of 0.03, but")
    assert words.endswith("with an error of 0.0123.")
    train(tiny, "byol", steps=400, kept=0.5)
    assert "keeps 10% of the neighbours, but byol" in doubts(tiny, known[runs[0.0123456]])
    (table,) = [one.value for one in draw("train").dataframe if "Weights of step" in one.value]
    assert table["Reconstruction error"].tolist()[1:3] == [0.03, 0.0123456]
    assert table["Reconstruction error"].isna().tolist() == [True, False, False, True]


def test_an_embedding_by_an_older_default_is_pointed_out(services, sign_in, tiny):
    embed(tiny)
    assert "default has changed" not in text_of(draw())
    path = tiny.folder / "runs" / finished_embeddings(tiny)[0].run_id / "config.json"
    told = json.loads(path.read_text())
    told["result"]["parts"] = [
        {"name": "structure", "weight": 1.0, "components": 0},
        {"name": "vicreg", "weight": 0.5, "components": 16},
    ]
    path.write_text(json.dumps(told))
    words = text_of(draw())
    assert "made of structure and vicreg (16 components, weight 0.5)" in words
    assert "default has changed since" in words


def test_no_cell_is_none_and_options_are_words(services, sign_in, tiny):
    embed(tiny)
    options = {"weights": "shipped", "parts": "structure:1,vicreg:1:16"}
    with RunFolder(tiny, JobKind.EMBED, {"encoder": "pca", "options": options}) as run:
        for name in ("embedding.npy", "mask.npy"):
            source = tiny.folder / "runs" / finished_embeddings(tiny)[0].run_id / name
            (run.path / name).write_bytes(source.read_bytes())
        run.result["embedding"] = {"notes": [CHECKED, "one picture is damaged"]}
    table = draw().dataframe[0].value
    assert not table.isna().any().any()
    assert table["Options"][0] == "of structure and vicreg (16 components)"
    said = "Arithmetic checked: same neighbours. One picture is damaged."
    assert table["Notes"].tolist() == [said, ""]


def test_a_fusion_takes_the_network_of_another_method():
    from core.representation.encoders.fusion import parts_from

    names = [part.name for part in parts_from(fusion_parts("byol"))]
    assert "byol" in names
    assert "vicreg" not in names


def test_an_embedding_that_ended_can_be_put_to_use(services, sign_in, db, tiny, jobs):
    embed(tiny)
    db.start_run("embed-1", JobKind.EMBED, "tiny", {"encoder": "pca"})
    script = draw()
    with RunFolder(tiny, JobKind.EMBED, {"encoder": "pca"}, run_id="embed-1") as run:
        for name in ("embedding.npy", "mask.npy"):
            source = tiny.folder / "runs" / finished_embeddings(tiny)[0].run_id / name
            (run.path / name).write_bytes(source.read_bytes())
    db.finish_run("embed-1", {"objects": 9})
    script.run()
    assert "embedded by pca" in text_of(script)
    press(script, "Use it for labelling")
    assert chosen_embedding(tiny) == "embed-1"


def test_a_job_that_was_refused_at_once_is_told_by_its_own_sentence(
    services, sign_in, db, jobs, monkeypatch
):
    db.start_run("embed-0", JobKind.EMBED, "tiny", {"encoder": "pca"})
    db.finish_run("embed-0", {})
    script = draw()
    press(script, "Embed")
    monkeypatch.setattr(services.children, "job_error", lambda kind, subject: "No such option.")
    script.run()
    assert [error.value.replace("\\", "") for error in script.error] == ["No such option."]


@pytest.mark.parametrize("view", ["views", "quality", "reconstructions"])
def test_the_other_views_are_drawn_for_a_viewer(services, sign_in, view):
    sign_in("vic")
    script = draw(view)
    assert script.query_params["view"] == view
    assert not script.error
