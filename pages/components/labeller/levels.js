/**
 * Brightness and contrast by dragging, as in DS9: the stretched values of the picture come once
 * from the server (16 bits, native size), and every move of the hand draws them anew.
 */

const LEVELS_WHITE = 65535;
const CONTRAST_MAX = 10;
const CONTRAST_LEAST = 0.05; // from here on a drag goes up again: 0 could not be multiplied

/** Stretched values of one object. @typedef {{side: [number, number], channels: number, values: Uint16Array}} Levels */

/**
 * Fetch the stretched values of an object under a look.
 * @returns {Promise<Levels>} values in the order channel, y, x; 0..65535
 */
async function fetchLevels(address, options = {}) {
  const response = await fetchOk(address, options);
  const [channels, height, width] = shapeOf(response, 3);
  const bytes = await response.arrayBuffer();
  if (bytes.byteLength !== 2 * channels * height * width) {
    throw new ApiError(0, "The server's answer was cut short.");
  }
  return { side: [width, height], channels, values: new Uint16Array(bytes) };
}

/** The numbers of the header x-shape. */
function shapeOf(response, n) {
  const shape = (response.headers.get("x-shape") ?? "").split(",").map(Number);
  if (shape.length !== n || !shape.every((size) => Number.isInteger(size) && size > 0)) {
    throw new ApiError(0, "The server did not say how large its answer is.");
  }
  return shape;
}

/** DS9's brightness and contrast on a stretched value 0..1, see the look's `contrast` and `bias`. */
function adjusted(value, contrast, bias) {
  return Math.min(Math.max((value - bias) * contrast + 0.5, 0), 1);
}

/**
 * Draw levels into RGBA pixels.
 * @param {Levels} levels
 * @param {{contrast: number, bias: number, invert: boolean}} how
 * @param {number[][]|null} table 256 colours for one channel; null is grey
 * @param {Uint8ClampedArray} target 4 bytes a pixel, row by row
 */
function paintLevels(levels, { contrast, bias, invert }, table, target) {
  const shade = new Uint8Array(LEVELS_WHITE + 1);
  for (let level = 0; level <= LEVELS_WHITE; level++) {
    const value = adjusted(level / LEVELS_WHITE, contrast, bias);
    shade[level] = Math.round(255 * (invert ? 1 - value : value));
  }
  const { values, channels } = levels;
  const n = values.length / channels;
  for (let pixel = 0, at = 0; pixel < n; pixel++, at += 4) {
    if (channels === 3) {
      target[at] = shade[values[pixel]];
      target[at + 1] = shade[values[n + pixel]];
      target[at + 2] = shade[values[2 * n + pixel]];
    } else {
      const step = shade[values[pixel]];
      const colour = table ? table[step] : [step, step, step];
      [target[at], target[at + 1], target[at + 2]] = colour;
    }
    target[at + 3] = 255;
  }
}

/** A drag that changes contrast and bias of the look, drawn on the stage's canvas. */
class ContrastDrag {
  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    this.run = null;
    this.context = stage.canvas.getContext("2d");
  }

  /** A drag begins on the picture of `item`. */
  begin(item) {
    this.cancel();
    const { look } = this.stage.page;
    const contrast = look.get("contrast");
    const run = {
      item, from: { contrast, bias: look.get("bias") }, now: { contrast, bias: look.get("bias") },
      levels: null, table: null, drawn: 0, abort: new AbortController(),
    };
    this.run = run;
    this._load(run);
  }

  /** True while a drag goes on over the picture of `item`. */
  isOf(item) {
    return this.run !== null && this.run.item.object_id === item?.object_id;
  }

  async _load(run) {
    const { page } = this.stage;
    try {
      const shown = { ...page.look.value };
      for (const name of ["contrast", "bias", "map", "invert"]) delete shown[name];
      const address = page.objectUrl("levels", run.item.object_id, page.look.query(shown));
      const [levels, table] = await Promise.all([
        fetchLevels(address, { signal: run.abort.signal }), page.look.colours(page.look.get("map")),
      ]);
      if (this.run !== run || this.stage.item?.object_id !== run.item.object_id) return;
      run.levels = levels;
      run.table = table;
      this._draw(run);
    } catch (error) {
      if (this.run === run && error.name !== "AbortError") page.say(error.message);
    }
  }

  /** The hand is `x` to the right of and `y` below where it began, in sides of the picture. */
  move(x, y) {
    const { run } = this;
    if (!run) return;
    const contrast = Math.max(run.from.contrast, CONTRAST_LEAST) * 2 ** (-4 * y);
    run.now = {
      contrast: Number(Math.min(contrast, CONTRAST_MAX).toFixed(3)),
      bias: Number(Math.min(Math.max(run.from.bias + x, 0), 1).toFixed(4)),
    };
    this.stage.page.say(`Contrast ${run.now.contrast.toFixed(2)}, bias ${run.now.bias.toFixed(2)}`);
    run.drawn ||= requestAnimationFrame(() => this._draw(run));
  }

  _draw(run) {
    run.drawn = 0;
    if (!run.levels || this.run !== run) return;
    const { canvas } = this.stage;
    const [width, height] = run.levels.side;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pixels = this.context.createImageData(width, height);
    paintLevels(run.levels, { ...run.now, invert: this.stage.page.look.get("invert") === 1 },
      run.table, pixels.data);
    this.context.putImageData(pixels, 0, 0);
    canvas.hidden = false;
  }

  /** The hand let go: the look takes the values; the canvas stays until the new picture is there. */
  end() {
    const { run } = this;
    if (!run) return;
    cancelAnimationFrame(run.drawn);
    this._draw(run);
    this.run = null;
    const changed = this.stage.page.look.set({ contrast: run.now.contrast, bias: run.now.bias });
    if (!changed) this.stage.canvas.hidden = true;
  }

  cancel() {
    if (!this.run) return;
    this.run.abort.abort();
    cancelAnimationFrame(this.run.drawn);
    this.run = null;
    this.stage.canvas.hidden = true;
  }
}
