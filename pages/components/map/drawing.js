/**
 * Lasso and box: what is drawn over the map goes to the server as a polygon in map coordinates.
 */

const DRAWING_STEP_PX = 3;
const DRAWING_MOST = 1000; // vertices sent; every second one is left out until they are so few
const DRAWING_LEAST_PX = 5; // smaller is a click

class Drawing {
  /** @param {SkyMap} map */
  constructor(map) {
    this.map = map;
    this.corners = null;
    this.isBox = false;
    const { plot } = map;
    plot.addEventListener("pointerdown", (event) => this._begin(event), true);
    // The camera listens to the mouse: what draws a line must not move it.
    plot.addEventListener("mousedown", (event) => this.corners && event.stopPropagation(), true);
    plot.addEventListener("pointermove", (event) => this.corners && this._go(event));
    plot.addEventListener("pointerup", () => this.corners && this._end());
    plot.addEventListener("pointercancel", () => this.stop());
  }

  _begin(event) {
    const { map } = this;
    const isLasso = map.mode === "lasso" || (map.mode === "pan" && event.shiftKey);
    if (!(isLasso || map.mode === "box") || event.button !== 0 || !map.isOnPlot(event)) return;
    event.preventDefault();
    map.plot.focus({ preventScroll: true });
    map.plot.setPointerCapture(event.pointerId);
    map.hover.leave();
    this.isBox = !isLasso;
    this.corners = [map.pixelOf(event)];
  }

  _go(event) {
    const [left, top] = this.map.pixelOf(event);
    const [first] = this.corners;
    if (this.isBox) {
      this.corners = [first, [left, first[1]], [left, top], [first[0], top]];
    } else {
      const [x, y] = this.corners.at(-1);
      if (Math.hypot(left - x, top - y) < DRAWING_STEP_PX) return;
      this.corners.push([left, top]);
    }
    this.map.over.drawing = this.corners;
    this.map.over.again();
  }

  _end() {
    let { corners } = this;
    this.stop();
    const spread = (place) => Math.max(...corners.map((one) => one[place]))
      - Math.min(...corners.map((one) => one[place]));
    if (corners.length < 3 || spread(0) < DRAWING_LEAST_PX || spread(1) < DRAWING_LEAST_PX) {
      this.map.say("Draw around the objects with the button held down");
      return;
    }
    while (corners.length > DRAWING_MOST) corners = corners.filter((_, i) => i % 2 === 0);
    const { lens } = this.map.chart;
    const digits = (value) => Number(value.toPrecision(8));
    this.map.selecting.select(corners.map(([left, top]) => lens.toMap(left, top).map(digits)));
  }

  /** Give up what is being drawn. */
  stop() {
    this.corners = null;
    this.map.over.drawing = null;
    this.map.over.again();
  }
}
