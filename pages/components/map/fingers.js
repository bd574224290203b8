/**
 * Touch in the mode "pan": one finger moves the map, two also zoom. The camera knows a mouse only.
 */

class Fingers {
  /** @param {SkyMap} map */
  constructor(map) {
    this.map = map;
    this.down = new Map();
    const { plot } = map;
    plot.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch" && map.isOnPlot(event)) this.down.set(event.pointerId, map.pixelOf(event));
    });
    plot.addEventListener("pointermove", (event) => this.down.has(event.pointerId) && this._moved(event));
    const up = (event) => this.down.delete(event.pointerId);
    plot.addEventListener("pointerup", up);
    plot.addEventListener("pointercancel", up);
  }

  _middle() {
    const all = [...this.down.values()];
    const x = all.reduce((sum, one) => sum + one[0], 0) / all.length;
    const y = all.reduce((sum, one) => sum + one[1], 0) / all.length;
    const spread = all.length > 1 ? Math.hypot(all[0][0] - all[1][0], all[0][1] - all[1][1]) : 0;
    return { x, y, spread };
  }

  _moved(event) {
    const { map } = this;
    if (map.mode !== "pan" || map.drawing.corners) return;
    const before = this._middle();
    this.down.set(event.pointerId, map.pixelOf(event));
    const after = this._middle();
    const { lens } = map.chart;
    const grip = lens.toMap(before.x, before.y); // what was under the fingers stays there
    const scale = before.spread > 0 && after.spread > 0 ? before.spread / after.spread : 1;
    const distance = lens.distance * scale;
    const unit = 2 * distance / lens.height;
    map.chart.look([
      grip[0] - (after.x - lens.width / 2) * unit, grip[1] + (after.y - lens.height / 2) * unit,
    ], distance, false);
  }
}
