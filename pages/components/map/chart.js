/**
 * The points themselves, drawn by regl-scatterplot; nothing else of the map knows of it.
 *
 * It only draws and moves the camera: what lies under the pointer and how dense the points are
 * is counted in cells.js, since its own index of a million points takes seconds to make and its
 * own lasso does not know the server. What is hidden is put far outside.
 */

const CHART_FAR = 1e6;
const CHART_FILL = 0.3; // how much of the plot the points in view should cover
const CHART_FAINTEST = 0.12; // so faint at most: one object alone is worth seeing
const CHART_FLIGHT_MS = 450;
const CHART_NO_COPY = { clearRect() {}, drawImage() {} };
const CHART_NEAREST = 2e-4; // the camera's distance, below which floats run out

/** An index of no points in the form of kdbush 4: regl-scatterplot makes one unless it gets it. */
function emptyIndex() {
  const index = new ArrayBuffer(8);
  new Uint8Array(index).set([0xdb, (1 << 4) + 8]);
  new Uint16Array(index, 2, 1)[0] = 64;
  return index;
}

class Chart {
  /**
   * @param {HTMLElement} plot what it fills
   * @param {() => void} onview the camera moved, or what is drawn changed
   * @param {() => void} onlost the graphics card took its memory back
   */
  constructor(plot, onview, onlost) {
    this.plot = plot;
    this.onview = onview;
    this.onlost = onlost;
    this.lens = new Lens();
    this.cells = null;
    this.points = [];
    this.ordered = []; // the points as they are drawn
    this.seen = null;
    this.lit = null;
    this.drawn = null;
    this.wanted = null;
    this.busy = null;
  }

  get isOpen() {
    return Boolean(this.drawn);
  }

  /** Begin to draw. Throws where there is no WebGL. @param {object} library regl-scatterplot */
  open(library) {
    this.canvas = el("canvas", { class: "points", "aria-hidden": "true" });
    this.surface = el("canvas", { class: "surface", "aria-hidden": "true" });
    this.plot.prepend(this.surface, this.canvas);
    const { width, height } = this.canvas.getBoundingClientRect();
    // Left to itself it draws a surface as large as the window, every edge four times, and reads
    // all pixels back to copy them: here the surface is what one sees, and nothing is copied.
    const surface = this.surface;
    surface.getContext("webgl", { antialias: false, preserveDrawingBuffer: true });
    this.canvas.getContext = () => CHART_NO_COPY;
    this.renderer = library.createRenderer({ canvas: surface });
    this.renderer.resize(width || 1, height || 1);
    this.resized = new ResizeObserver(() => this._resize());
    this.resized.observe(this.canvas);
    this.drawn = library.createScatterplot({
      canvas: this.canvas, renderer: this.renderer, width: "auto", height: "auto", lassoInitiator: false,
      actionKeyMap: {}, deselectOnDblClick: false, deselectOnEscape: false, colorBy: "valueA",
      backgroundColor: [0, 0, 0, 0], pointScaleMode: "asinh", opacity: 1, pointSize: 3,
    });
    if (!this.drawn.isSupported) {
      this.close();
      throw new Error("This browser's WebGL lacks float textures.");
    }
    Object.assign(this.lens, { width: width || 1, height: height || 1 });
    this.drawn.subscribe("view", ({ view }) => this._viewed(view));
    this.drawn.subscribe("draw", ({ view }) => this._viewed(view));
    this.losing = () => surface === this.surface && this.onlost();
    surface.addEventListener("webglcontextlost", this.losing);
  }

  _resize() {
    const { width, height } = this.canvas.getBoundingClientRect();
    if (!this.drawn || !width || !height) return;
    this.renderer.resize(width, height);
    this.drawn.redraw();
  }

  /** Stop drawing, and give the context back at once: a browser has about sixteen of them. */
  close() {
    this.resized?.disconnect();
    this.surface?.removeEventListener("webglcontextlost", this.losing);
    try {
      this.drawn?.destroy();
      this.renderer?.destroy();
    } catch {
      // Of a lost context nothing is left to be given back.
    }
    this.surface?.getContext("webgl")?.getExtension("WEBGL_lose_context")?.loseContext();
    this.canvas?.remove();
    this.surface?.remove();
    this.canvas = null;
    this.surface = null;
    this.drawn = null;
    this.renderer = null;
    this.wanted = null;
    this.busy = null; // a draw of before may never end
  }

  _viewed(view) {
    const { width, height } = this.canvas.getBoundingClientRect();
    Object.assign(this.lens, { view: Array.from(view), width: width || 1, height: height || 1 });
    this._shade();
    this.onview();
  }

  /** @param {Float32Array} places x and y of each point, -1 to 1 */
  place(places) {
    this.cells = new Cells(places);
    this.points = Array.from({ length: places.length / 2 }, () => [NaN, NaN, 0]);
  }

  /** Forget the points: those of another map come. */
  clear() {
    this.close();
    Object.assign(this, { cells: null, points: [], ordered: [], seen: null, lit: null });
  }

  get n() {
    return this.points.length;
  }

  /**
   * Draw the points.
   * @param {Uint8Array} codes an index into `colours` for each
   * @param {string[]} colours #rrggbb
   * @param {((point: number) => boolean)|null} seen what is shown; null: all
   * @param {((point: number) => boolean)|null} lit what of it is not dim; null: all
   * @param {string|null} dim the colour of what is dim
   */
  paint(codes, colours, seen, lit = null, dim = null) {
    const { points, cells } = this;
    Object.assign(this, { seen, lit });
    const isLit = lit && seen ? (point) => seen(point) && lit(point) : lit ?? seen;
    cells.count(isLit);
    let drawn = 0;
    for (let i = 0; i < points.length; i += 1) {
      const there = !seen || seen(i);
      points[i][0] = there ? cells.places[2 * i] : CHART_FAR;
      points[i][1] = there ? cells.places[2 * i + 1] : CHART_FAR;
      points[i][2] = lit && !lit(i) ? colours.length : codes[i];
      drawn += there;
    }
    cells.drawn = drawn;
    // What is drawn later lies on top.
    this.ordered = lit ? points.filter((_, i) => !lit(i)).concat(points.filter((_, i) => lit(i))) : points;
    this.wanted = lit ? [...colours, dim] : colours;
    this.busy ??= this._drawWanted();
    return this.busy;
  }

  /** One draw at a time, since it refuses a second one; of those that wait the last one counts. */
  async _drawWanted() {
    const { drawn } = this;
    try {
      while (this.wanted && drawn && drawn === this.drawn) {
        const colours = this.wanted;
        this.wanted = null;
        await this._draw(colours);
      }
    } finally {
      if (drawn === this.drawn) this.busy = null;
    }
  }

  async _draw(colours) {
    const size = Math.min(Math.max(10 - 1.4 * Math.log10(Math.max(this.cells.drawn, 1)), 1.6), 7);
    this.size = size;
    this.opacity = null;
    const { drawn } = this;
    await drawn.set({ pointColor: [...colours, "#000000"], pointSize: size });
    if (drawn !== this.drawn) return; // closed meanwhile
    await drawn.draw(this.ordered, { zDataType: "categorical", spatialIndex: emptyIndex() });
    if (drawn !== this.drawn) return;
    this._shade();
  }

  /**
   * Opacity by density: the more points are in view, the fainter is each, so that crowds stay
   * shaded (after R. Reusser, "Selecting the right opacity for 2D point clouds", 2022).
   */
  _shade() {
    if (!this.cells?.counts || !this.drawn) return;
    const { width, height, view } = this.lens;
    const scale = Math.asinh(Math.max(1, view[5])) / Math.asinh(1);
    const covered = Math.PI / 4 * (this.size * scale) ** 2 * Math.max(this.cells.within(this.lens.box), 1);
    const room = Math.min(width, height) ** 2;
    const opacity = Math.min(Math.max(CHART_FILL * room / covered, CHART_FAINTEST), 0.9);
    if (this.opacity && Math.abs(opacity / this.opacity - 1) < 0.04) return;
    this.opacity = opacity;
    this.drawn.set({ opacity });
  }

  /** The point under a pixel, or -1. */
  pick(left, top, slack = 6) {
    if (!this.cells) return -1;
    const [x, y] = this.lens.toMap(left, top);
    const radius = (slack + this.size / 2) * 2 * this.lens.distance / this.lens.height;
    return this.cells.nearest(x, y, radius, this.seen ?? (() => true));
  }

  /** Whether a point is shown, and not dim. */
  isLit(point) {
    return (!this.seen || this.seen(point)) && (!this.lit || this.lit(point));
  }

  placeOf(point) {
    return [this.cells.places[2 * point], this.cells.places[2 * point + 1]];
  }

  // The camera

  /** Look at a place from a distance, in one flight unless the person wants no motion. */
  look(centre, distance, flying = true) {
    if (!this.drawn) return Promise.resolve();
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const far = Math.min(Math.max(distance, CHART_NEAREST), 20);
    const options = flying && !calm
      ? { transition: true, transitionDuration: CHART_FLIGHT_MS, transitionEasing: "cubicInOut" } : {};
    return this.drawn.zoomToLocation(centre, far, options);
  }

  zoom(factor) {
    return this.look(this.lens.centre, this.lens.distance / factor);
  }

  /** Move by so many pixels, at once. */
  pan(right, down) {
    const { lens } = this;
    return this.look(lens.toMap(lens.width / 2 + right, lens.height / 2 + down), lens.distance, false);
  }

  /** All of the map. */
  fit(flying = true) {
    if (!this.drawn) return Promise.resolve();
    const { clientWidth, clientHeight } = this.canvas;
    const [right, up] = this.cells.reach;
    return this.look([0, 0], 1.12 * Math.max(up, right * (clientHeight || 1) / (clientWidth || 1)), flying);
  }
}
