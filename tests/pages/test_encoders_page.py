"""The encoders page: who sees what, what its buttons start, and how jobs are told."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from streamlit.testing.v1 import AppTest

from core.config import PretrainConfig
from core.errors import BadInput, Forbidden
from core.representation import choose_embedding, chosen_embedding, finished_embeddings
from core.representation.training.checkpoint import STATE
from core.run import _parser
from core.survey import Batch, RunFolder, SurveyWriter
from core.vocabulary import JobKind, Role
from core.workspace import open_workspace
from pages._server.identity import Identity, install_resolver
from pages._server.services import Services, install
from pages._shared import encoders_jobs
from pages._shared.encoders_embed import embed_arguments
from pages._shared.encoders_stopped import PLAN, arguments_again, stopped_trainings
from pages._shared.encoders_train import ending_words
from pages._shared.encoders_train_form import Wish, train_arguments
from pages._shared.encoders_words import encoder_words, fitting_encoders, fusion_parts
from tests.pages.conftest import embed

ROLES = {"ann": Role.OWNER, "cat": Role.ANNOTATOR, "vic": Role.VIEWER}
ASKED = {
    "surveys": ["tiny"],
    "minutes": 5.0,
    "by_rule": ["batch_size", "learning_rate"],
    "bands": 3,
    **PretrainConfig().as_dict(),
}
ENDED = {
    "ending": "stopped early at step 40",
    "best_step": 30,
    "best_quality": {"neighbour_consistency": 0.5},
    "notes": ["The batch was halved."],
    "steps": 50,
    "batch_size": 8,
}

CHECKED = (
    "the network runs in float32 (same neighbours as float32: folded bf16 0.98): no faster way"
    " keeps 99% of them"
)


@pytest.fixture
def sign_in(services):
    """Say who looks at the pages from now on; the owner until then."""

    def as_person(name: str) -> None:
        install_resolver(lambda cookies: Identity(name, name, ROLES[name]))

    as_person("ann")
    yield as_person
    install_resolver(None)


@pytest.fixture
def jobs(services, monkeypatch):
    """The jobs that are started instead of being run."""
    started: list[tuple[JobKind, str, list[str]]] = []
    monkeypatch.setattr(
        services.children,
        "start_job",
        lambda kind, subject, arguments: started.append((kind, subject, list(arguments))),
    )
    return started


@pytest.fixture
def tiny(services):
    return services.survey("tiny")


def draw_page() -> None:
    """Runs in AppTest's own script: as the shell does."""
    from pages import encoders
    from pages._shared.tasks import choose_task

    choose_task()
    encoders.draw()


def draw(view: str = "embeddings", survey: str = "") -> AppTest:
    script = AppTest.from_function(draw_page, default_timeout=30)
    script.query_params["view"] = view
    if survey:
        script.query_params["survey"] = survey
    script.run()
    assert not script.exception
    return script


def one(elements, label: str):
    """The one widget with this label."""
    found = [element for element in elements if element.label == label]
    assert len(found) == 1, (label, [element.label for element in elements])
    return found[0]


def press(script: AppTest, label: str) -> AppTest:
    one(script.button, label).click().run()
    assert not script.exception
    return script


def text_of(script: AppTest) -> str:
    """What is written on the page, without Markdown's escapes."""
    kinds = (
        *(script.title, script.subheader, script.markdown, script.caption, script.get("html")),
        *(script.success, script.info, script.warning, script.error),
    )
    texts = (
        str(getattr(element, "value", None) or element.proto.body)
        for elements in kinds
        for element in elements
    )
    return "\n".join(texts).replace("\\", "")


def train(
    survey, method: str = "vicreg", steps: int = 50, kept: float | None = None, **more
) -> str:
    """Write a finished pretraining run; `kept` of the neighbours on held-out objects."""
    config = {"method": method, "surveys": {survey.name: "x"}}
    config["config"] = PretrainConfig(method=method).as_dict()
    with RunFolder(survey, JobKind.PRETRAIN, config | more) as run:
        records = [
            {"step": 1, "loss": 3.0, "variance": 1.0, "learning_rate": 1e-3, "seconds": 2.0},
            {"step": 10, "loss": 1.0, "variance": 0.5, "learning_rate": 1e-4, "seconds": 9.0},
            {"step": 10, "quality": {"neighbour_consistency": 0.5, "<b>odd": 1.0}},
        ]
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (run.path / "metrics.jsonl").write_text(lines)
        run.result.update(ENDED, steps=steps)
        if kept is not None:
            run.result["best_quality"] = {"neighbour_consistency": kept}
    return run.run_id


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
    assert [button.label for button in script.button] == []
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
    assert "newer network" not in text_of(draw())
    network = train(tiny)
    script = draw()
    assert "newer network" in text_of(script)
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
    assert "newer network" not in text_of(draw())


def test_a_worse_network_is_warned_of_and_a_better_one_is_not(services, sign_in, tiny, jobs):
    embed(tiny)
    better = train(tiny, steps=400, kept=0.8)
    train(tiny, "byol", steps=400, kept=0.6)
    script = draw("train")
    names = "keeps 60% of the neighbours, vicreg of"
    assert names in text_of(script)
    one(script.selectbox, "Embed the survey with").select(better).run()
    assert names not in text_of(script)
    choose_embedding(tiny, finished_embeddings(tiny)[0].run_id)
    assert "Embed and use it in the default" not in [b.label for b in draw("train").button]


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


def test_curves_of_a_stopped_training_stay(services, sign_in, db, tiny):
    db.start_run("pretrain-1", JobKind.PRETRAIN, "tiny", ASKED)
    db.mark_cancelled("pretrain-1")
    folder = tiny.folder / "checkpoints" / "vicreg-1"
    folder.mkdir(parents=True)
    plan = {"config": {"method": "vicreg"}, "words": "20 steps"}
    (folder / PLAN).write_text(json.dumps(plan))
    state = {
        "history": [{"step": 1, "loss": 3.0, "seconds": 1.0}, {"step": 9, "loss": 1.0}],
        "qualities": [{"step": 9, "quality": {"neighbour_consistency": 0.5}}],
    }
    save_file({"x": np.zeros(1)}, folder / STATE, {"state": json.dumps(state)})
    script = draw("train")
    assert one(script.multiselect, "Runs").options == ["vicreg (rain-1)"]
    assert "vicreg, stopped (rain-1)" in text_of(script)
    assert len(script.get("plotly_chart")) == 2
    sign_in("vic")
    script = draw("train")
    assert len(script.get("plotly_chart")) == 2
    assert "Owners train networks" in text_of(script)
    (folder / STATE).write_bytes(b"damaged")
    assert "Nothing is noted yet" in text_of(draw("train"))


def test_a_job_that_is_starting_can_be_cancelled(services, sign_in, tiny, monkeypatch):
    is_alive, ended = [True], []
    monkeypatch.setattr(services.children, "job_running", lambda kind, survey: is_alive[0])
    monkeypatch.setattr(services.children, "stop_job", lambda kind, survey: ended.append(kind))
    script = draw("train")
    press(script, "Cancel")
    assert ended == [JobKind.PRETRAIN]
    assert "Cancel" not in [button.label for button in script.button]
    is_alive[0] = False
    script.run()
    assert "was stopped before it began" in text_of(script)


def test_a_fusion_takes_the_network_of_another_method():
    from core.representation.encoders.fusion import parts_from

    names = [part.name for part in parts_from(fusion_parts("byol"))]
    assert "byol" in names
    assert "vicreg" not in names


def test_what_is_asked_for_becomes_a_command(services, sign_in, jobs):
    script = draw("train")
    assert "No network is trained on tiny yet" in text_of(script)
    one(script.number_input, "Minutes").set_value(3).run()
    one(script.selectbox, "Method").select("byol").run()
    one(script.selectbox, "Augmentations").select("strong").run()
    one(script.number_input, "Batch size").set_value(64).run()
    one(script.multiselect, "Augmentations to leave out").select("noise").run()
    press(script, "Train")
    kind, subject, words = jobs[0]
    assert (kind, subject) == (JobKind.PRETRAIN, "tiny")
    asked = _parser().parse_args(["pretrain", *words])
    assert (asked.surveys, asked.method, asked.minutes, asked.steps) == (
        ["tiny"],
        "byol",
        3.0,
        None,
    )
    assert (asked.batch_size, asked.learning_rate) == (64, None)
    assert (asked.augmentation, asked.without) == ("strong", ["noise"])


def test_a_setting_that_cannot_be_read_is_a_sentence_and_starts_nothing(services, sign_in, jobs):
    script = draw("train")
    one(script.text_area, "Settings of vicreg").input("widths 3").run()
    press(script, "Train")
    assert "KEY=VALUE" in script.error[0].value.replace("\\", "")
    assert jobs == []


def test_steps_and_settings_are_passed_on():
    wish = Wish(("a", "b"), "vicreg", None, 70, None, 0.002, off=("noise", "zoom"))
    words = train_arguments(wish)
    asked = _parser().parse_args(["pretrain", *words])
    assert (asked.surveys, asked.steps, asked.minutes) == (["a", "b"], 70, None)
    assert (asked.learning_rate, asked.without) == (0.002, ["noise", "zoom"])
    assert not asked.no_early_stop
    more = train_arguments(
        Wish(("a",), early_stop=False, settings="\n projection = 64 \n", seed=7)
    )
    asked = _parser().parse_args(["pretrain", *more])
    assert (asked.set, asked.seed, asked.no_early_stop) == (["projection=64"], 7, True)


def test_the_augmentations_lead_to_their_view(services, sign_in, monkeypatch):
    from pages import encoders

    seen = []
    monkeypatch.setattr(encoders, "_views", lambda survey: seen.append(survey.name))
    press(draw("train"), "See them on your own objects")
    assert seen == ["tiny"]


def test_a_survey_without_pictures_is_not_trained_on(services, sign_in, workspace):
    with SurveyWriter(
        workspace,
        "table",
        bands=(),
        cutout_size_px=0,
        dtype="float32",
        origin="made up",
        licence="none",
    ) as writer:
        writer.append(Batch(["a", "b"], None, [{"x": 1.0}, {"x": 2.0}]))
        writer.commit()
    script = draw("train", "table")
    assert "table has none" in text_of(script)
    assert "Train" not in [button.label for button in script.button]
    encoders = one(draw("embeddings", "table").selectbox, "Encoder").options
    assert "columns (default)" in encoders
    assert "vicreg" not in encoders


def test_curves_and_networks_are_drawn_and_can_be_embedded_with(services, sign_in, tiny, jobs):
    train(tiny)
    train(tiny, "byol")
    script = draw("train")
    page = text_of(script)
    assert "The loss is no measure of progress" in page
    assert (
        len(script.get("plotly_chart")) == 5
    )  # two measures, the loss, its part, the learning rate
    table = script.dataframe[0].value
    assert table["Method"].tolist() == ["byol", "vicreg"]
    assert table["Weights of step"].tolist() == [30, 30]
    assert "Stopped early at step 40" in table["How it ended"][0]
    press(script, "Embed with it alone")
    assert jobs[-1][2][:2] == ["tiny", "--encoder=byol"]


def test_runs_of_older_versions_are_drawn_against_steps(services, sign_in, tiny):
    with RunFolder(tiny, JobKind.PRETRAIN, {"method": "VICReg", "surveys": {}}) as run:
        (run.path / "metrics.jsonl").write_text('{"step": 0.0, "loss": 3.0, "variance": 1.0}\n')
    script = draw("train")
    assert script.dataframe[0].value["Method"].tolist() == ["vicreg"]
    assert len(script.get("plotly_chart")) == 2
    one(script.get("button_group"), "Against").set_value("Minutes").run()
    assert "No times were noted by vicreg" in text_of(script)


def test_a_training_that_runs_is_told_and_stopped(services, sign_in, db, tiny):
    db.start_run("pretrain-1", JobKind.PRETRAIN, "tiny", ASKED)
    db.heartbeat("pretrain-1", fraction=0.25, message="step 5 of 20", eta_s=75)
    folder = tiny.folder / "runs" / "pretrain-1.partial"
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text('{"step": 5, "loss": 2.0, "seconds": 3}\n{"step": 6, "l')
    script = draw("train")
    assert one(script.button, "Train").disabled
    assert len(script.get("plotly_chart")) == 1
    assert "No quality is measured" in text_of(script)
    sign_in("cat")
    assert "Cancel" not in [button.label for button in draw("train").button]
    sign_in("ann")
    press(script, "Cancel")
    assert db.cancel_requested("pretrain-1")
    db.mark_cancelled("pretrain-1")
    script.run()
    assert "was stopped on request" in text_of(script)
    press(script, "Close")
    assert "was stopped on request" not in text_of(script)


def test_how_a_job_ended_is_told(services, sign_in, db, tiny):
    db.start_run("pretrain-1", JobKind.PRETRAIN, "tiny", ASKED)
    script = draw("train")
    db.finish_run("pretrain-1", ENDED)
    script.run()
    page = text_of(script)
    assert (
        "The vicreg network is trained. Stopped early at step 40; kept are the weights of" in page
    )
    assert "The batch was halved." in page
    assert "Embed with it alone" in [button.label for button in script.button]
    db.start_run("pretrain-2", JobKind.PRETRAIN, "tiny", ASKED)
    script.run()
    db.fail_run("pretrain-2", "The loss diverged *at once*.")
    script.run()
    assert "The loss diverged *at once*." in text_of(script)


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


def test_a_stopped_training_goes_on_by_the_same_command(services, sign_in, db, tiny, jobs):
    asked = ASKED | {"settings": {"projection": 64}, "augmentation_off": ["noise"]}
    db.start_run("pretrain-1", JobKind.PRETRAIN, "tiny", asked)
    db.heartbeat("pretrain-1", fraction=0.5, message="step 10 of 20")
    db.mark_cancelled("pretrain-1")
    assert stopped_trainings(tiny) == []
    kept = tiny.folder / "checkpoints" / "vicreg-1"
    kept.mkdir(parents=True)
    plan = {"config": asked | {"steps": 20, "batch_size": 8, "learning_rate": 0.01}}
    for key in ("surveys", "minutes", "by_rule", "bands"):
        plan["config"].pop(key)
    (kept / PLAN).write_text(json.dumps(plan | {"words": "9 pictures: 20 steps"}))
    (kept / "checkpoint.safetensors").write_bytes(b"x")
    script = draw("train")
    page = text_of(script)
    assert "training stopped at 50%" in page
    assert "9 pictures: 20 steps." in page
    press(script, "Go on")
    assert jobs == [(JobKind.PRETRAIN, "tiny", arguments_again(asked))]
    again = _parser().parse_args(["pretrain", *jobs[0][2]])
    assert (again.minutes, again.steps, again.batch_size) == (5.0, None, None)
    assert (again.set, again.without, again.bands) == (["projection=64"], ["noise"], 3)
    press(draw("train"), "Yes, discard it")
    assert not kept.exists()


def test_a_checkpoint_of_other_settings_is_not_taken_up(services, sign_in, db, tiny):
    db.start_run("pretrain-1", JobKind.PRETRAIN, "tiny", ASKED)
    db.mark_cancelled("pretrain-1")
    kept = tiny.folder / "checkpoints" / "vicreg-1"
    kept.mkdir(parents=True)
    (kept / "checkpoint.safetensors").write_bytes(b"x")
    for text in ("{", "[]", json.dumps({"config": PretrainConfig(seed=1).as_dict()})):
        (kept / PLAN).write_text(text)
        assert stopped_trainings(tiny) == []


def test_endings_in_words():
    assert ending_words({}) == ""
    assert ending_words({"ending": "all steps done"}) == "All steps done."
    assert "kept are the weights of step 30 (neighbour consistency 0.500)." in ending_words(ENDED)


@pytest.mark.parametrize("view", ["views", "quality", "reconstructions"])
def test_the_other_views_are_drawn_for_a_viewer(services, sign_in, view):
    sign_in("vic")
    script = draw(view)
    assert script.query_params["view"] == view
    assert not script.error
