"""A machine that speaks the protocols of the archives, and misbehaves as told."""

from __future__ import annotations

import bz2
import hashlib
import io
import threading
import time
from collections import Counter
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

LOGLAM = 3.58 + 1e-4 * np.arange(3700)
FRAME_SHAPE = (150, 200)


def seeded(*values: object) -> np.random.Generator:
    text = repr(values).encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest()[:4]))


def at(ra: float, dec: float) -> np.random.Generator:
    return seeded(round(float(ra), 4), round(float(dec), 4))


def picture(ra: float, dec: float, width: int, height: int) -> np.ndarray:
    """Smooth enough to survive JPEG, different for every position; (y, x, 3)."""
    small = at(ra, dec).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def measured(ra: float, dec: float, n_bands: int, side: int) -> np.ndarray:
    return (
        seeded(round(float(ra), 4), round(float(dec), 4))
        .normal(size=(n_bands, side, side))
        .astype("f4")
    )


def tan_header(ra: float, dec: float, width: int, height: int, scale: float) -> fits.Header:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [(width + 1) / 2, (height + 1) / 2]
    wcs.wcs.cdelt = [-scale / 3600, scale / 3600]
    return wcs.to_header()


def fits_bytes(*hdus: fits.hdu.base._BaseHDU) -> bytes:
    out = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(out)
    return out.getvalue()


def spectrum_flux(plate: int, mjd: int, fiber: int) -> np.ndarray:
    return seeded(plate, mjd, fiber).normal(10, 1, LOGLAM.size).astype("f4")


def spec_file(plate: int, mjd: int, fiber: int) -> bytes:
    """A lite spectrum: COADD, SPECOBJ, SPZLINE as the archive has them."""
    flux = spectrum_flux(plate, mjd, fiber)
    zero = np.zeros(LOGLAM.size, dtype=np.int32)
    coadd = fits.BinTableHDU.from_columns(
        [
            fits.Column("flux", "E", array=flux),
            fits.Column("loglam", "E", array=LOGLAM.astype("f4")),
            fits.Column("ivar", "E", array=np.full(LOGLAM.size, 4.0)),
            fits.Column("and_mask", "J", array=zero),
            fits.Column("or_mask", "J", array=zero),
            fits.Column("wdisp", "E", array=np.ones(LOGLAM.size)),
            fits.Column("sky", "E", array=np.ones(LOGLAM.size)),
            fits.Column("model", "E", array=flux),
        ],
        name="COADD",
    )
    specobj = fits.BinTableHDU.from_columns(
        [
            fits.Column("PLATE", "J", array=[plate]),
            fits.Column("MJD", "J", array=[mjd]),
            fits.Column("FIBERID", "J", array=[fiber]),
            fits.Column("PLUG_RA", "D", array=[150.0 + fiber / 1000]),
            fits.Column("PLUG_DEC", "D", array=[2.5]),
            fits.Column("CLASS", "6A", array=["GALAXY"]),
            fits.Column("SUBCLASS", "21A", array=["STARFORMING"]),
            fits.Column("Z", "E", array=[0.125]),
            fits.Column("Z_ERR", "E", array=[1e-5]),
            fits.Column("ZWARNING", "J", array=[0]),
            fits.Column("SN_MEDIAN_ALL", "E", array=[20.0]),
        ],
        name="SPECOBJ",
    )
    header = fits.Header()
    header["PLATEID"], header["MJD"], header["FIBERID"] = plate, mjd, fiber
    header["RA"], header["DEC"] = 150.0 + fiber / 1000, 2.5
    return fits_bytes(fits.PrimaryHDU(header=header), coadd, specobj)


def frame_centre(field: int) -> tuple[float, float]:
    return 10.0 + 0.05 * field, 0.0


def frame_pixels(band: str, field: int) -> np.ndarray:
    return seeded(band, field).normal(size=FRAME_SHAPE).astype("f4")


BRICKS = {"0001m002": (0.125, -0.25), "0003p000": (0.375, 0.0)}
"""Centres of two bricks, by the survey's table of bricks."""


class Archive:
    """The server, what it was asked and what it is to do.

    Attributes
    ----------
    plan
        Part of an address to what happens on the first, second ... question that holds it;
        afterwards the answers are good.
    always
        The same for every question.
    asked
        Every path with its query, in order.
    most_open
        Questions open at once at the most.
    """

    def __init__(self) -> None:
        self.plan: dict[str, list[str]] = {}
        self.always: dict[str, str] = {}
        self.asked: list[str] = []
        self.agents: set[str] = set()
        self.jobs: dict[str, str] = {}
        self.phase = "COMPLETED"
        self.rows = "ra,dec,run,camcol,field\n10.05,0.0,94,1,1\n"
        self.most_open = self._open = 0
        self.delay_s = 0.0
        self._lock = threading.Lock()
        self._over = threading.Event()
        archive = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                archive._handle(self)

            do_POST = do_DELETE = do_GET

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *args: object) -> None:
                pass  # somebody hung up, as tests do

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.asked)

    def __enter__(self) -> Archive:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("content-length") or 0)
        sent = request.rfile.read(length).decode()
        with self._lock:
            self.asked.append(request.path)
            self.agents.add(request.headers.get("user-agent", ""))
            self._open += 1
            self.most_open = max(self.most_open, self._open)
            how = next((do for part, do in self.always.items() if part in request.path), "")
            for part, does in self.plan.items():
                if part in request.path and does:
                    how = does.pop(0)
                    break
        try:
            time.sleep(self.delay_s)
            self._answer(request, how, sent)
        except (BrokenPipeError, ConnectionResetError):
            request.close_connection = True
        finally:
            with self._lock:
                self._open -= 1

    def _answer(self, request: BaseHTTPRequestHandler, how: str, sent: str) -> None:
        if how == "slow":
            self._over.wait(8)
        if how in ("loop", "ftp", "moved"):
            moved = request.path + "&moved=1"
            there = {"loop": request.path, "ftp": "ftp://127.0.0.1/x", "moved": moved}[how]
            _send(request, b"", status=302, headers={"Location": there})
            return
        if how.startswith("429"):
            after = how.removeprefix("429").strip() or None
            if after == "date":
                after = formatdate(time.time() + 2, usegmt=True)
            _send(request, b"", status=429, headers={"Retry-After": after} if after else {})
            return
        if how == "html":
            page = b"<html><head><title>x</title></head><body><p>Out to lunch &amp; back soon</p>"
            _send(request, page, "text/html")
            return
        if how == "json400":
            told = b'{"title": "Bad HiPS", "description": "no such survey"}'
            _send(request, told, "application/json", status=400)
            return
        if how.isdecimal():
            _send(request, b"<p>Nothing there</p>", "text/html", status=int(how))
            return
        if how == "nothing":
            _send(request, b"No overlap with the footprint", "text/plain", status=500)
            return
        if how == "empty":
            _send(request, b"")
            return
        kind, body, status, headers = self._content(request, sent)
        if how == "cut":
            headers |= {"Content-Length": str(len(body))}
            body = body[: len(body) // 2]
        if how == "cut silently":  # as a proxy does: the length is that of what is left
            body = body[: len(body) // 2 // 2880 * 2880 - 7]
        if how == "cut at a block":  # nothing but decoding it tells
            body = body[: 2 * 2880]
        if how == "drip":
            _drip(request, body)
            return
        if how == "huge":
            headers |= {"Content-Length": str(10**12)}
        _send(request, body, kind, status, headers)

    def _content(
        self, request: BaseHTTPRequestHandler, sent: str
    ) -> tuple[str, bytes, int, dict[str, str]]:
        parts = urlsplit(request.path)
        said = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        path = parts.path
        if path.startswith("/tap"):
            return self._tap(request, path, sent)
        if path.startswith("/sql"):
            self.jobs["sql"] = said["cmd"]
            name = "" if self.rows.startswith("{") else "#Table1\n"
            return "text/csv", (name + self.rows).encode(), 200, {}
        if "frame-" in path:
            return "application/x-bzip2", bz2.compress(_frame(path)), 200, {}
        if path.endswith(".fits.fz"):
            return "image/fits", _brick(path), 200, {}
        if "/spectra/lite/" in path:
            numbers = path.rsplit("/", 1)[-1].removesuffix(".fits").split("-")[1:]
            return "image/fits", spec_file(*map(int, numbers)), 200, {}
        ra, dec = float(said["ra"]), float(said["dec"])
        width = int(said.get("width", said.get("size", 0)))
        if said.get("format") == "jpg" or path.endswith((".jpg", "/getjpeg")):
            out = io.BytesIO()
            Image.fromarray(picture(ra, dec, width, width)).save(out, "JPEG", quality=95)
            return "image/jpeg", out.getvalue(), 200, {}
        return "image/fits", cutout_fits(said, ra, dec, width), 200, {}

    def _tap(
        self, request: BaseHTTPRequestHandler, path: str, sent: str
    ) -> tuple[str, bytes, int, dict[str, str]]:
        if request.command == "POST" and path == "/tap/async":
            name = f"job{len(self.jobs)}"
            self.jobs[name] = sent
            return "text/plain", b"", 303, {"Location": f"{self.url}/tap/async/{name}"}
        name = path.split("/")[3]
        if path.endswith("/phase"):
            self.jobs[name] += "&RUN"
            return "text/plain", b"", 303, {"Location": f"{self.url}/tap/async/{name}"}
        if path.endswith("/result"):
            return "text/csv", self.rows.encode(), 200, {}
        if request.command == "DELETE":
            self.jobs.pop(name)
            return "text/plain", b"", 200, {}
        phase = self.phase if self.jobs[name].endswith("&RUN") else "PENDING"
        wrong = ""
        if "nonsense" in self.jobs[name] and phase == "COMPLETED":
            phase = "ERROR"
            wrong = (
                '<uws:errorSummary type="fatal" hasDetail="false"><uws:message>cannot parse'
                " nonsense</uws:message></uws:errorSummary>"
            )
        job = f"""<?xml version="1.0" encoding="UTF-8"?>
<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0"
 xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1">
<uws:jobId>{name}</uws:jobId><uws:phase>{phase}</uws:phase>
<uws:executionDuration>600</uws:executionDuration>{wrong}
<uws:results><uws:result id="result" xlink:href="{self.url}/tap/async/{name}/results/result"/>
</uws:results></uws:job>"""
        return "text/xml", job.encode(), 200, {}


def cutout_fits(said: dict[str, str], ra: float, dec: float, side: int) -> bytes:
    if "hips" in said:
        scale = float(said["fov"]) * 3600 / side
        image = measured(ra, dec, 1, side)[0] + len(said["hips"])
        return fits_bytes(fits.PrimaryHDU(image, tan_header(ra, dec, side, side, scale)))
    bands = said["bands"]
    canonical = "".join(sorted(bands, key="ugrizY".index))
    header = tan_header(ra, dec, side, side, float(said["pixscale"]))
    header["BANDS"] = canonical
    image = measured(ra, dec, len(bands), side)
    if ra >= 300:  # as the viewer answers outside its footprint
        image[:] = 0
    return fits_bytes(fits.PrimaryHDU(image if len(bands) > 1 else image[0], header))


def _frame(path: str) -> bytes:
    band, _run, _camcol, field = path.rsplit("frame-", 1)[1].removesuffix(".fits.bz2").split("-")
    height, width = FRAME_SHAPE
    header = tan_header(*frame_centre(int(field)), width, height, 0.396127)
    pixels = frame_pixels(band, int(field))
    return fits_bytes(fits.PrimaryHDU(pixels, header), fits.ImageHDU(np.zeros((4, 4), "f4")))


def _brick(path: str) -> bytes:
    name, band = path.rsplit("legacysurvey-", 1)[1].removesuffix(".fits.fz").split("-image-")
    header = tan_header(*BRICKS[name], 400, 400, 0.262)
    pixels = seeded(name, band).normal(size=(400, 400)).astype("f4")
    image = fits.CompImageHDU(pixels, header, compression_type="RICE_1", quantize_level=16)
    return fits_bytes(fits.PrimaryHDU(), image)


def _drip(request: BaseHTTPRequestHandler, body: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    for at in range(len(body)):
        request.wfile.write(body[at : at + 1])
        time.sleep(0.02)


def _send(
    request: BaseHTTPRequestHandler,
    body: bytes,
    kind: str = "text/plain",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> None:
    headers = dict(headers or {})
    headers.setdefault("Content-Length", str(len(body)))
    request.send_response(status)
    request.send_header("Content-Type", kind)
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)
    if int(headers["Content-Length"]) != len(body):
        request.close_connection = True
