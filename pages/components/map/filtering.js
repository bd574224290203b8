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
    this.of = ""; // the filter that the bits are of
    this.hasFailed = false; // to fetch them; the server filters a selection all the same
  }

  /** Whether it is known what passes, so that the others are dim. */
  get isOn() {
    return this.bits !== null;
  }

  /** What a person should know of a filter that could not be fetched; "" of another. */
  get trouble() {
    if (!this.hasFailed) return "";
    return this.isOn
      ? "the filter could not be fetched again and is shown as it was"
      : "the filter could not be fetched, nothing is dimmed";
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

  /**
   * Fetch which points pass the filter in use. What is wrong is said, and tried again with the
   * next look at what changed; until then the points are as they were for this filter.
   */
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
      Object.assign(this, { told: head, bits: bytes, of: text, hasFailed: false });
    } catch (error) {
      if (epoch !== map.epoch || text !== this.text) return;
      if (text !== this.of) this.reset();
      if (!this.hasFailed) map.say(error.message);
      this.hasFailed = true;
      map.following.due.filter = true;
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
