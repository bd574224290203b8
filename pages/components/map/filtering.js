/**
 * The filter that all pages share, on the map: the server says in one bit a point which of them
 * pass. The others are dim, or hidden by the switch "Only what passes".
 */

const FILTERING_DIM = 0.16; // of the ink over the ground

class Filtering {
  /** @param {SkyMap} map */
  constructor(map) {
    this.map = map;
    this.text = ""; // the filter as the link has it; "": none
    this.reset();
  }

  /** Another task or map: the bits are of its points. */
  reset() {
    this.bits = null;
    this.told = null;
  }

  get isOn() {
    return this.bits !== null;
  }

  /** Whether answers or scores, which change while one labels, say what passes. */
  get follows() {
    return Boolean(this.told?.follows);
  }

  /** Follow another filter of the page. */
  async use(text) {
    if (text === this.text) return;
    this.text = text;
    if (!this.map.hasPlaces) return; // it is fetched with them
    await this.load();
    this.map.repaint();
  }

  /** Fetch which points pass the filter in use; what is wrong is said, and everything passes. */
  async load() {
    const { map, text } = this;
    const { epoch } = map;
    if (!text) {
      this.reset();
      map.bar.filtered();
      return;
    }
    try {
      const { head, bytes } = await map.headed("map_filter", { filter: text });
      if (epoch !== map.epoch || text !== this.text) return;
      Object.assign(this, { told: head, bits: bytes });
    } catch (error) {
      if (epoch !== map.epoch || text !== this.text) return;
      this.reset();
      map.say(error.message);
    }
    map.bar.filtered();
  }

  passes(point) {
    return !this.bits || Boolean((this.bits[point >> 3] >> (point & 7)) & 1);
  }

  /** Of points that do not pass: near the ground, so that the others stand out. */
  get dim() {
    const { root, plot } = this.map;
    const channels = (colour) => (colour.match(/[\d.]+/g) ?? ["128", "128", "128"]).slice(0, 3).map(Number);
    const ink = channels(getComputedStyle(root).color);
    const ground = channels(getComputedStyle(plot).backgroundColor);
    return `#${ground.map((one, i) => Math.round(one + FILTERING_DIM * (ink[i] - one)).toString(16).padStart(2, "0")).join("")}`;
  }
}
