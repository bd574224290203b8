"""What one person may ask of the server, and which workspace a post was meant for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from starlette.applications import Starlette

from core.errors import BadInput
from core.vocabulary import Role
from core.workspace import Workspace, open_workspace
from pages._server import limits as module
from pages._server.identity import Identity, IdentityMiddleware
from pages._server.limits import LIMITS, Allowance, Kind, Limits, TooMany, kind_of
from pages._server.requests import RouteSpec
from pages._server.routes import make_routes
from pages._server.services import Services
from pages._server.which_workspace import ID_FILE, workspace_id
from tests.pages.asgi import Browser
from tests.pages.conftest import IDS, TOKEN

SMALL = {Kind.PICTURES: Allowance(3, 1), Kind.READS: Allowance(2, 1), Kind.WRITES: Allowance(2, 4)}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def run(*steps: Callable[[], object]) -> list[object]:
    """The steps' values in an event loop of its own: another test's may be running here."""

    async def whole() -> list[object]:
        return [await step() for step in steps]  # type: ignore[misc]

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, whole()).result()


def admitted(limits: Limits, user: str, kind: Kind) -> int:
    """0 if a request is let in, else the seconds it is told to wait."""

    async def one() -> int:
        try:
            async with limits.admit(user, kind):
                return 0
        except TooMany as error:
            return error.retry_after_s

    (answer,) = run(one)
    assert isinstance(answer, int)
    return answer


def test_a_bucket_empties_and_fills_again() -> None:
    clock = Clock()
    limits = Limits(SMALL, clock=clock)
    assert [admitted(limits, "ann", Kind.WRITES) for _ in range(3)] == [0, 0, 1]
    clock.now += 0.25
    assert [admitted(limits, "ann", Kind.WRITES) for _ in range(2)] == [0, 1]
    clock.now += 3600
    assert [admitted(limits, "ann", Kind.WRITES) for _ in range(3)] == [0, 0, 1]


def test_people_and_kinds_have_buckets_of_their_own() -> None:
    limits = Limits(SMALL, clock=Clock())
    assert [admitted(limits, "ann", Kind.READS) for _ in range(3)] == [0, 0, 1]
    assert admitted(limits, "bob", Kind.READS) == 0
    assert admitted(limits, "ann", Kind.WRITES) == 0


def test_the_wait_is_long_enough() -> None:
    """Whoever waits as told is let in."""
    clock = Clock()
    limits = Limits({**SMALL, Kind.READS: Allowance(1, 0.3)}, clock=clock)
    assert admitted(limits, "ann", Kind.READS) == 0
    told = admitted(limits, "ann", Kind.READS)
    assert told == 4  # 1 / 0.3 seconds, in whole ones
    clock.now += told
    assert admitted(limits, "ann", Kind.READS) == 0


def test_a_clock_that_stands_still_or_goes_back_gives_nothing() -> None:
    clock = Clock()
    limits = Limits(SMALL, clock=clock)
    assert [admitted(limits, "ann", Kind.READS) for _ in range(2)] == [0, 0]
    clock.now -= 500
    assert admitted(limits, "ann", Kind.READS) == 1


def test_the_longest_away_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PEOPLE", 3)
    limits = Limits(SMALL, clock=Clock())
    for name in ("ann", "bob", "cat"):
        assert [admitted(limits, name, Kind.READS) for _ in range(3)] == [0, 0, 1]
    assert admitted(limits, "ann", Kind.READS) == 1
    assert admitted(limits, "dan", Kind.READS) == 0
    assert len(limits) == 3
    assert admitted(limits, "ann", Kind.READS) == 1, "was here a moment ago"
    assert admitted(limits, "bob", Kind.READS) == 0, "was forgotten"


def test_pictures_of_one_person_wait_their_turn() -> None:
    limits = Limits(at_once=2)
    making = 0
    most = 0

    async def one(user: str) -> None:
        nonlocal making, most
        async with limits.admit(user, Kind.PICTURES):
            making += 1
            most = max(most, making)
            for _ in range(3):
                await asyncio.sleep(0)
            making -= 1

    async def many() -> None:
        await asyncio.gather(*[one("ann") for _ in range(10)])

    run(many)
    assert most == 2

    async def both() -> None:
        await asyncio.gather(*[one(name) for name in ("ann", "bob") for _ in range(5)])

    most = 0
    limits = Limits(at_once=2)  # of the other event loop
    run(both)
    assert most == 4


def test_a_fast_person_with_a_grid_meets_no_limit() -> None:
    """300 presses at 10 a second with all that a press asks for, and 8 x 8 pages between."""
    clock = Clock()
    limits = Limits(clock=clock)
    for press in range(300):
        clock.now += 0.1
        assert admitted(limits, "ann", Kind.WRITES) == 0
        for _ in range(4):
            assert admitted(limits, "ann", Kind.READS) == 0
        for _ in range(64 if press % 20 == 0 else 3):
            assert admitted(limits, "ann", Kind.PICTURES) == 0
        for _ in range(64 if press % 20 == 0 else 0):
            assert admitted(limits, "ann", Kind.WRITES) == 0


def test_every_route_has_its_kind() -> None:
    def handler(*_: object) -> None: ...

    def kind(path: str, method: str = "GET") -> Kind:
        return kind_of(RouteSpec(path, handler, method))  # type: ignore[arg-type]

    for path in ("/api/image", "/api/levels", "/api/pixels", "/api/measure", "/api/nuclei"):
        assert kind(path) is Kind.PICTURES
    assert kind("/api/task") is Kind.READS
    assert kind("/api/events", "POST") is Kind.WRITES
    assert set(LIMITS) == set(Kind)


def signed_in(services: Services, limits: Limits) -> Browser:
    app = IdentityMiddleware(
        Starlette(routes=make_routes(services, limits)),
        token=TOKEN,
        identity=Identity("owner", "ann", Role.OWNER),
        port=8501,
    )
    browser = Browser(app)
    browser.get(f"/?token={TOKEN}")
    return browser


def event(object_id: str) -> dict[str, object]:
    return {
        "event_id": str(uuid4()),
        "task": "dual",
        "object_id": object_id,
        "action": "label",
        "class_name": "dual",
    }


def test_too_many_answers_are_told_when_to_come_again(services: Services) -> None:
    clock = Clock()
    browser = signed_in(services, Limits(SMALL, clock=clock))
    assert [browser.post("/api/events", event(one)).status for one in IDS[:2]] == [200, 200]
    kept = event(IDS[2])
    refused = browser.post("/api/events", kept)
    assert refused.status == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"].startswith("More answers are sent than one person may (4 a")
    assert browser.get("/api/task?task=dual").status == 200
    clock.now += 1
    assert browser.post("/api/events", kept).json()["duplicate"] is False


def test_a_body_that_is_too_large_costs_as_well(services: Services) -> None:
    browser = signed_in(services, Limits(SMALL, clock=Clock()))
    huge = b'{"x": "' + b"a" * 70_000 + b'"}'
    assert [browser.post("/api/events", huge).status for _ in range(3)] == [413, 413, 429]


def test_a_post_for_another_workspace_is_not_taken(services: Services) -> None:
    browser = signed_in(services, Limits())
    here = browser.get("/api/task?task=dual").json()["workspace"]
    assert here == workspace_id(services.workspace)
    other = browser.post("/api/events", event(IDS[0]), x_skysift_workspace="0" * 32)
    assert other.status == 421
    assert "Another workspace is served" in other.json()["error"]
    assert services.db().last_seq("dual") == 0
    assert browser.post("/api/events", event(IDS[0]), x_skysift_workspace=here).status == 200
    assert browser.post("/api/events", event(IDS[1])).status == 200


def test_the_id_of_a_workspace_stays(tmp_path: Path) -> None:
    first, second = open_workspace(tmp_path / "a"), open_workspace(tmp_path / "b")
    made = workspace_id(first)
    assert workspace_id(first) == made
    assert workspace_id(second) != made
    first.root.rename(tmp_path / "moved")
    assert workspace_id(Workspace(tmp_path / "moved")) == made


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"../../etc", b"a" * 1000])
def test_a_damaged_id_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    workspace = open_workspace(tmp_path / "ws")
    (workspace.root / ID_FILE).write_bytes(damage)
    made = workspace_id(workspace)
    assert len(made) == 32
    assert workspace_id(workspace) == made


def test_an_id_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "ws")
    (workspace.root / ID_FILE).mkdir()
    with pytest.raises(BadInput, match=r"workspace\.id"):
        workspace_id(workspace)
