"""Skysift's web app: `python app.py --workspace DIR`. Composition root of the pages and routes."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import logging
import logging.handlers
import os
import re
import secrets
import signal
import socket
import sys
import time
import webbrowser
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from core.errors import BadInput, InUse, NotReady, SkysiftError
from core.workspace import (
    Workspace,
    hold_workspace,
    open_workspace,
    owner_name,
    storage_errors,
)

if TYPE_CHECKING:
    import streamlit as st

    from pages._server.oidc import OpenID
    from pages._server.services import Services

SCRIPT = Path(__file__).parent / "pages" / "_shared" / "shell.py"
AUTH_FILE = Path(__file__).parent / ".streamlit" / "secrets.toml"
SECRET = re.compile(r"[A-Za-z0-9_-]{16,256}")

BASE_THEME = {"baseRadius": "8px", "baseFontSize": 15}
DARK = {
    "primaryColor": "#6db3f2",
    "backgroundColor": "#0c0f14",
    "secondaryBackgroundColor": "#151a23",
    "textColor": "#d9dee7",
    "borderColor": "#252d3a",
    "sidebar.backgroundColor": "#10141b",
    "sidebar.secondaryBackgroundColor": "#1a202b",
}
LIGHT = {
    "primaryColor": "#1f6fb8",
    "backgroundColor": "#fafbfc",
    "secondaryBackgroundColor": "#eef1f5",
    "textColor": "#1a2230",
    "borderColor": "#d5dbe4",
    "sidebar.backgroundColor": "#f1f4f7",
    "sidebar.secondaryBackgroundColor": "#ffffff",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Serve one workspace until stopped; 2 after a sentence if it cannot be served."""
    options = _parser().parse_args(argv)
    # Turned into SystemExit, so that the processes are stopped and the workspace is let go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with storage_errors(Path(options.workspace)):
            _serve(options)
    except SkysiftError as error:
        print(f"skysift: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="app.py", description=__doc__)
    parser.add_argument(
        "--workspace",
        default=os.environ.get("SKYSIFT_WORKSPACE", "workspace"),
        help="folder with the surveys and labels; made if absent",
    )
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument(
        "--demo",
        metavar="NAME",
        help="make the embedded survey NAME (hubble, simulated) if there is none",
    )
    parser.add_argument(
        "--address", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument(
        "--base-path", default="", help="path prefix behind a proxy, like /skysift"
    )
    parser.add_argument(
        "--auth",
        metavar="FILE",
        help="sign people in through OpenID Connect as its section [auth] says; see"
        " docs/group.md (default: .streamlit/secrets.toml beside app.py, if it is there)",
    )
    parser.add_argument(
        "--theme", choices=("dark", "light", "auto"), default="dark", help="auto: as the browser"
    )
    parser.add_argument(
        "--no-workers",
        action="store_true",
        help="start no process: `python -m core.run embed|map|worker` are run by hand",
    )
    parser.add_argument(
        "--data-root",
        action="append",
        default=[],
        metavar="DIR",
        help="a folder whose data may be imported on the Data page, with what lies below; may be"
        " given several times (default: your home folder and the workspace, or what the variable"
        " SKYSIFT_DATA_ROOTS lists, separated by ':')",
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="rank surveys of more than 200,000 objects with the help of a Dask cluster: a"
        " scheduler's address, or local; see docs/discovery.md",
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    return parser


def _serve(options: argparse.Namespace) -> None:
    _check_dask(options)
    base_path = _checked_base_path(options.base_path)
    annotator = owner_name()
    openid = _openid(options.auth, options.port, base_path)
    _refuse_port_in_use(options.address, options.port)  # before anything is made
    _allow_data(options.data_root)
    workspace = open_workspace(options.workspace)
    url = f"http://{_shown_host(options.address)}:{options.port}{base_path}/"
    with hold_workspace(workspace, f"the server at {url} (process {os.getpid()})"):
        from labels_db import LabelsDB, network_filesystem

        kind = network_filesystem(workspace.root)
        if kind:
            print(
                f"skysift: {workspace.root} lies on a network file system ({kind}), where labels"
                " can be lost; keep the workspace on a local disk.",
                file=sys.stderr,
            )
        with LabelsDB(workspace.labels) as database:  # refuses a damaged or newer file now
            database.check()
            database.clean_orphans()
            # From now on nobody can be invited under this name.
            annotator = database.ensure_owner(annotator).name
        if not _is_loopback(options.address):
            print(
                f"skysift: Others can reach this server at {options.address}, and the connection"
                " is not encrypted unless they come through a proxy with HTTPS; see"
                " docs/group.md.",
                file=sys.stderr,
            )
        _log_to(workspace)
        token = _token(workspace)
        app, services = _compose(
            workspace,
            annotator,
            token,
            options.port,
            base_path,
            openid,
            start_processes=not options.no_workers,
            dask=options.dask,
        )
        opened = f"{url}?token={quote(token)}"
        app.state["announce"] = lambda: _announce(opened, open_browser=not options.no_browser)
        try:
            if options.demo:
                _make_demo(services, options.demo)
            app.run(config=_streamlit_config(options, base_path, openid))
        finally:
            services.close()


def _check_dask(options: argparse.Namespace) -> None:
    """Before anything is made: `BadInput` where no scheduler answers."""
    if options.dask is None:
        return
    if options.no_workers:
        raise BadInput(
            "--dask is for the workers that the app starts, but --no-workers starts none; give it"
            " to `python -m core.run worker` instead."
        )
    from core.representation.embedding.spreading import check_scheduler

    check_scheduler(options.dask)


def _make_demo(services: Services, name: str) -> None:
    """Build an embedded survey with its task if there is no survey yet.

    In a process of its own, since a job lowers its priority for good. It goes on to embed the
    survey, so that the page is there at once and shows the progress.
    """
    from core.survey import list_surveys
    from core.vocabulary import JobKind

    if list_surveys(services.workspace):
        return
    print(f"Making the survey {name} (once, some seconds)", flush=True)
    children = services.children
    if services.start_processes:
        kind = JobKind.EMBED
        children.start_job(kind, name, [name, "--embed"], within=JobKind.DEMO)
    else:
        kind = JobKind.DEMO
        children.start_job(kind, name, [name])
    while not any(task.survey == name for task in services.db().tasks()):
        if not children.job_running(kind, name):
            error = children.job_error(kind, name)
            if error is not None:
                raise NotReady(error)
        time.sleep(0.05)


def _compose(
    workspace: Workspace,
    annotator: str,
    token: str,
    port: int,
    base_path: str,
    openid: OpenID | None = None,
    *,
    start_processes: bool = True,
    dask: str | None = None,
) -> tuple[st.App, Services]:
    """The ASGI app with its services."""
    import streamlit as st
    from starlette.middleware import Middleware

    from core.vocabulary import Role
    from pages._server.autobackup import AutoBackup
    from pages._server.identity import (
        OWNER,
        Identity,
        IdentityMiddleware,
        Resolver,
        install_resolver,
    )
    from pages._server.routes import make_routes
    from pages._server.services import Services, install
    from pages._shared.faults import on_script_error

    owner = Identity(OWNER, annotator, Role.OWNER)
    services = Services(
        workspace, owner, base_path=base_path, start_processes=start_processes, dask=dask
    )
    install(services)
    resolver = Resolver(token=token, identity=owner, port=port, people=services.db, openid=openid)
    install_resolver(resolver)

    backups = AutoBackup(workspace)

    @contextlib.asynccontextmanager
    async def lifespan(app: st.App) -> AsyncIterator[None]:
        services.warm_up()
        backups.start()
        app.state["announce"]()
        yield
        backups.close()

    app = st.App(
        SCRIPT,
        routes=make_routes(services),
        middleware=[Middleware(IdentityMiddleware, resolver=resolver, base_path=base_path)],
        lifespan=lifespan,
        on_script_error=on_script_error,
    )
    return app, services


def _streamlit_config(
    options: argparse.Namespace, base_path: str, openid: OpenID | None = None
) -> dict[str, Any]:
    theme: dict[str, Any] = dict(BASE_THEME)
    if options.theme == "auto":
        theme |= {f"dark.{name}": value for name, value in DARK.items()}
        theme |= {f"light.{name}": value for name, value in LIGHT.items()}
    else:
        theme |= {"base": options.theme, **(DARK if options.theme == "dark" else LIGHT)}
    return {
        "server.address": options.address,
        "server.port": options.port,
        "server.baseUrlPath": base_path.strip("/"),
        "server.headless": True,
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "logger.hideWelcomeMessage": True,
        # None but ours: another app's in the home folder would sign its users in here.
        "secrets.files": [str(openid.file)] if openid else [],
        **{f"theme.{name}": value for name, value in theme.items()},
    }


def _announce(url: str, *, open_browser: bool) -> None:
    print(f"Open {url}", flush=True)
    has_screen = sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if open_browser and has_screen:
        webbrowser.open(url)


def _checked_base_path(path: str) -> str:
    path = path.strip("/")
    if path and not re.fullmatch(r"[A-Za-z0-9_.~@-]+(/[A-Za-z0-9_.~@-]+)*", path):
        raise BadInput(
            f"--base-path is a path of letters, digits and '_.~@-' like /skysift, but is"
            f" {path!r}; choose another."
        )
    return f"/{path}" if path else ""


def _openid(file: str | None, port: int, base_path: str) -> OpenID | None:
    """How people sign in besides by links; None where that is not set up."""
    if file is None and not AUTH_FILE.exists():
        return None
    from pages._server.oidc import read_openid

    path = Path(file).expanduser().absolute() if file else AUTH_FILE
    # The cookies hold what the provider told: with a long list of groups they pass the 8 kB at
    # which a WebSocket is refused, and the page would stay empty. Read when Streamlit loads.
    os.environ.setdefault("WEBSOCKETS_MAX_LINE_LENGTH", "65536")
    return read_openid(path, port=port, base_path=base_path)


def _allow_data(roots: Sequence[str]) -> None:
    """Say which folders the Data page may read; the variable counts where no option is given."""
    from pages._shared.data_roots import install

    named = [one for one in os.environ.get("SKYSIFT_DATA_ROOTS", "").split(":") if one]
    install(roots or named)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _refuse_port_in_use(address: str, port: int) -> None:
    if not 1 <= port <= 65535:
        raise BadInput(f"--port is 1 to 65535, but is {port}; choose another.")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise InUse(
                f"Skysift cannot listen on {address} port {port} ({error.strerror or error});"
                " stop what uses it or name another one with --port."
            ) from None


def _token(workspace: Workspace) -> str:
    """SKYSIFT_TOKEN, or the workspace's own, made once.

    It is kept, readable by its owner only, so that pages left open are still signed in after
    the server was restarted and can send the answers that wait in them.
    """
    given = os.environ.get("SKYSIFT_TOKEN")
    if given is not None:
        if not SECRET.fullmatch(given):
            raise BadInput(
                "SKYSIFT_TOKEN has 16 to 256 letters, digits, '_' and '-'; set another one or"
                " none."
            )
        return given
    path = workspace.root / "server.token"
    with storage_errors(path):
        if path.exists():
            kept = path.read_text().strip()
            if SECRET.fullmatch(kept) and path.stat().st_mode & 0o077 == 0:
                return kept
            path.unlink()
        token = secrets.token_urlsafe(32)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w") as file:
            file.write(token)
    return token


def _log_to(workspace: Workspace) -> None:
    with storage_errors(workspace.logs):
        workspace.logs.mkdir(exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            workspace.logs / "server.log", maxBytes=1_000_000, backupCount=2
        )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.getLogger("skysift").addHandler(handler)


def _shown_host(address: str) -> str:
    if address in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{address}]" if ":" in address else address


if __name__ == "__main__":
    sys.exit(main())
