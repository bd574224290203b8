/**
 * The points sorted into cells: which one lies under the pointer, and how many are seen.
 */

const CELLS_POINTS = 4; // about so many in a cell, were they spread evenly
const CELLS_MOST = 1024; // along a side
const CELLS_COARSE = 64; // along a side, for counting

class Cells {
  /** @param {Float32Array} places x and y of each point */
  constructor(places) {
    this.places = places;
    const n = places.length / 2;
    /** How far the points reach from the middle, to the side and upwards. */
    this.reach = [0.01, 0.01];
    for (let i = 0; i < 2 * n; i += 1) {
      this.reach[i % 2] = Math.max(this.reach[i % 2], Math.abs(places[i]));
    }
    const side = Math.round(Math.sqrt(n / CELLS_POINTS));
    this.side = Math.min(Math.max(side, 1), CELLS_MOST);
    const start = new Uint32Array(this.side ** 2 + 1);
    const cell = new Uint32Array(n);
    for (let i = 0; i < n; i += 1) {
      cell[i] = this._column(places[2 * i + 1]) * this.side + this._column(places[2 * i]);
      start[cell[i] + 1] += 1;
    }
    for (let i = 0; i < this.side ** 2; i += 1) start[i + 1] += start[i];
    const next = start.slice();
    this.order = new Uint32Array(n);
    for (let i = 0; i < n; i += 1) {
      this.order[next[cell[i]]] = i;
      next[cell[i]] += 1;
    }
    this.start = start;
  }

  _column(value, side = this.side) {
    return Math.min(Math.max(Math.floor((value + 1) / 2 * side), 0), side - 1);
  }

  /**
   * The nearest point within `radius` of a place for which `seen(point)` holds, or -1.
   * @param {(point: number) => boolean} seen
   */
  nearest(x, y, radius, seen) {
    const { places, side, start, order } = this;
    let best = -1;
    let least = radius * radius;
    const [left, right] = [this._column(x - radius), this._column(x + radius)];
    for (let row = this._column(y - radius); row <= this._column(y + radius); row += 1) {
      for (let i = start[row * side + left]; i < start[row * side + right + 1]; i += 1) {
        const point = order[i];
        const far = (places[2 * point] - x) ** 2 + (places[2 * point + 1] - y) ** 2;
        // Of points at one place the last is drawn on top.
        if (far <= least && (far < least || point > best) && seen(point)) {
          best = point;
          least = far;
        }
      }
    }
    return best;
  }

  /** Count the points that are seen, cell by coarse cell; `seen` null: all. */
  count(seen) {
    const { places } = this;
    const counts = new Uint32Array(CELLS_COARSE ** 2);
    let total = 0;
    for (let i = 0; i < places.length / 2; i += 1) {
      if (seen && !seen(i)) continue;
      const row = this._column(places[2 * i + 1], CELLS_COARSE);
      counts[row * CELLS_COARSE + this._column(places[2 * i], CELLS_COARSE)] += 1;
      total += 1;
    }
    this.counts = counts;
    this.total = total;
  }

  /** About how many of the counted points lie in [x0, y0, x1, y1]. */
  within([x0, y0, x1, y1]) {
    if (x0 <= -1 && y0 <= -1 && x1 >= 1 && y1 >= 1) return this.total;
    if (x1 < -1 || y1 < -1 || x0 > 1 || y0 > 1) return 0;
    const [left, right] = [this._column(x0, CELLS_COARSE), this._column(x1, CELLS_COARSE)];
    const [low, high] = [this._column(y0, CELLS_COARSE), this._column(y1, CELLS_COARSE)];
    let sum = 0;
    for (let row = low; row <= high; row += 1) {
      for (let one = left; one <= right; one += 1) sum += this.counts[row * CELLS_COARSE + one];
    }
    const cell = 2 / CELLS_COARSE;
    // Closer than a cell or two a part of them is seen.
    const share = Math.min(1, (x1 - x0) / ((right - left + 1) * cell))
      * Math.min(1, (y1 - y0) / ((high - low + 1) * cell));
    return sum * share;
  }
}
