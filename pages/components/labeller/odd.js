/**
 * What makes an object odd: named numbers against the survey's medians, and what a model could not
 * rebuild of its picture. Asked for when the panel is open and the object stays on screen.
 */

const ODD_DELAY_MS = 500;
const ODD_SAMPLERS = [ // it opens by itself for what these show, until the person says otherwise
  "anomaly", "anomaly_by_part", "isolated", "astronomaly", "pine_forest", "aad_forest",
];

class Odd {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.item = null;
    /** The object that the answer drawn is of. */
    this.told = null;
    this.said = el("p", { class: "faint", role: "status" });
    this.list = el("ol", { class: "reasons" });
    this.learnt = el("p", { class: "faint" });
    this.picture = el("img", { alt: "", draggable: "false" });
    this.caption = el("figcaption", {});
    this.figure = el("figure", { class: "oddpicture", hidden: true }, [this.picture, this.caption]);
    this.picture.addEventListener("error", () => { this.figure.hidden = true; });
    this.fold = new Fold(page, "odd", "What makes it odd",
      [this.said, this.list, this.learnt, this.figure], { open: false });
    this.fold.onopen = () => this._soon(0);
    this.element = this.fold.element;
    this.reset();
  }

  reset() {
    this.item = null;
    this.told = null;
    clearTimeout(this.timer);
    this.element.hidden = true;
  }

  preferences() {
    this.fold.preferences();
  }

  /** A new object's picture is on screen, or null. */
  show(item) {
    this.item = item;
    this.element.hidden = !item;
    if (!item) return;
    const chosen = (this.page.preference("panels", {}) ?? {})[this.fold.name];
    if (typeof chosen !== "boolean") {
      // As if it had always been so: this is no wish of the person's to be kept.
      this.fold.settled = ODD_SAMPLERS.includes((item.sampler ?? "").split(/[/ ]/)[0]);
      this.element.open = this.fold.settled;
    }
    if (this.told !== item.object_id) this._fill({ state: "Being looked up", items: [] });
    this._soon(ODD_DELAY_MS);
  }

  _soon(delay) {
    clearTimeout(this.timer);
    const { item } = this;
    if (!item || !this.element.open || this.told === item.object_id) return;
    this.timer = setTimeout(() => this._fetch(item), delay);
  }

  async _fetch(item) {
    const { page } = this;
    const isStill = () => this.item === item && page.task;
    if (!isStill()) return;
    let answer;
    try {
      answer = await page.get("reasons", { object_id: item.object_id });
    } catch (error) {
      if (isStill()) this._fill({ state: error.message, items: [] });
      return;
    }
    if (!isStill()) return;
    // Why nothing is said may be over the next time, as on a blind task after the answer.
    this.told = answer.state ? null : item.object_id;
    this._fill(answer);
  }

  _fill({ state, sentence = "", items, learnt = "", rebuilt = null }) {
    const none = !state && !items.length && !learnt ? " No single thing about it stands out." : "";
    this.said.textContent = state || `${sentence}${none}`;
    this.list.replaceChildren(...items.map((one) => this._line(one)));
    this.list.hidden = !items.length;
    this.learnt.textContent = learnt;
    this.learnt.hidden = !learnt;
    this.figure.hidden = !rebuilt;
    if (!rebuilt) return;
    const { page } = this;
    const query = new URLSearchParams({ task: page.taskName, object_id: this.item.object_id });
    this.picture.alt = `The picture as ${rebuilt} rebuilds it, and the difference`;
    this.picture.src = `${page.base}/api/odd_picture?${query}`;
    this.caption.textContent = `As ${rebuilt} rebuilds it; right, how far each pixel is off.`;
  }

  _line({ title, meaning, unit, value, median, scatters, share }) {
    const bar = el("i", {});
    bar.style.width = `${100 * share}%`;
    const away = Math.abs(scatters) < 0.05 ? ""
      : `, ${readable(Math.abs(scatters))} scatters ${scatters > 0 ? "above" : "below"}`;
    return el("li", {}, [
      el("p", { class: "first" }, [
        el("b", { text: title }),
        el("span", { text: `${Math.round(100 * share)} %`, title: "Of the oddness: so much of it goes when this is made usual" }),
      ]),
      el("span", { class: "bar", "aria-hidden": "true" }, [bar]),
      el("p", { text: `${value}${unit ? ` ${unit}` : ""}; median ${median}${away}` }),
      el("p", { class: "faint", text: meaning }),
    ]);
  }
}
