/**
 * The object beside its nearest answered examples of each class.
 *
 * They are fetched once the object's picture is on screen and never hold it up; an answer that
 * comes for an object which has gone is dropped.
 */

const COMPARE_MOST = 6; // examples of a class
const COMPARE_K = 3;
const COMPARE_DELAY_MS = 60; // whoever answers by the first glance needs no examples
const COMPARE_PATIENCE = 15; // delays to wait for own answers to be saved: they are examples, too
const COMPARE_PICTURE = 128;
const COMPARE_KEPT = 24;
const COMPARE_FRESH_MS = 60000; // answers given meanwhile may have brought nearer examples
const COMPARE_AHEAD = 2;

class Compare {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.k = COMPARE_K;
    this.on = false;
    this._build();
    this.reset();
  }

  _build() {
    this.choice = el("select", {
      "aria-label": "Examples of each class", onchange: () => this.setK(Number(this.choice.value)),
    }, Array.from({ length: COMPARE_MOST }, (_, n) => el("option", { value: n + 1, text: String(n + 1) })));
    this.columns = el("div", { class: "examplecolumns" });
    this.note = el("p", { class: "faint", role: "status" });
    this.element = el("section", { class: "compare", "aria-label": "Nearest answered examples", hidden: true }, [
      el("div", { class: "comparehead" }, [
        el("h2", { text: "Nearest answered examples" }),
        el("label", {}, [el("span", { text: "Of each" }), this.choice]),
      ]),
      this.note, this.columns,
    ]);
  }

  // What the page tells

  reset() {
    this._stop();
    /** By object and k: {answer: Promise, at: ms, control: AbortController}. */
    this.kept = new Map();
    this.columns.replaceChildren();
    this.note.textContent = "";
  }

  task() {
    this.kept?.clear();
    if (this.on && this.page.current) this.show(this.page.current);
  }

  preferences(all) {
    const k = Number(all?.compare?.k);
    if (Number.isInteger(k) && k >= 1 && k <= COMPARE_MOST) this.k = k;
    this.choice.value = String(this.k);
  }

  mode(name) {
    this.on = name === "compare";
    this.element.hidden = !this.on;
    if (this.on) this.show(this.page.current);
    else this._stop();
  }

  keysChanged() {
    if (this.on && this.shown) this._draw(this.shown);
  }

  /** The look has changed: examples are drawn as the object is. */
  lookChanged() {
    if (this.on && this.shown) this._draw(this.shown);
  }

  leave() {
    this._stop();
  }

  /** The first answers of a class make it worth asking again; the object itself is an example now. */
  answered(action, item, more) {
    if (action !== "label") return;
    for (const [key, one] of this.kept) {
      if (!one.classes?.find((c) => c.name === more.class_name)?.items.length) this.kept.delete(key);
    }
  }

  undone() {
    this.kept.clear(); // it may have been anybody's example
  }

  show(item) {
    this._stop();
    if (!this.on) return;
    this.shown = null;
    if (!item) {
      this.columns.replaceChildren();
      this.note.textContent = "";
      return;
    }
    this.element.classList.add("stale"); // the last object's examples, until these are here
    this._soon(item, COMPARE_PATIENCE);
  }

  _soon(item, patience) {
    this.timer = setTimeout(() => {
      if (this.page.outbox.size && patience) this._soon(item, patience - 1);
      else this._fetch(item);
    }, COMPARE_DELAY_MS);
  }

  _stop() {
    clearTimeout(this.timer);
    if (this.aheadTimer) (window.cancelIdleCallback ?? clearTimeout)(this.aheadTimer);
    this.aheadTimer = null;
  }

  // Fetching

  _ask(objectId) {
    const key = `${this.k} ${objectId}`;
    const found = this.kept.get(key);
    if (found && performance.now() - found.at < COMPARE_FRESH_MS) return found;
    const one = { at: performance.now(), classes: null };
    one.answer = this.page.get("compare", { object_id: objectId, k: this.k }).then(
      (answer) => {
        one.classes = answer.classes;
        return answer;
      },
      (error) => {
        if (this.kept.get(key) === one) this.kept.delete(key);
        return { classes: [], state: `The examples could not be fetched. ${error.message}` };
      });
    this.kept.set(key, one);
    while (this.kept.size > COMPARE_KEPT) this.kept.delete(this.kept.keys().next().value);
    return one;
  }

  async _fetch(item) {
    const { epoch } = this.page;
    const answer = await this._ask(item.object_id).answer;
    if (epoch !== this.page.epoch || !this.on || this.page.current !== item) return;
    this._draw(answer);
    this._later(() => this._ahead());
  }

  _later(act) {
    this.aheadTimer = (window.requestIdleCallback ?? setTimeout)(act, { timeout: 2000 });
  }

  /** Examples of the next objects, with their pictures, while nothing else is to do. */
  async _ahead() {
    const { epoch, look } = this.page;
    for (const item of this.page.queue.items.slice(0, COMPARE_AHEAD)) {
      if (this.page.outbox.size) return; // asked now, the newest answer would be missing
      const answer = await this._ask(item.object_id).answer;
      if (epoch !== this.page.epoch || !this.on) return;
      for (const one of answer.classes.flatMap((c) => c.items)) {
        new Image().src = this.page.pictureAddress(one.object_id, COMPARE_PICTURE, look.value);
      }
    }
  }

  // Drawing

  setK(k) {
    this.k = k;
    this.page.prefer("compare", { k });
    if (this.page.current) this.show(this.page.current);
  }

  _draw(answer) {
    this.shown = answer;
    this.element.classList.remove("stale");
    if (this.note.textContent !== (answer.state ?? "")) this.note.textContent = answer.state ?? "";
    const byName = new Map(answer.classes.map((one) => [one.name, one]));
    this.columns.style.setProperty("--k", this.k);
    this.columns.replaceChildren(...(answer.classes.length ? this.page.task.classes : []).map(
      (one, index) => this._column(one, index, byName.get(one.name)?.items ?? [])));
  }

  _column(one, index, items) {
    const column = el("section", { class: `examplecolumn c${(index % 9) + 1}`, "aria-label": one.name }, [
      el("h3", {}, [
        // In a decision tree the keys answer questions, not classes.
        one.key && !this.page.task.tree ? el("kbd", { text: one.key.toUpperCase() }) : "",
        el("span", { text: one.name, title: one.name }),
      ]),
      items.length
        ? el("div", { class: "examplelist" }, items.map((item) => this._example(item, one.name)))
        : el("p", { class: "faint", text: "None answered yet" }),
    ]);
    if (one.colour) column.style.setProperty("--c", one.colour);
    return column;
  }

  _example(item, name) {
    const distance = Number.isFinite(item.distance) ? item.distance.toFixed(3) : "–";
    const address = this.page.pictureAddress(item.object_id, COMPARE_PICTURE, this.page.look.value);
    const img = el("img", { src: address, alt: "", draggable: "false" });
    img.addEventListener("error", () => img.replaceWith(el("span", { class: "nopicture", text: "No picture" })));
    return el("button", {
      type: "button", class: "example", title: `${item.object_id}, distance ${distance}`,
      "aria-label": `Open ${item.object_id}, answered ${name}, distance ${distance}`,
      onclick: () => this.page.open(item.object_id),
    }, [img, el("span", { class: "exampleid" }, [el("bdi", { dir: "ltr", text: item.object_id })])]);
  }
}
