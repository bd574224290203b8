/**
 * The card of an object: its picture and some columns at the pointer after a short dwell; a click
 * pins it, with what can be done with the object.
 */

const HOVER_DWELL_MS = 120;
const HOVER_STILL_PX = 4;
const HOVER_KEPT = 300; // objects remembered
const HOVER_PICTURE_PX = 256;
const HOVER_CLICK_MS = 600;

class Hover {
  /** @param {SkyMap} map */
  constructor(map) {
    this.map = map;
    this.element = el("div", { class: "card", role: "group", "aria-label": "Object", hidden: true });
    this.known = new Map();
    this.point = -1;
    this.isPinned = false;
    this.timer = -1;
    const { plot } = map;
    plot.addEventListener("pointermove", (event) => this._moved(event));
    plot.addEventListener("pointerleave", () => this.isPinned || this.leave());
    plot.addEventListener("pointerdown", (event) => this._pressed(event));
    plot.addEventListener("pointerup", (event) => this._released(event));
  }

  /** Other columns, another colouring or answer: what is remembered may be old. */
  forget() {
    this.known = new Map();
  }

  _moved(event) {
    if (event.pointerType === "touch" || this.isPinned) return;
    clearTimeout(this.timer);
    if (!this.map.isOnPlot(event) || event.buttons || this.map.drawing.corners) {
      this.leave();
      return;
    }
    const [left, top] = this.map.pixelOf(event);
    if (this.point >= 0 && this.map.chart.pick(left, top) !== this.point) this.leave();
    this.timer = setTimeout(() => this._dwelt(left, top), HOVER_DWELL_MS);
  }

  _pressed(event) {
    this.press = this.map.isOnPlot(event)
      ? { at: this.map.pixelOf(event), when: performance.now(), mode: this.map.mode } : null;
  }

  _released(event) {
    const { press } = this;
    this.press = null;
    if (!press || event.button !== 0 || event.shiftKey) return;
    const [left, top] = this.map.pixelOf(event);
    const moved = Math.hypot(left - press.at[0], top - press.at[1]);
    if (moved > HOVER_STILL_PX || performance.now() - press.when > HOVER_CLICK_MS) return;
    const point = this.map.chart.pick(left, top, event.pointerType === "touch" ? 14 : 6);
    if (point < 0) {
      this.leave();
      return;
    }
    clearTimeout(this.timer);
    this.show(point, true);
  }

  _dwelt(left, top) {
    const point = this.map.chart.pick(left, top);
    if (point >= 0 && point !== this.point) this.show(point, false);
  }

  leave() {
    clearTimeout(this.timer);
    this.point = -1;
    this.isPinned = false;
    this.element.hidden = true;
    this.map.over.hovered = -1;
    this.map.over.again();
    this.map.following.catchUp();
  }

  /** Show the card of a point; pinned it stays, and has buttons. */
  async show(point, isPinned) {
    const { epoch } = this.map;
    const isOld = () => this.point !== point || epoch !== this.map.epoch; // a number is of one map
    this.point = point;
    this.isPinned = isPinned;
    this.map.over.hovered = point;
    this.map.over.again();
    let object;
    try {
      object = await this._object(point);
    } catch (error) {
      if (!isOld()) this.map.say(error.message);
      return;
    }
    if (isOld()) return; // the pointer has gone on
    this._fill(object);
    this.element.hidden = false;
    this._stand();
    if (isPinned) this.element.querySelector("a, button")?.focus({ preventScroll: true });
  }

  async _object(point) {
    const kept = this.known.get(point);
    if (kept) return kept;
    const { known } = this;
    const object = await this.map.get("map_at", { point, columns: this.map.cardColumns });
    if (known !== this.known) return object; // forgotten meanwhile
    if (this.known.size >= HOVER_KEPT) this.known.delete(this.known.keys().next().value);
    this.known.set(point, object);
    return object;
  }

  _fill(object) {
    const { map } = this;
    const id = object.object_id;
    const picture = el("img", {
      class: "picture", alt: `Picture of ${id}`, width: 128, height: 128,
      src: map.pictureAddress(id, HOVER_PICTURE_PX), "data-object-id": id,
    });
    picture.addEventListener("error", () => {
      picture.replaceWith(el("p", { class: "faint", text: "Its picture could not be fetched" }));
    });
    const lines = [];
    const line = (name, value) => lines.push(el("dt", { text: name }), el("dd", { text: value }));
    if (object.label) line("answer", object.label);
    if (object.score !== null && object.score !== undefined) {
      line(object.score_kind ?? "score", readable(object.score));
    }
    for (const name of map.cardColumns) {
      if (name in object.columns) line(name, readable(object.columns[name]));
    }
    const texts = [el("div", { class: "id", text: id, title: id })];
    if (object.known) texts.push(el("p", { class: "known", text: object.known }));
    if (lines.length) texts.push(el("dl", {}, lines));
    if (this.isPinned) texts.push(this._buttons(id));
    this.element.replaceChildren(picture, el("div", { class: "texts" }, texts));
    this.element.classList.toggle("pinned", this.isPinned);
  }

  _buttons(id) {
    const { map } = this;
    const query = new URLSearchParams({ task: map.taskName, object: id });
    const here = new URLSearchParams(location.search);
    for (const name of ["selection", "filter"]) if (here.has(name)) query.set(name, here.get(name));
    const link = (page, text) => el("a", { class: "tool", href: `${map.base}/${page}?${query}`, text });
    return el("div", { class: "acts" }, [
      link("", map.told.may_write ? "Label it" : "Open it"),
      link("similar", "Look-alikes"),
      el("button", { class: "tool", type: "button", text: "Close", onclick: () => {
        this.leave();
        map.plot.focus({ preventScroll: true });
      } }),
    ]);
  }

  /** Beside its point, where there is room. */
  _stand() {
    const { element, map } = this;
    const [left, top] = map.chart.lens.toScreen(...map.chart.placeOf(this.point));
    const { width, height } = map.chart.lens;
    const { offsetWidth, offsetHeight } = element;
    const besideIt = left + 16 + offsetWidth <= width ? left + 16 : left - 16 - offsetWidth;
    element.style.left = `${Math.min(Math.max(besideIt, 4), Math.max(width - offsetWidth - 4, 4))}px`;
    element.style.top = `${Math.min(Math.max(top - offsetHeight / 2, 4), Math.max(height - offsetHeight - 4, 4))}px`;
  }

  /** The camera moved: a pinned card goes along, another one goes. */
  viewed() {
    if (this.element.hidden) return;
    if (this.isPinned) this._stand();
    else this.leave();
  }
}
