/**
 * Between map coordinates and pixels of the plot, as the camera stands.
 *
 * The camera's view is a scale and a shift (the map is never turned); the shorter the plot is
 * against its width, the more of the map it shows to the sides.
 */

class Lens {
  constructor() {
    this.width = 1;
    this.height = 1;
    this.view = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  }

  /** Pixels from the left and top of a place on the map. */
  toScreen(x, y) {
    const { view, width, height } = this;
    const across = (view[0] * x + view[12]) * (height / width);
    const up = view[5] * y + view[13];
    return [(across + 1) / 2 * width, (1 - up) / 2 * height];
  }

  /** The place on the map that lies at pixels from the left and top. */
  toMap(left, top) {
    const { view, width, height } = this;
    const across = (2 * left / width - 1) * (width / height);
    const up = 1 - 2 * top / height;
    return [(across - view[12]) / view[0], (up - view[13]) / view[5]];
  }

  /** Half the height of what is seen, in map units: what the camera calls its distance. */
  get distance() {
    return 1 / this.view[5];
  }

  get centre() {
    return this.toMap(this.width / 2, this.height / 2);
  }

  /** What is seen, [x0, y0, x1, y1]. */
  get box() {
    const [x0, y1] = this.toMap(0, 0);
    const [x1, y0] = this.toMap(this.width, this.height);
    return [x0, y0, x1, y1];
  }
}
