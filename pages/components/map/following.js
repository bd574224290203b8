/**
 * What changes while somebody labels in another tab: rings, trail, answers, classes, the model.
 *
 * The server tells which answers changed after an event; they are painted into the codes that
 * are here, so that a label costs neither it nor the line a look at all objects.
 */

const FOLLOWING_MS = 4000;
const FOLLOWING_PAINT_MS = 6000; // at least between two draws for answers alone, or two filters
const FOLLOWING_RINGS = 5000;
const FOLLOWING_MODEL = ["prediction", "uncertainty", "anomaly"];

class Following {
  /** @param {SkyMap} map */
  constructor(map) {
    this.map = map;
    this.paintedAt = 0;
    this.filteredAt = -FOLLOWING_PAINT_MS;
    this.reset();
    setInterval(() => this.poll(), FOLLOWING_MS);
    document.addEventListener("visibilitychange", () => document.hidden || this.poll());
  }

  /** Another task or map. */
  reset() {
    this.seq = null; // the event up to which all is drawn
    this.answersSeq = null; // that of the colours
    this.modelVersion = null;
    this.due = { fetch: false, paint: false, filter: false };
  }

  /** Other classes or colourings: everything is fetched again. */
  anew() {
    this.seq = null;
    this.due.fetch = true;
    this.due.filter = Boolean(this.map.filtering.text); // columns may have come or gone
    this.poll();
  }

  /** The answers came as they were after an event; what came later is told of again. */
  coloured(seq) {
    this.answersSeq = seq;
    if (this.seq !== null) this.seq = Math.min(this.seq, seq);
  }

  painted() {
    this.due.paint = false;
    this.paintedAt = performance.now();
  }

  async poll() {
    const { map, seq: since } = this;
    if (!map.root.isConnected) {
      map.chart.close(); // another page: it gives its memory back
      return;
    }
    if (!map.hasPlaces || !map.chart.isOpen || document.hidden) return;
    const { epoch } = map;
    let state;
    try {
      state = await map.get("map_state", since === null ? {} : { since });
    } catch (error) {
      if (epoch === map.epoch && error.status === 404) map.isOutdated(error.message);
      return;
    }
    if (epoch !== map.epoch) return;
    if (state.offer !== map.told.offer) {
      map.tellAgain();
      return;
    }
    if (since === this.seq) this._take(state); // else another look came first
    this.catchUp();
  }

  _take(state) {
    const { map } = this;
    const isFirst = this.seq === null;
    const isRanked = !isFirst && state.model_version !== this.modelVersion;
    const isAnswered = !isFirst && state.seq !== this.seq;
    this.modelVersion = state.model_version;
    this.seq = isFirst ? Math.min(state.seq, this.answersSeq ?? state.seq) : state.seq;
    if (state.trail) map.over.trail = state.trail;
    if (state.rings) map.over.rings = { points: state.rings, classes: state.ring_classes };
    if (state.changed) this._answered(state.changed, state.changed_codes);
    else if (isAnswered && this._showsAnswers) this.due.fetch = true;
    if (isAnswered || isRanked) {
      map.hover.forget();
      this.due.filter ||= map.filtering.follows;
    }
    if (isRanked && FOLLOWING_MODEL.includes(map.colouring.by)) this.due.fetch = true;
    map.over.again();
  }

  get _showsAnswers() {
    return this.map.colouring.by === "class" || this.map.kept.unlabelled;
  }

  /** @param {number[]} points @param {number[]} codes as of the colouring "class" */
  _answered(points, codes) {
    const { over, answers, shown, legend } = this.map;
    if (!points.length || !answers) return;
    const changed = new Set(points);
    const rings = over.rings.points.map((point, i) => [point, over.rings.classes[i]])
      .filter(([point]) => !changed.has(point));
    points.forEach((point, i) => codes[i] && rings.push([point, codes[i] - 1]));
    const kept = rings.slice(-FOLLOWING_RINGS);
    over.rings = { points: kept.map(([point]) => point), classes: kept.map(([, code]) => code) };
    const moves = points.map((point, i) => [answers[point], codes[i]]);
    points.forEach((point, i) => {
      answers[point] = codes[i];
    });
    if (shown?.by === "class" && !legend.move(moves)) this.due.fetch = true;
    else if (this._showsAnswers) this.due.paint = true;
  }

  /** Draw what is due, but not under a card that is kept open, nor at every answer. */
  catchUp() {
    const { map, due } = this;
    if (map.hover.isPinned || !map.hasPlaces || !map.chart.isOpen) return;
    const now = performance.now();
    if (due.filter && now - this.filteredAt > FOLLOWING_PAINT_MS) this._filter();
    if (due.fetch) map.recolour();
    else if (due.paint && now - this.paintedAt > FOLLOWING_PAINT_MS) map.repaint();
  }

  async _filter() {
    this.due.filter = false;
    this.filteredAt = Infinity; // none beside this one
    await this.map.filtering.load();
    this.filteredAt = performance.now();
    this.due.paint = true;
    this.catchUp();
  }
}
