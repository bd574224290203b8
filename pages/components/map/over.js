/**
 * What lies over the points: rings of labelled objects, the trail, the selection, the object
 * under the pointer, and the line that is being drawn.
 */

const OVER_RING_PX = 4.5;
const OVER_FIND_PX = 7;
const OVER_DASH = [5, 4];

class Over {
  /** @param {SkyMap} map */
  constructor(map) {
    this.map = map;
    this.element = el("canvas", { class: "over", "aria-hidden": "true" });
    this.rings = { points: [], classes: [] };
    this.trail = [];
    this.selected = { outline: null, points: [] };
    this.drawing = null; // [[left, top], ...] in pixels
    this.hovered = -1;
    this.found = -1;
    this.asked = false;
  }

  /** Draw before the next frame, once for all that changed. */
  again() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  }

  draw() {
    const { element, map } = this;
    const { chart } = map;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [element.clientWidth, element.clientHeight];
    if (element.width !== Math.round(width * ratio)) element.width = Math.round(width * ratio);
    if (element.height !== Math.round(height * ratio)) element.height = Math.round(height * ratio);
    const pen = element.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (!chart.cells) return;
    this.ink = getComputedStyle(element).color;
    this._selection(pen);
    if (map.kept.trail) this._trail(pen);
    this._rings(pen);
    if (this.found >= 0) this._ring(pen, this.found, 11, this.ink, 2);
    if (this.hovered >= 0) this._ring(pen, this.hovered, 6, this.ink, 2);
    if (this.drawing) this._outline(pen, this.drawing, true);
  }

  _screen(point) {
    const [x, y] = this.map.chart.placeOf(point);
    return this.map.chart.lens.toScreen(x, y);
  }

  _ring(pen, point, radius, colour, width) {
    const [left, top] = this._screen(point);
    pen.beginPath();
    pen.arc(left, top, radius, 0, 2 * Math.PI);
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke();
  }

  /** Labelled objects, finds last and larger; those outside cost nothing. */
  _rings(pen) {
    const { chart, classes, targets, kept } = this.map;
    if (kept.unlabelled) return;
    const { width, height } = chart.lens;
    const { points, classes: codes } = this.rings;
    for (let i = 0; i < points.length; i += 1) {
      if (!chart.isLit(points[i])) continue;
      const [left, top] = this._screen(points[i]);
      if (left < -9 || top < -9 || left > width + 9 || top > height + 9) continue;
      const [name, colour] = classes[codes[i]] ?? ["", "#8b94a3"];
      const isFind = targets.includes(name);
      pen.beginPath();
      pen.arc(left, top, isFind ? OVER_FIND_PX : OVER_RING_PX, 0, 2 * Math.PI);
      pen.strokeStyle = colour;
      pen.lineWidth = isFind ? 2.2 : 1.2;
      pen.stroke();
    }
  }

  /** From answer to answer, the newest one strongest. */
  _trail(pen) {
    const { trail } = this;
    for (let i = 1; i < trail.length; i += 1) {
      pen.beginPath();
      pen.moveTo(...this._screen(trail[i - 1]));
      pen.lineTo(...this._screen(trail[i]));
      pen.globalAlpha = 0.15 + 0.6 * i / trail.length;
      pen.strokeStyle = this.ink;
      pen.lineWidth = 1.2;
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }

  _selection(pen) {
    const { outline, points } = this.selected;
    if (outline) {
      this._outline(pen, outline.map(([x, y]) => this.map.chart.lens.toScreen(x, y)), false);
    }
    pen.fillStyle = this.ink;
    for (const point of points) {
      const [left, top] = this._screen(point);
      pen.fillRect(left - 1.5, top - 1.5, 3, 3);
    }
  }

  _outline(pen, corners, isOpen) {
    pen.beginPath();
    corners.forEach(([left, top], i) => (i ? pen.lineTo(left, top) : pen.moveTo(left, top)));
    pen.closePath();
    pen.globalAlpha = 0.1;
    pen.fillStyle = this.ink;
    pen.fill("evenodd");
    pen.globalAlpha = 1;
    pen.setLineDash(isOpen ? [] : OVER_DASH);
    pen.strokeStyle = this.ink;
    pen.lineWidth = 1.5;
    pen.stroke();
    pen.setLineDash([]);
  }
}
