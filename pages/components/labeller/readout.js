/**
 * What lies under the pointer: pixel, value in each band, position on the sky. Values are fetched
 * once the pointer rests on an object, never before its picture is on screen.
 */

const READOUT_DELAY_MS = 150;
const READOUT_WHOLE = 2 ** 20; // values of an image up to which it is fetched whole
const READOUT_WINDOW = 128; // half the side of the window fetched of larger ones

class Readout {
  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    this.item = null;
    this.pixels = null; // {shape: [band, y, x], x0, y0, values}
    this.failed = null;
    this.timer = null;
    this.abort = null;
    this.off = false;
    this.bands = [];
    this.rows = [];
    this.element = el("dl", { class: "readout", "aria-hidden": "true", hidden: true });
  }

  /** Another object is on the stage, or none. */
  show(item) {
    this.abort?.abort();
    clearTimeout(this.timer);
    this.timer = null;
    this.item = item;
    this.pixels = null;
    this.failed = null;
    this.draw();
  }

  /** Where to read: under the pointer, or under a crosshair that stands by itself. */
  _pixel() {
    const { stage } = this;
    const place = stage.pointer ?? (stage.settings.crosshair ? stage.crosshairPlace : null);
    if (this.off || !this.item || !place || !stage.width || !stage.hasPixels) return null;
    const at = stage.pixelAt(place);
    const inside = [at.x, at.y].every((value) => value >= -0.5 && value < stage.side - 0.5);
    return inside ? at : null;
  }

  draw() {
    const at = this._pixel();
    this.element.hidden = !at;
    if (!at) return;
    this._layout();
    // Out of the way of the pointer, where it lies over the picture.
    const { stage } = this;
    const place = stage.pointer ?? stage.crosshairPlace;
    this.element.classList.toggle("right", place.x < stage.width * 0.45 && place.y < stage.height * 0.6);
    const [x, y] = [Math.round(at.x), Math.round(at.y)];
    this._want(x, y);
    const tenths = (value) => (Math.round(value * 10) / 10 + 0).toFixed(1); // never -0.0
    const texts = [`${tenths(at.x)}, ${tenths(at.y)}`];
    this.bands.forEach((_, band) => texts.push(this._value(band, x, y)));
    texts.push(...this._sky(at));
    this.rows.forEach((row, index) => {
      const text = texts[index] ?? "";
      if (row.value.textContent !== text) row.value.textContent = text;
      row.node.hidden = index > this.bands.length && !text;
    });
  }

  /** One row for the pixel, one a band, three for the sky; rebuilt when the bands change only. */
  _layout() {
    const bands = this.stage.page.task?.bands ?? [];
    if (this.rows.length && String(bands) === String(this.bands)) return;
    this.bands = bands;
    this.rows = ["x, y", ...bands, "RA", "Dec", "sky"].map((name) => {
      const value = el("dd");
      return { value, node: el("div", {}, [el("dt", { text: name }), value]) };
    });
    this.element.replaceChildren(...this.rows.map((row) => row.node));
  }

  _value(band, x, y) {
    if (this.failed) return band === 0 ? this.failed : "";
    const { pixels } = this;
    if (!pixels) return "…";
    const [, height, width] = pixels.shape;
    const [column, line] = [x - pixels.x0, y - pixels.y0];
    if (column < 0 || line < 0 || column >= width || line >= height) return "…";
    const value = pixels.values[(band * height + line) * width + column];
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "no data" : String(value);
    if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
    const size = Math.abs(value);
    return size >= 1e6 || size < 1e-3 ? value.toExponential(4) : value.toPrecision(6);
  }

  _sky(at) {
    const { sky } = this.item;
    if (!sky?.cd) return ["", "", ""];
    const place = skyOf(sky, at.x, at.y);
    if (!place) return ["", "", ""];
    return [formatRa(place.ra), formatDec(place.dec), sky.assumed ? "north up assumed" : ""];
  }

  /** Least and greatest value of a band (null: of all), where the pixels are here. */
  range(band) {
    if (!this.pixels) return null;
    const index = this.bands.indexOf(band);
    const n = this.pixels.values.length / this.pixels.shape[0];
    const values = index < 0 ? this.pixels.values : this.pixels.values.subarray(index * n, (index + 1) * n);
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) {
      if (value < low && value > -Infinity) low = value;
      if (value > high && value < Infinity) high = value;
    }
    return low < high ? { low, high } : null;
  }

  // Fetching

  _covers(x, y) {
    if (!this.pixels) return false;
    const { x0, y0, shape: [, height, width] } = this.pixels;
    return x >= x0 && y >= y0 && x < x0 + width && y < y0 + height;
  }

  _want(x, y) {
    if (this.failed || this.timer !== null || this._covers(x, y)) return;
    const { item } = this;
    this.timer = setTimeout(() => this._fetch(item, x, y), READOUT_DELAY_MS);
  }

  async _fetch(item, x, y) {
    const { page, side } = this.stage;
    const clip = (value) => Math.min(Math.max(value, 0), side);
    const whole = side * side * this.bands.length <= READOUT_WHOLE;
    const asked = whole ? {} : {
      x0: clip(x - READOUT_WINDOW), y0: clip(y - READOUT_WINDOW),
      x1: clip(x + READOUT_WINDOW), y1: clip(y + READOUT_WINDOW),
    };
    this.abort = new AbortController();
    try {
      const response = await fetchOk(page.objectUrl("pixels", item.object_id, asked),
        { signal: this.abort.signal });
      const shape = shapeOf(response, 3);
      const [x0, y0] = (response.headers.get("x-window") ?? "0,0").split(",").map(Number);
      const bytes = await response.arrayBuffer();
      if (this.item !== item) return;
      this.pixels = { shape, x0, y0, values: new Float32Array(bytes) };
    } catch (error) {
      if (this.item !== item || error.name === "AbortError") return;
      this.failed = error instanceof ApiError ? error.message : "not read";
    }
    this.timer = null;
    this.draw();
  }
}
