/**
 * The catalogue's columns beside the picture: which ones and in which order is up to the person,
 * and is kept for each survey.
 */

const CATALOGUE_OBJECTS_KEPT = 300;
const CATALOGUE_AHEAD = 10; // buffered objects whose missing values are fetched with the current one's
const CATALOGUE_MOST = 200; // columns shown
const CATALOGUE_DELAY_MS = 80;
const CATALOGUE_TITLE = 2000; // characters of a long text in its tooltip

/** A catalogue value as a person reads it: {text, title, url}; `pending` while it is fetched. */
function catalogueValue(name, value) {
  if (value === undefined) return { text: "…", title: "being fetched", url: null };
  const empty = { text: "–", title: "no value", url: null };
  if (value === null || value === "" || Number.isNaN(value)) return empty;
  if (typeof value === "boolean") return { text: value ? "yes" : "no", title: null, url: null };
  if (typeof value === "number") {
    const isAngle = /^(ra|dec|raj2000|dej2000|decj2000|glon|glat|l|b)([_ ]|$)/i.test(name);
    const size = Math.abs(value);
    let text;
    // Large whole numbers are names of things (SDSS ids, times), not amounts.
    if (Number.isInteger(value)) text = size >= 1e7 ? String(value) : value.toLocaleString("en-GB");
    else if (isAngle && size < 1e4) text = value.toFixed(6);
    else if (size >= 1e6 || size < 1e-3) text = value.toExponential(3);
    else text = String(Number(value.toPrecision(5)));
    return { text, title: String(value) === text ? null : String(value), url: null };
  }
  const text = typeof value === "string" ? value : JSON.stringify(value);
  let url = null;
  if (/^https?:\/\//i.test(text)) {
    try {
      url = new URL(text).href;
    } catch {
      url = null;
    }
  }
  return { text, title: text.length > 24 ? text.slice(0, CATALOGUE_TITLE) : null, url };
}

class Catalogue {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    /** Values fetched beside those that came with the item: object_id -> {name: value}. */
    this.fetched = new Map();
    this.item = null;
    this.known = el("p", { class: "known" });
    this.list = el("dl", { class: "columns", tabindex: "0", "aria-label": "Catalogue values" });
    this.note = el("p", { class: "faint", role: "status" });
    this.button = el("button", {
      type: "button", class: "plain", text: "Choose columns", onclick: () => this.chooser.open(),
    });
    this.chooser = new ColumnChooser(page, this);
    this.fold = new Fold(page, "catalogue", "Catalogue",
      [this.known, this.list, this.note, this.button, this.chooser.element]);
    this.element = this.fold.element;
    this.drawn = new Drawn();
  }

  get preferenceName() {
    return `columns:${this.page.task?.survey}`;
  }

  /** All columns of the survey in the catalogue's order: [{name, kind}]. */
  get all() {
    const known = this.page.task?.columns;
    if (Array.isArray(known)) return known;
    return Object.keys(this.item?.columns ?? {}).map((name) => ({ name, kind: "" }));
  }

  /** The names that are shown, in order. */
  get chosen() {
    const kept = this.page.preference(this.preferenceName, null);
    if (!Array.isArray(kept)) return Object.keys(this.item?.columns ?? {});
    const known = new Set(this.all.map((one) => one.name));
    return kept.filter((name) => known.has(name)).slice(0, CATALOGUE_MOST);
  }

  /** Show these, in this order; null for the survey's own choice. */
  choose(names) {
    this.page.prefer(this.preferenceName, names);
    this.draw(this.item);
  }

  reset() {
    this.fetched.clear();
    this.item = null;
    this.chooser.close();
  }

  draw(item) {
    this.item = item;
    this.element.hidden = !item || (!this.all.length && !item.known);
    if (!item) return;
    this.known.textContent = item.known ?? "";
    this.known.hidden = !item.known;
    const own = this.fetched.get(item.object_id) ?? {};
    const values = { ...own, ...item.columns };
    const names = this.chosen;
    this.drawn.fill(this.list, [names, values], () => names.flatMap((name) => {
      const { text, title, url } = catalogueValue(name, values[name]);
      return [
        el("dt", { text: name, title: name }),
        el("dd", { title }, [url ? outwardLink(url, text, text) : el("span", { text })]),
      ];
    }));
    this.list.hidden = !names.length;
    if (!names.length) this.note.textContent = "No column is chosen.";
    else if (this.note.textContent === "No column is chosen.") this.note.textContent = "";
    this.note.hidden = !this.note.textContent;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this._fetchMissing(), CATALOGUE_DELAY_MS);
  }

  /** Which of the chosen columns have not come for an object. */
  _missing(item, names) {
    const own = this.fetched.get(item.object_id) ?? {};
    return names.filter((name) => !(name in (item.columns ?? {})) && !(name in own));
  }

  /** Fetch chosen values that did not come with the items, for this one and those to come. */
  async _fetchMissing() {
    const { page, item } = this;
    if (!item || !page.task) return;
    const names = this.chosen;
    const needed = this._missing(item, names);
    if (!needed.length) return;
    const next = (page.queue?.items ?? []).slice(0, CATALOGUE_AHEAD);
    const wanted = [item, ...next].filter((one) => this._missing(one, needed).length);
    const { survey, survey_version: version, survey_hash: hash } = page.task;
    let answer;
    try {
      answer = await page.get("columns", {
        survey, version, hash, object_id: wanted.map((one) => one.object_id), column: needed,
      });
    } catch (error) {
      if (this.item !== item) return;
      this.note.textContent = `Not all columns came. ${error.message}`;
      this.note.hidden = false;
      return;
    }
    if (hash !== page.task?.survey_hash) return;
    for (const one of wanted) {
      const came = answer.columns?.[one.object_id] ?? {};
      // What the server does not know has no value: it is not asked for again and again.
      const blank = Object.fromEntries(needed.map((name) => [name, null]));
      const kept = this.fetched.get(one.object_id) ?? {};
      this.fetched.delete(one.object_id);
      this.fetched.set(one.object_id, { ...kept, ...blank, ...came });
    }
    for (const id of this.fetched.keys()) {
      if (this.fetched.size <= CATALOGUE_OBJECTS_KEPT) break;
      this.fetched.delete(id);
    }
    this.note.textContent = "";
    if (this.item) this.draw(this.item);
  }
}

/** The dialog in which columns are chosen and put in order. */
class ColumnChooser {
  constructor(page, catalogue) {
    this.page = page;
    this.catalogue = catalogue;
    this.search = el("input", {
      type: "search", class: "search", placeholder: "Search columns", "aria-label": "Search columns",
      oninput: () => this._draw(),
    });
    this.rows = el("ul", { class: "choices" });
    this.said = el("p", { class: "faint", role: "status" });
    const tool = (text, names) => el("button", {
      type: "button", class: "tool", text, onclick: () => this._set(names()),
    });
    this.modal = new Modal("chooser", "Columns beside the picture");
    this.element = this.modal.element;
    this.modal.body.append(
      this.search,
      el("div", { class: "picks" }, [
        tool("All", () => this.catalogue.all.map((one) => one.name).slice(0, CATALOGUE_MOST)),
        tool("None", () => []), tool("Default", () => null),
      ]),
      this.said, this.rows,
    );
  }

  open() {
    this.search.value = "";
    this._draw();
    this.modal.open();
    this.search.focus();
  }

  close() {
    this.modal.close();
  }

  _set(names) {
    this.catalogue.choose(names);
    this._draw();
  }

  _toggle(name, on) {
    const chosen = this.catalogue.chosen.filter((one) => one !== name);
    this._set(on ? [...chosen, name] : chosen);
    this._focus(name, "input");
  }

  /** Put a chosen column at another place among the chosen ones. */
  _move(name, place, back = null) {
    const others = this.catalogue.chosen.filter((one) => one !== name);
    others.splice(Math.max(0, Math.min(place, others.length)), 0, name);
    this._set(others);
    if (back) this._focus(name, back);
  }

  _focus(name, selector) {
    const row = [...this.rows.children].find((one) => one.dataset.column === name);
    const wanted = row?.querySelector(selector);
    (wanted?.disabled ? row.querySelector("input") : wanted)?.focus();
  }

  _draw() {
    const { all, chosen } = this.catalogue;
    const kinds = new Map(all.map((one) => [one.name, one.kind]));
    const others = all.map((one) => one.name).filter((name) => !chosen.includes(name));
    const text = this.search.value.trim().toLowerCase();
    const found = [...chosen, ...others].filter((name) => name.toLowerCase().includes(text));
    this.said.textContent = text && !found.length ? `No column has “${text}” in its name.`
      : `${chosen.length} of ${all.length} shown`
        + (all.length > CATALOGUE_MOST ? `, at most ${CATALOGUE_MOST}` : "");
    this.rows.replaceChildren(...found.slice(0, 2 * CATALOGUE_MOST).map((name) =>
      this._row(name, kinds.get(name), chosen.indexOf(name), chosen.length)));
  }

  _row(name, kind, place, n) {
    const isOn = place >= 0;
    const move = (text, label, to, key) => el("button", {
      type: "button", class: `tool ${key}`, text, title: label, "aria-label": `${label}: ${name}`,
      disabled: to < 0 || to >= n, onclick: () => this._move(name, to, `.${key}`),
    });
    const full = !isOn && n >= CATALOGUE_MOST;
    const row = el("li", { draggable: isOn ? "true" : null, "data-column": name }, [
      el("label", {}, [
        el("input", {
          type: "checkbox", checked: isOn, disabled: full,
          onchange: (event) => this._toggle(name, event.target.checked),
        }),
        el("span", { class: "word", text: name }),
        el("span", { class: "faint", text: kind ?? "" }),
      ]),
      ...(isOn ? [move("↑", "Move up", place - 1, "up"), move("↓", "Move down", place + 1, "down")] : []),
    ]);
    if (isOn) this._draggable(row, name, place);
    return row;
  }

  _draggable(row, name, place) {
    row.addEventListener("dragstart", (event) => {
      this.dragged = name;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", name);
    });
    row.addEventListener("dragend", () => { this.dragged = null; });
    row.addEventListener("dragover", (event) => {
      if (this.dragged && this.dragged !== name) event.preventDefault();
    });
    row.addEventListener("drop", (event) => {
      event.preventDefault();
      if (this.dragged && this.dragged !== name) this._move(this.dragged, place);
    });
  }
}
