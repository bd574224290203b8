/**
 * What is drawn over the picture in the frame's own px: crosshair, scale bar, north and east.
 * Every line has a dark one under it, so that it is seen on any picture.
 */

const FURNITURE_BAR = 0.24; // longest scale bar, of the fitted side
const FURNITURE_ARROW = 26;
const FURNITURE_MARGIN = 14;
const SVG_SPACE = "http://www.w3.org/2000/svg";

/** Make an SVG element. */
function svg(tag, options = {}, children = []) {
  const node = document.createElementNS(SVG_SPACE, tag);
  for (const [name, value] of Object.entries(options)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** The largest of 1, 2, 5 times a power of ten that is not above `most`. */
function niceLength(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].map((step) => step * power).find((length) => length <= most * (1 + 1e-9)) ?? power;
}

/**
 * Directions of north and east on the picture, from item.sky.cd (x right, y down), as unit vectors.
 * @returns {{north: number[], east: number[]}|null} null where the matrix cannot be inverted
 */
function compassOf(cd) {
  const [[a, b], [c, d]] = cd;
  const determinant = a * d - b * c;
  const unit = (x, y) => [x / Math.hypot(x, y), y / Math.hypot(x, y)];
  if (!Number.isFinite(determinant) || determinant === 0) return null;
  return {
    north: unit(-b / determinant, a / determinant), east: unit(d / determinant, -c / determinant),
  };
}

class Furniture {
  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    this.drawn = "";
    this.cross = [svg("path", { class: "under" }), svg("path", { class: "over" })];
    this.bar = [svg("path", { class: "under" }), svg("path", { class: "over" })];
    this.barText = svg("text", { class: "word" });
    this.arrows = [svg("path", { class: "under" }), svg("path", { class: "over" })];
    this.letters = [svg("text", { class: "word middle" }), svg("text", { class: "word middle" })];
    this.letters[0].textContent = "N";
    this.letters[1].textContent = "E";
    this.element = svg("svg", { class: "furniture", "aria-hidden": "true" }, [
      svg("g", { class: "crosshair" }, this.cross),
      svg("g", { class: "scale" }, [...this.bar, this.barText]),
      svg("g", { class: "compass" }, [...this.arrows, ...this.letters]),
    ]);
  }

  draw() {
    const { stage } = this;
    if (!stage.width || !stage.item) return;
    this.element.toggleAttribute("hidden", !stage.hasPixels);
    if (!stage.hasPixels) return;
    this._crosshair();
    // Everything else changes with the zoom and the object only.
    const sky = stage.item.sky ?? null;
    const foot = stage.foot.offsetHeight;
    const key = [foot, stage.width, stage.height, stage.magnification, sky?.scale_arcsec,
      sky?.kpc_per_arcsec, sky?.cd].join();
    if (key === this.drawn) return;
    this.drawn = key;
    const left = (stage.width - stage.fitted) / 2;
    const bottom = stage.height - FURNITURE_MARGIN - foot;
    this._scale(sky, left + FURNITURE_MARGIN, bottom);
    this._compass(sky, left + stage.fitted - FURNITURE_MARGIN, bottom);
  }

  _path(paths, shape) {
    for (const path of paths) path.setAttribute("d", shape);
  }

  _crosshair() {
    const { stage } = this;
    const at = stage.crosshairPlace;
    if (!at) {
      this._path(this.cross, "");
      return;
    }
    const gap = 7; // what lies under the cross is what matters
    this._path(this.cross, `M0 ${at.y}H${at.x - gap}M${at.x + gap} ${at.y}H${stage.width}`
      + `M${at.x} 0V${at.y - gap}M${at.x} ${at.y + gap}V${stage.height}`);
  }

  _scale(sky, x, y) {
    const { stage } = this;
    const scale = sky?.scale_arcsec ?? stage.page.task?.pixel_scale_arcsec ?? null;
    const most = (stage.fitted * FURNITURE_BAR) / stage.magnification; // picture pixels
    const length = niceLength(most * (scale ?? 1));
    const shown = (length / (scale ?? 1)) * stage.magnification;
    this._path(this.bar, `M${x} ${y - 4}V${y + 4}M${x} ${y}H${x + shown}M${x + shown} ${y - 4}V${y + 4}`);
    const number = (value) => String(Number(value.toPrecision(2)));
    let text = scale === null ? `${number(length)} px` : `${number(length)}″`;
    if (scale !== null && sky?.kpc_per_arcsec) text += ` · ${number(length * sky.kpc_per_arcsec)} kpc`;
    this.barText.textContent = text;
    this.barText.setAttribute("x", x);
    this.barText.setAttribute("y", y - 9);
  }

  _compass(sky, right, bottom) {
    const compass = sky?.cd ? compassOf(sky.cd) : null;
    this._path(this.arrows, "");
    for (const letter of this.letters) letter.setAttribute("visibility", compass ? "visible" : "hidden");
    if (!compass) return;
    const tips = [compass.north, compass.east].map(([x, y]) => [x * FURNITURE_ARROW, y * FURNITURE_ARROW]);
    // The corner of the two arrows lies where both stay inside.
    const letters = tips.map(([x, y]) => [x * 1.42, y * 1.42]);
    const base = [0, 1].map((axis) => Math.max(0, ...letters.map((tip) => tip[axis] + 6)));
    const [x, y] = [right - base[0], bottom - base[1]];
    this._path(this.arrows, tips.map((tip) => this._arrow(x, y, tip)).join(""));
    this.letters.forEach((letter, index) => {
      letter.setAttribute("x", x + letters[index][0]);
      letter.setAttribute("y", y + letters[index][1]);
    });
  }

  _arrow(x, y, [dx, dy]) {
    const end = [x + dx, y + dy];
    const wing = (side) => [end[0] - dx * 0.22 - side * dy * 0.14, end[1] - dy * 0.22 + side * dx * 0.14];
    return `M${x} ${y}L${end}M${wing(1)}L${end}L${wing(-1)}`;
  }
}
