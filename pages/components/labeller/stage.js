/**
 * The stage: one picture with its zoom, its pan and what is drawn over it.
 *
 * Two systems of coordinates: picture pixels (centre of the first pixel at 0,0, y growing down)
 * and frame px (CSS pixels from the frame's upper left corner). The view is kept as a zoom and
 * the fraction of the picture that lies in the middle, so that it survives a change of size.
 */

const STAGE_MAX_ZOOM = 32;
const STAGE_ZOOM_STEP = Math.SQRT2;
const STAGE_PAN_STEP = 0.2; // of what is visible
const STAGE_SIZES = [512, 768, 1024];
const STAGE_WIDE = 1.25; // width by height of a frame from which on a chart is wider than high
const STAGE_NEXT = { recentre: "keeps the zoom", lock: "keeps zoom and place", fit: "fits" };

class Stage {
  /** @param page the Labeller */
  constructor(page) {
    this.page = page;
    /** @type {object|null} the object whose picture is on the stage */
    this.item = null;
    /** @type {HTMLImageElement|null} */
    this.img = null;
    this.zoom = 1;
    this.middle = { x: 0.5, y: 0.5 };
    this.width = 0;
    this.height = 0;
    /** What the user set: real pixels, crosshair, what happens to the view at the next object. */
    this.settings = { pixels: false, crosshair: false, next: "recentre" };
    /** Called with this stage whenever zoom, pan or size change. @type {Function[]} */
    this.onview = [];
    /** Where the pointer is, in frame px. @type {{x: number, y: number, touch: boolean}|null} */
    this.pointer = null;
    /** Dragging changes brightness and contrast instead of panning. */
    this.contrastTool = false;
    this._build();
    page.register({
      zoomIn: () => this.zoomBy(STAGE_ZOOM_STEP), zoomOut: () => this.zoomBy(1 / STAGE_ZOOM_STEP),
      zoomFit: () => this.fit(),
      panLeft: () => this.panBy(-STAGE_PAN_STEP, 0), panRight: () => this.panBy(STAGE_PAN_STEP, 0),
      panUp: () => this.panBy(0, -STAGE_PAN_STEP), panDown: () => this.panBy(0, STAGE_PAN_STEP),
      crosshair: () => this.toggleCrosshair(), pixels: () => this.togglePixels(),
    });
  }

  _build() {
    this.layer = el("div", { class: "layer" });
    this.canvas = el("canvas", { class: "levels", "aria-hidden": "true", hidden: true });
    this.layer.append(this.canvas);
    this.square = el("div", { class: "square" }, [this.layer]); // with ticks that point at the centre
    /** For marks: its viewBox is what is visible, in picture pixels plus a half. */
    this.overlay = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.overlay.setAttribute("class", "overlay");
    this.overlay.setAttribute("preserveAspectRatio", "none");
    this.overlay.setAttribute("aria-hidden", "true");
    this.furniture = new Furniture(this);
    this.readout = new Readout(this);
    this.contrast = new ContrastDrag(this);
    /** Lines of words over the picture's lower edge: they move nothing when they come and go. */
    this.foot = el("div", { class: "foot" });
    this.parts = [this.square, this.overlay, this.furniture.element, this.foot, this.readout.element];
    // A click on the picture keeps the focus here: Streamlit draws a frame about its own column.
    this.element = el("div", { class: "frame", tabindex: "-1" });
    this.gestures = new Gestures(this);
    new ResizeObserver(() => this._measure()).observe(this.element);
    new ResizeObserver(() => this.furniture.draw()).observe(this.foot);
  }

  // What the page tells

  task() {
    this.page.root.tabIndex = -1; // what is clicked beside the picture keeps the focus, too
  }

  mode(name) {
    this.readout.off = name === "compare"; // the picture is small there
    this.pointAt(null);
  }

  // What is shown

  /** Show a decoded picture of `item` at once. */
  picture(img, item) {
    const other = item?.object_id !== this.item?.object_id;
    this.item = item ?? null;
    if (this.square.parentNode !== this.element) {
      this.element.classList.remove("loading");
      this.element.replaceChildren(...this.parts);
    }
    if (this.img !== img || img.parentNode !== this.layer) {
      if (this.img?.parentNode === this.layer) this.img.replaceWith(img);
      else this.layer.prepend(img);
      this.img = img;
    }
    this.element.classList.toggle("drawing", !this.hasPixels);
    if (!this.contrast.isOf(this.item)) this.canvas.hidden = true;
    if (!this.width) this._measure();
    if (other) this._turnTo();
    else this._viewChanged();
  }

  /** Another task comes. */
  reset() {
    this.contrast.cancel();
    this.item = null;
    this.zoom = 1;
    this.setContrastTool(false);
    this.readout.show(null);
    this._viewChanged();
  }

  _turnTo() {
    this.contrast.cancel();
    if (this.pointer?.touch) this.pointer = null; // a finger does not rest on the next object
    if (this.settings.next === "fit") this.zoom = 1;
    if (this.settings.next !== "lock") this.middle = { x: 0.5, y: 0.5 };
    this._viewChanged();
    this.readout.show(this.item);
  }

  /** Show a sentence where the picture would be. */
  message(title, sentence, fraction = null, loading = false, retry = null) {
    this.element.classList.toggle("loading", loading);
    this.contrast.cancel();
    this.readout.show(null);
    this.item = null;
    const parts = [el("p", { class: "title", text: title })];
    if (sentence) parts.push(el("p", { text: sentence }));
    if (fraction !== null) {
      parts.push(el("progress", { max: 1, value: fraction, "aria-label": title }));
    }
    if (retry) parts.push(el("button", { type: "button", class: "tool", text: "Try again", onclick: retry }));
    this.element.replaceChildren(el("div", { class: "message", role: "status" }, parts));
  }

  /** The size of picture to ask for: 0 for the pixels as they are. */
  get pictureSize() {
    if (this.settings.pixels && this.page.hasPictures) return 0;
    const frame = this.asksWide ? this.width || this.element.clientWidth : this.height || this.element.clientHeight;
    const side = frame * (window.devicePixelRatio || 1) * 0.85;
    return STAGE_SIZES.find((size) => size >= side) ?? STAGE_SIZES.at(-1);
  }

  /** Whether a survey of spectra alone gets charts that are wider than high: a narrow window has no room. */
  get asksWide() {
    const [width, height] = [this.width || this.element.clientWidth, this.height || this.element.clientHeight];
    return !this.page.hasPictures && this.page.task?.has_spectra === true && width > STAGE_WIDE * height;
  }

  /** False if what is on the stage was drawn by the server: a spectrum, or the row of a table. */
  get hasPixels() {
    return this.page.hasPictures && this.item?.has_picture !== false;
  }

  // Where things are

  /** Side of the (square) picture in its own pixels. */
  get side() {
    return (this.hasPixels && this.page.task?.cutout_size_px) || this.img?.naturalWidth || 1;
  }

  /** Side of the picture in frame px when it fits. */
  get fitted() {
    return Math.min(this.width, this.height) || 1;
  }

  /** Sides of what zooms and pans, in frame px when it fits: pictures are square, a wide chart is not. */
  get fittedSides() {
    const isWide = !this.hasPixels && this.img?.naturalWidth > this.img?.naturalHeight;
    return isWide ? { x: this.width || 1, y: this.height || 1 } : { x: this.fitted, y: this.fitted };
  }

  /** Frame px a picture pixel. */
  get magnification() {
    return (this.fitted * this.zoom) / this.side;
  }

  get zoomed() {
    return this.zoom > 1;
  }

  /** Upper left corner of the picture in frame px. */
  get origin() {
    const { fittedSides: sides, zoom, middle } = this;
    return {
      x: this.width / 2 - middle.x * sides.x * zoom, y: this.height / 2 - middle.y * sides.y * zoom,
    };
  }

  /** Picture pixels of a pointer event. @returns {{x: number, y: number}} */
  toPixel(event) {
    return this.pixelAt(this.frameOf(event));
  }

  /** Picture pixels of a point in frame px. */
  pixelAt(point) {
    const { origin, magnification } = this;
    return {
      x: (point.x - origin.x) / magnification - 0.5, y: (point.y - origin.y) / magnification - 0.5,
    };
  }

  /** Frame px of a point in picture pixels. */
  placeOf(pixel) {
    const { origin, magnification } = this;
    return {
      x: origin.x + (pixel.x + 0.5) * magnification, y: origin.y + (pixel.y + 0.5) * magnification,
    };
  }

  /** Where the crosshair is: under the pointer, else in the middle; null while it is off. */
  get crosshairPlace() {
    if (!this.settings.crosshair || !this.hasPixels) return null;
    return this.pointer ?? { x: this.width / 2, y: this.height / 2 };
  }

  /** Frame px of a pointer event. */
  frameOf(event) {
    const box = this.element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  _measure() {
    const { width, height } = this.element.getBoundingClientRect();
    if (width === this.width && height === this.height) return;
    this.width = width;
    this.height = height;
    this.element.classList.toggle("wide", this.width - this.fitted > 300);
    this._viewChanged();
  }

  // Zoom and pan

  /** Zoom by a factor, keeping in place what lies at `point` (frame px; default the middle). */
  zoomBy(factor, point = { x: this.width / 2, y: this.height / 2 }) {
    const zoom = Math.min(Math.max(this.zoom * factor, 1), STAGE_MAX_ZOOM);
    const near = zoom < 1.01 ? 1 : zoom; // so that steps out end at exactly fitted
    const shift = 1 / this.zoom - 1 / near;
    this.middle.x += ((point.x - this.width / 2) * shift) / this.fittedSides.x;
    this.middle.y += ((point.y - this.height / 2) * shift) / this.fittedSides.y;
    this.zoom = near;
    this._viewChanged();
  }

  /** Move the view by fractions of what is visible. */
  panBy(x, y) {
    if (!this.zoomed) return;
    this.middle.x += x / this.zoom;
    this.middle.y += y / this.zoom;
    this._viewChanged();
  }

  /** Move the view by frame px, as a hand that drags the picture. */
  drag(x, y) {
    this.middle.x -= x / (this.fittedSides.x * this.zoom);
    this.middle.y -= y / (this.fittedSides.y * this.zoom);
    this._viewChanged();
  }

  fit() {
    this.zoom = 1;
    this._viewChanged();
  }

  _viewChanged() {
    const margin = 0.5 / this.zoom; // every pixel can be seen and no void is
    for (const axis of ["x", "y"]) {
      this.middle[axis] = Math.min(Math.max(this.middle[axis], margin), 1 - margin);
    }
    const { origin, magnification, fittedSides: sides } = this;
    this.element.classList.toggle("stretched", sides.x !== sides.y);
    const left = origin.x - (this.width - sides.x) / 2;
    const top = origin.y - (this.height - sides.y) / 2;
    this.layer.style.transform = this.zoomed ? `translate(${left}px, ${top}px) scale(${this.zoom})` : "";
    this.element.classList.toggle("zoomed", this.zoomed);
    const box = [-origin.x, -origin.y, this.width, this.height].map((value) => value / magnification);
    this.overlay.setAttribute("viewBox", box.join(" "));
    this.overlay.style.setProperty("--px", 1 / magnification); // picture pixels a frame px
    this.furniture.draw();
    this.readout.draw();
    for (const told of this.onview) told(this);
  }

  // Settings

  /** Take what the user kept. */
  preferences(all) {
    const kept = all?.view ?? {};
    this.settings = {
      pixels: kept.pixels === true, crosshair: kept.crosshair === true,
      next: kept.next in STAGE_NEXT ? kept.next : "recentre",
    };
    this._settingsChanged();
  }

  /** Change settings {pixels, crosshair, next} and keep them. */
  set(changes) {
    const { pixels } = this.settings;
    Object.assign(this.settings, changes);
    this.page.prefer("view", { ...this.settings });
    this._settingsChanged();
    if (pixels !== this.settings.pixels) this.page.lookChanged(); // pictures of another size
  }

  _settingsChanged() {
    this.element.classList.toggle("pixels", this.settings.pixels && this.page.hasPictures);
    this.furniture.draw();
    this.readout.draw();
    this.page.palette?.stageChanged();
  }

  toggleCrosshair() {
    this.set({ crosshair: !this.settings.crosshair });
    this.page.say(this.settings.crosshair ? "Crosshair on" : "Crosshair off");
  }

  togglePixels() {
    this.set({ pixels: !this.settings.pixels });
    this.page.say(this.settings.pixels ? "Pixels as they are" : "Pixels smoothed");
  }

  // Tools

  /**
   * Let a tool have the pointer first.
   * @param {{down?: Function, move?: Function, up?: Function, cancel?: Function}} handler each is
   * called with (pixel, event); a `down` that answers false leaves the press to the stage. `move`
   * is called without a press, too.
   */
  claim(handler) {
    this.gestures.claim(handler);
    this.element.classList.add("claimed");
  }

  release() {
    this.gestures.claim(null);
    this.element.classList.remove("claimed");
  }

  /** Whether dragging with the left button or a finger changes brightness and contrast. */
  setContrastTool(on) {
    this.contrastTool = on;
    this.element.classList.toggle("adjusting", on);
    this.page.palette?.stageChanged();
  }

  /** The pointer is at `place` (frame px), or null: it left. */
  pointAt(place) {
    this.pointer = place;
    if (this.settings.crosshair) this.furniture.draw();
    this.readout.draw();
  }
}
