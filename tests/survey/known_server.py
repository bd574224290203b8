"""A server that speaks as SIMBAD's TAP and the CDS X-Match service do; it misbehaves on demand."""

from __future__ import annotations

import csv
import email
import email.policy
import io
import re
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

SKY = [
    (10.0, 20.0001, "M 1 & <co>", "QSO"),
    (10.0, 20.0002, "M  2", "G"),
    (359.99995, 0.0, "NGC 3", ""),
    (200.0, -60.0, "nobody's", "*"),
]
"""ra, dec, main_id, otype of what the services know."""

HTML = b"<html><head><title>x</title></head><body><h1>Down for maintenance</h1></body></html>"


class Handler(BaseHTTPRequestHandler):
    """`server.acts` says what each coming request gets; "ok" once they are used up."""

    server: Any

    def log_message(self, *_args: Any) -> None: ...

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        form = _form(self.headers["content-type"], body)
        self.server.seen.append((self.path, form, dict(self.headers)))
        act = self.server.acts.pop(0) if self.server.acts else "ok"
        if act in ("500", "429", "503", "404"):
            self._send(int(act), HTML, "text/html", {"Retry-After": "0"} if act == "429" else {})
        elif act == "html":
            self._send(200, HTML, "text/html")
        elif act == "empty":
            self._send(200, b"", "text/plain")
        elif act == "slow":
            time.sleep(1.2)
            self._send(200, b"", "text/plain")
        elif act == "hang up":
            self.connection.close()
        elif act == "loop":
            self._send(302, b"", "text/plain", {"Location": self.path})
        elif act == "error":
            self._send(400, _votable([], [], "ERROR", "no table <mine>"), "text/xml")
        elif act.startswith("limit "):
            self._answer(form, int(act.split()[1]))
        else:
            self._answer(form, 10**9, act)

    def do_GET(self) -> None:
        self._send(302, b"", "text/plain", {"Location": self.path})

    def _answer(self, form: dict[str, bytes], limit: int, act: str = "ok") -> None:
        if self.path.startswith("/tap"):
            fields, rows = _tap(form)
        else:
            fields, rows = _xmatch(form)
        status = "OVERFLOW" if len(rows) > limit else "OK"
        body = _votable(fields, rows[:limit], status)
        if act == "strangers":
            body = body.replace(b"<TD>0</TD>", b"<TD>99</TD>")
        if act == "other columns":
            body = body.replace(b"main_id", b"mainid").replace(b"angDist", b"distance")
        if act == "cut":
            self._send(200, body[: len(body) * 2 // 3], "text/xml")
        elif act == "cut short":
            self._send(200, body, "text/xml", {"Content-Length": str(len(body) + 1000)})
        elif act == "trickle":
            self.send_response(200)
            self.end_headers()
            for place in range(8):
                self.wfile.write(body[place : place + 1])
                self.wfile.flush()
                time.sleep(0.15)
        else:
            self._send(200, body, "text/xml")

    def _send(
        self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving() -> Iterator[Any]:
    """The server while it runs: `url`, `acts` to come, `seen` requests (path, form, headers)."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.acts, server.seen = [], []
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a client that hangs up is what is tested
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _form(kind: str, body: bytes) -> dict[str, bytes]:
    message = email.message_from_bytes(
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP
    )
    fields = {}
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        fields[name] = payload
    return fields


def _near(ra: float, dec: float, arcsec: float) -> list[tuple[float, tuple[Any, ...]]]:
    from astropy.coordinates import angular_separation

    found = []
    for known in SKY:
        sep = np.degrees(angular_separation(*np.radians([ra, dec, known[0], known[1]]))) * 3600
        if sep <= arcsec:
            found.append((float(sep), known))
    return found[::-1]


def _tap(form: dict[str, bytes]) -> tuple[list[tuple[str, str, str]], list[list[Any]]]:
    from astropy.io.votable import parse_single_table

    assert form["UPLOAD"] == b"mine,param:positions"
    assert form["REQUEST"] == b"doQuery"
    query = form["QUERY"].decode()
    degrees = float(re.search(r"([\d.]+)\)\)$", query).group(1))  # type: ignore[union-attr]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine = parse_single_table(io.BytesIO(form["positions"])).array
    rows = [
        [int(one[0]), known[2], known[0], known[1], known[3]]
        for one in mine
        for _, known in _near(float(one[1]), float(one[2]), degrees * 3600)
    ]
    fields = [
        ("skysift_row", "long", ""),
        ("main_id", "char", "meta.id;meta.main"),
        ("ra", "double", "pos.eq.ra"),
        ("dec", "double", "pos.eq.dec"),
        ("otype", "char", "src.class"),
    ]
    return fields, rows


def _xmatch(form: dict[str, bytes]) -> tuple[list[tuple[str, str, str]], list[list[Any]]]:
    assert form["request"] == b"xmatch"
    assert form["cat2"].startswith(b"vizier:")
    arcsec = float(form["distMaxArcsec"])
    lines = list(csv.DictReader(io.StringIO(form["cat1"].decode())))
    ra, dec = form["colRA1"].decode(), form["colDec1"].decode()
    rows = []
    for line in lines:
        for sep, known in _near(float(line[ra]), float(line[dec]), arcsec):
            rows.append([sep, *line.values(), 7, known[2], known[3], 3.5])
    fields = [
        ("angDist", "double", "pos.angDistance"),
        *((name, "double" if name != "skysift_row" else "long", "") for name in lines[0]),
        ("recno", "int", "meta.record"),
        ("Source", "char", "meta.id;meta.main"),
        ("Cl", "char", "src.class"),
        ("Bmag", "float", "phot.mag"),
    ]
    return fields, rows


def _votable(
    fields: list[tuple[str, str, str]], rows: list[list[Any]], status: str, said: str = ""
) -> bytes:
    from xml.sax.saxutils import escape

    info = f'<INFO name="QUERY_STATUS" value="{status}">{escape(said)}</INFO>'
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">',
        '<RESOURCE type="results">',
        "" if status == "OVERFLOW" else info,
        "<TABLE>",
    ]
    for name, kind, ucd in fields:
        size = ' arraysize="*"' if kind == "char" else ""
        parts.append(f'<FIELD name="{name}" datatype="{kind}"{size} ucd="{ucd}"/>')
    parts.append("<DATA><TABLEDATA>")
    for row in rows:
        cells = "".join(f"<TD>{escape(str(cell))}</TD>" for cell in row)
        parts.append(f"<TR>{cells}</TR>")
    parts.append("</TABLEDATA></DATA></TABLE>")
    # What was cut off is known at the end only.
    parts.append((info if status == "OVERFLOW" else "") + "</RESOURCE></VOTABLE>\n")
    return "\n".join(parts).encode()
