"""`python app.py`: what cannot be served ends with one sentence and code 2."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import app
from core.errors import BadInput
from core.vocabulary import Role
from core.workspace import hold_workspace, open_workspace, owner_name
from labels_db import LabelsDB

ROOT = Path(__file__).resolve().parents[2]


def refused(*arguments: str, **environment: str) -> str:
    """The one line of an app that does not start."""
    ended = subprocess.run(
        [sys.executable, "app.py", "--no-browser", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("skysift: ")
    return line


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_in_use(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused("--workspace", str(tmp_path / "ws"), "--port", str(port))
    assert str(port) in line
    assert "--port" in line


def test_a_workspace_open_in_another_server(tmp_path):
    workspace = open_workspace(tmp_path / "ws")
    with hold_workspace(workspace, "the server at http://127.0.0.1:1/ (process 7)"):
        line = refused("--workspace", str(workspace.root), "--port", "8999")
    assert "already open in the server at http://127.0.0.1:1/ (process 7)" in line


def test_a_newer_workspace_is_left_untouched(tmp_path):
    workspace = open_workspace(tmp_path / "ws")
    workspace.marker.write_text("format = 999\n")
    assert "newer Skysift" in refused("--workspace", str(workspace.root), "--port", "8999")
    assert [path.name for path in workspace.root.iterdir()] == ["workspace.toml"]


def test_a_broken_label_database(tmp_path):
    workspace = open_workspace(tmp_path / "ws")
    workspace.labels.write_bytes(b"x" * 5000)
    assert str(workspace.labels) in refused("--workspace", str(workspace.root), "--port", "8999")
    assert workspace.labels.read_bytes() == b"x" * 5000


def test_the_owners_name_is_not_an_invited_persons(tmp_path):
    workspace = open_workspace(tmp_path / "ws")
    with LabelsDB(workspace.labels) as database:
        database.add_person("Ann Lee", Role.ANNOTATOR, "vera")
    line = refused(
        *("--workspace", str(workspace.root), "--port", str(free_port())),
        SKYSIFT_ANNOTATOR="ann lee",
    )
    assert "belongs to somebody who was invited" in line


def test_sign_in_settings_that_cannot_be(tmp_path):
    settings = tmp_path / "auth.toml"
    settings.write_text("[auth]\n")
    where = ("--workspace", str(tmp_path / "ws"), "--port", "8999")
    assert "cookie_secret" in refused(*where, "--auth", str(settings))
    assert "cannot be read" in refused(*where, "--auth", str(tmp_path / "none.toml"))
    assert not (tmp_path / "ws").exists()


def test_the_sign_in_settings_beside_the_app_are_found(tmp_path, monkeypatch):
    monkeypatch.delenv("WEBSOCKETS_MAX_LINE_LENGTH", raising=False)
    monkeypatch.setattr(app, "AUTH_FILE", tmp_path / "secrets.toml")
    assert app._openid(None, 8501, "") is None
    app.AUTH_FILE.write_text(
        """[auth]
        redirect_uri = "http://localhost:{port}/oauth2callback"
        cookie_secret = "0123456789abcdef0123456789abcdef"
        client_id = "a"
        client_secret = "b"
        server_metadata_url = "http://localhost:1/.well-known/openid-configuration"
        """
    )
    openid = app._openid(None, 8501, "")
    assert openid is not None
    assert openid.origin == "http://localhost:8501"
    config = app._streamlit_config(app._parser().parse_args([]), "", openid)
    assert config["secrets.files"] == [str(app.AUTH_FILE)]


def test_others_secrets_are_not_read():
    """A secrets.toml in the home folder would let another app's users in."""
    config = app._streamlit_config(app._parser().parse_args([]), "")
    assert config["secrets.files"] == []


@pytest.mark.parametrize(
    ("address", "here"),
    [
        *(("127.0.0.1", True), ("127.0.0.2", True), ("::1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("192.168.1.2", False), ("sky.example", False)),
    ],
)
def test_which_addresses_others_can_reach(address, here):
    assert app._is_loopback(address) is here


def test_a_server_that_others_can_reach_says_that_nothing_is_encrypted(tmp_path):
    process = subprocess.Popen(
        [
            *(sys.executable, "app.py", "--no-browser", "--no-workers", "--address", "0.0.0.0"),
            *("--workspace", str(tmp_path / "ws"), "--port", str(free_port())),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = next(iter(process.stdout))
        assert line.startswith("skysift: Others can reach this server at 0.0.0.0")
        assert "not encrypted" in line
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


@pytest.mark.parametrize("path", ["a b", "/x?y", "/../x\n", "<x>"])
def test_base_paths_that_cannot_be(path):
    with pytest.raises(BadInput):
        app._checked_base_path(path)


def test_base_path_is_normalised():
    assert [app._checked_base_path(p) for p in ("", "/", "x", "/user/me/")] == [
        "",
        "",
        "/x",
        "/user/me",
    ]


def test_the_token_is_the_owners_only_and_stays(tmp_path, monkeypatch):
    monkeypatch.delenv("SKYSIFT_TOKEN", raising=False)
    workspace = open_workspace(tmp_path / "ws")
    token = app._token(workspace)
    path = workspace.root / "server.token"
    assert len(token) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert app._token(workspace) == token
    path.chmod(0o644)  # others may have read it
    assert app._token(workspace) != token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_weak_token_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SKYSIFT_TOKEN", "short")
    with pytest.raises(BadInput):
        app._token(open_workspace(tmp_path / "ws"))


def test_the_annotator_is_the_user_or_as_told(monkeypatch):
    monkeypatch.setenv("SKYSIFT_ANNOTATOR", "  vera ")
    assert owner_name() == "vera"
    monkeypatch.delenv("SKYSIFT_ANNOTATOR")
    assert owner_name()
    monkeypatch.setenv("SKYSIFT_ANNOTATOR", "a\nb")
    with pytest.raises(BadInput):
        owner_name()


def test_every_theme_setting_is_one_that_streamlit_knows():
    from streamlit import config

    for theme in ("dark", "light", "auto"):
        options = app._parser().parse_args(["--theme", theme])
        for name in app._streamlit_config(options, "/x"):
            assert name in config._config_options_template, name
