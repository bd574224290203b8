/**
 * Many objects at once. All start as the common class; the exceptions are pressed or clicked, and
 * one key confirms the page.
 *
 * A cell carries its item, and an answer is made from the cell's own item, never from its place.
 * What is not seen is not answered: it stays for the next page, or, where it has no picture, is
 * set aside until the grid is left.
 */

const GRID_SIDE = 4;
const GRID_GUARD_MS = 400; // an Enter so soon after a page came was meant for the page before
const GRID_COMMON_KEPT = 30; // tasks whose common class is remembered
const GRID_PICTURES = [64, 128, 256, 512];
const GRID_AHEAD_AT_ONCE = 6;
const GRID_MOVES = {
  ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
  Home: [0, -8], End: [0, 8], PageUp: [-8, 0], PageDown: [8, 0],
};

class Grid {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.on = false;
    this.side = GRID_SIDE;
    this.choosing = new GridChoosing(this);
    this.undoer = new GridUndo(this);
    /** Acts of the page that mean something else while the grid is open. */
    this.acts = {
      unsure: () => this.choosing.choose({ action: "unsure", class_name: null }),
      skip: () => this.choosing.choose({ action: "skip", class_name: null }),
      flag: () => this.choosing.flag(), undo: () => this.undoer.undo(), confirmPage: () => this.confirm(),
      redo: () => page.say("The choices of an undone page are as they were: Enter confirms it again"),
      note: () => page.say("A note is written to one object: leave the grid first"),
      confidence: () => page.say("How sure you are is said of one object: leave the grid first"),
    };
    page.queue.onitems = () => this.on && this._fill();
    page.register({ confirmPage: () => this.confirm() });
    this.watch = new IntersectionObserver((entries) => {
      for (const one of entries) {
        this.cells.find((cell) => cell.node === one.target)?.window(one.isIntersecting);
      }
    }, { threshold: CELL_SEEN_SHARE });
    this.cells = [];
    this._build();
    this.reset();
  }

  _build() {
    this.bar = new GridBar(this);
    this.table = el("div", { class: "cells", role: "grid", "aria-label": "Objects of this page" });
    this.vacancy = el("div", { class: "message gridmessage", role: "status", hidden: true });
    this.element = el("section", { class: "grid", "aria-label": "Grid", hidden: true }, [
      this.bar.head, el("div", { class: "gridarea" }, [this.table, this.vacancy]), this.bar.foot,
    ]);
  }

  // What the page tells

  reset() {
    this.undoer.reset();
    /** Choices of objects that come back: by object_id. */
    this.choices = new Map();
    this.aside = [];
    this.common = null;
    this.at = 0;
    this.guardedUntil = 0;
    for (const cell of this.cells) cell.empty();
  }

  task(task) {
    if (this.on && task.tree) this.page.setMode("one", false);
    const known = (one) => one?.action !== "label" || task.classes.some((c) => c.name === one.class_name);
    if (!known(this.common)) this.common = this._usual();
    for (const cell of this.cells) if (cell.item && !known(cell.choice)) cell.choice = this.common;
    this.choices = new Map([...this.choices].filter(([, choice]) => known(choice)));
    this.bar.task(task);
    this.changed();
  }

  preferences(all) {
    const side = Number(all?.grid?.side);
    if (GRID_SIDES.includes(side)) this.side = side;
  }

  /** What all start as: the class that was chosen for this task, else the usual one. */
  _usual() {
    const { task } = this.page;
    const kept = this.page.preference("grid", {})?.common?.[task.task];
    const known = task.classes.some((one) => one.name === kept);
    return { action: "label", class_name: known ? kept : usualClass(task) };
  }

  mode(name) {
    if (name === "grid" && !this.on) this._open();
    else if (name === "grid") { // of another task
      this.common = this._usual();
      this.page.queue.want(2 * this.cells.length);
      this._fill();
    } else if (name !== "grid" && this.on) this._close();
  }

  keysChanged() {
    this.bar.keys();
  }

  /** The look has changed: the page is drawn anew and has to be seen anew. */
  lookChanged() {
    if (!this.on) return;
    for (const cell of this.cells) if (cell.item) cell.load(this._pictureSize());
    this.changed();
  }

  /** An answer was refused for good; its object comes back with the choice it had. */
  unanswered(item) {
    const choice = this.undoer.choiceOf(item.object_id);
    if (choice) this.choices.set(item.object_id, choice);
  }

  /** Answered in another tab: another object takes its place, and no press on its way is for that. */
  answeredElsewhere(objectId) {
    this.undoer.drop(objectId);
    this.choices.delete(objectId);
    const isIt = (item) => item?.object_id === objectId;
    const cell = this.cells.find((one) => isIt(one.item));
    for (const item of [cell?.item, ...this.aside].filter(isIt)) this.page.queue.done(item);
    this.aside = this.aside.filter((item) => !isIt(item));
    if (!cell) return;
    cell.empty();
    this._fill();
    const { picture } = cell;
    const guard = () => {
      this._guard();
      cell.guardedUntil = this.guardedUntil;
    };
    guard();
    picture?.done.then(() => cell.picture === picture && guard());
    this.page.say(`${objectId} was answered in your other tab`);
  }

  /** Take no confirmation for a moment: what is shown has changed. */
  _guard() {
    this.guardedUntil = performance.now() + GRID_GUARD_MS;
  }

  _open() {
    this.common = this._usual();
    this.on = true;
    this.element.hidden = false;
    this.outer = new Map(Object.keys(this.acts).map((name) => [name, this.page.actions.get(name)]));
    this.page.register(this.acts);
    this._lay();
    this.focus();
  }

  _close() {
    for (const [name, act] of this.outer) if (act) this.page.actions.set(name, act);
    this.on = false;
    this.element.hidden = true;
    this.page.queue.want(0);
    // In the order in which they lie, before what was set aside for want of a picture.
    const items = [...this.cells.map((cell) => cell.item).filter(Boolean), ...this.aside];
    this.aside = [];
    for (const cell of this.cells) cell.empty();
    this.page.queue.layDown(items);
    this.undoer.forget();
    this.choices.clear();
    this.vacancy.hidden = true;
  }

  // Filling

  /** Make the cells anew; what they held comes first. */
  _lay() {
    const held = this.cells.map((cell) => cell.item).filter(Boolean);
    this._keepChoices();
    this.watch.disconnect();
    const told = {
      pressed: (cell, event) => this.choosing.press(cell, event), pointed: (cell) => this.point(cell),
      changed: () => this.changed(),
    };
    for (const cell of this.cells) cell.empty();
    this.cells = Array.from({ length: this.side ** 2 }, () => new GridCell(this.page, told));
    const rows = Array.from({ length: this.side }, (_, row) => el("div", { role: "row", class: "gridrow" },
      this.cells.slice(row * this.side, (row + 1) * this.side).map((cell) => cell.node)));
    this.table.style.setProperty("--n", this.side);
    this.table.replaceChildren(...rows);
    for (const cell of this.cells) this.watch.observe(cell.node);
    this.at = 0;
    this.page.queue.giveBack(held);
    this.page.queue.want(2 * this.cells.length); // this page and the next
    this._fill();
  }

  _keepChoices() {
    for (const cell of this.cells) {
      if (cell.item && !sameChoice(cell.choice, this.common)) this.choices.set(cell.item.object_id, cell.choice);
    }
  }

  /** Put objects into the free cells, in reading order. */
  _fill() {
    const free = this.cells.filter((cell) => !cell.item);
    const size = this._pictureSize();
    for (const item of free.length ? this.page.queue.take(free.length) : []) {
      const choice = this.choices.get(item.object_id) ?? this.common;
      this.choices.delete(item.object_id);
      free.shift().place(item, choice, size);
    }
    if (!this.starved()) this.vacancy.hidden = true;
    this.changed();
    this._decodeNext();
  }

  /** True if cells wait for objects. */
  starved() {
    return this.on && this.cells.some((cell) => !cell.item);
  }

  /** The queue had not enough for the page: say why. */
  empty(answer, failure) {
    const waiting = this.cells.every((cell) => !cell.item);
    const { title, sentence } = failure
      ? { title: "No object can be fetched", sentence: failure.message } : Showing.whyEmpty(answer);
    this.vacancy.hidden = !waiting;
    if (waiting) {
      this.vacancy.replaceChildren(el("p", { class: "title", text: title }), el("p", { text: sentence }));
    }
    this.lack = waiting ? "" : `${title}: no more objects for the free places now.`;
    this.changed();
  }

  _pictureSize() {
    const side = (this.cells[0]?.node.clientWidth ?? 0) * (window.devicePixelRatio || 1) * 0.85;
    return GRID_PICTURES.find((size) => size >= side) ?? GRID_PICTURES.at(-1);
  }

  /** Decode the next page's pictures once those of this page are there, a few at a time. */
  async _decodeNext() {
    const turn = (this.turn = Symbol("page"));
    const { pictures, queue, look } = this.page;
    await Promise.all(this.cells.map((cell) => cell.picture?.done));
    const size = this._pictureSize();
    const next = queue.items.slice(0, this.cells.length);
    for (let at = 0; at < next.length; at += GRID_AHEAD_AT_ONCE) {
      if (this.turn !== turn || !this.on) return;
      const some = next.slice(at, at + GRID_AHEAD_AT_ONCE);
      await Promise.all(some.map((item) => pictures.get(item.object_id, look.value, size).done));
    }
  }

  // What all start as, and how many

  setCommon(name) {
    const before = this.common;
    this.common = { action: "label", class_name: name };
    for (const cell of this.cells) {
      if (cell.item && sameChoice(cell.choice, before)) cell.choice = this.common;
    }
    this.page.prefer("grid", { side: this.side, common: this._commonKept(name) });
    this.changed();
  }

  _commonKept(name) {
    const { [this.page.taskName]: _, ...others } = this.page.preference("grid", {})?.common ?? {};
    const newest = Object.entries(others).slice(1 - GRID_COMMON_KEPT);
    return { ...Object.fromEntries(newest), [this.page.taskName]: name };
  }

  setSide(side) {
    if (!GRID_SIDES.includes(side)) return;
    this.side = side;
    this.page.prefer("grid", { ...this.page.preference("grid", {}), side });
    this._lay();
  }

  // Keys and the outlined cell

  /** @returns {boolean} true if the key was for the grid */
  key(event) {
    if (!this.on) return false;
    const move = GRID_MOVES[event.key];
    if (move && !event.composedPath()[0].closest?.("input, select, summary")) {
      this._move(...move);
      return true;
    }
    const meaning = this.page.keymap.meaning(event, ["grid"]);
    if (meaning?.answer === undefined) return false;
    const chosen = this.page.task.classes[meaning.answer];
    if (chosen && !event.repeat) this.choosing.choose({ action: "label", class_name: chosen.name });
    return true;
  }

  _move(rows, columns) {
    const within = (value) => Math.min(Math.max(value, 0), this.side - 1);
    const row = within(Math.floor(this.at / this.side) + rows);
    const column = within((this.at % this.side) + columns);
    this.point(this.cells[row * this.side + column]);
    this.cells[this.at].node.focus();
  }

  /** Outline a cell: keys are for it. */
  point(cell) {
    const index = this.cells.indexOf(cell);
    if (index < 0 || index === this.at) return;
    const focused = this.cells[this.at]?.node === this.page.shadow.activeElement;
    this.at = index;
    this._outline();
    if (focused) cell.node.focus({ preventScroll: true });
  }

  focus() {
    this.cells[this.at]?.node.focus({ preventScroll: true });
  }

  _outline() {
    this.cells.forEach((cell, index) => {
      cell.node.tabIndex = index === this.at ? 0 : -1;
      cell.node.classList.toggle("at", index === this.at);
    });
    this.bar.point(this.cells[this.at]);
  }

  // Drawing

  /** Draw once, however many cells have changed. */
  changed() {
    if (this.drawing || !this.on) return;
    this.drawing = true;
    queueMicrotask(() => {
      this.drawing = false;
      if (this.on) this._draw();
    });
  }

  _draw() {
    if (!this.common || !this.page.task) return;
    for (const cell of this.cells) cell.draw(this.common);
    this._outline();
    this.bar.draw();
  }

  // Confirming

  /** Record every cell that was seen, in reading order, and go to the next page at once. */
  confirm() {
    if (!this.on || !this.choosing.may()) return;
    if (this.undoer.busy || this.page.answers.undoing) {
      this.page.say("Waiting for the undo");
      return;
    }
    if (performance.now() < this.guardedUntil) {
      this.page.say("Not taken: this page has only just come");
      return;
    }
    const sure = this.cells.filter((cell) => cell.ready);
    const faulty = this.cells.filter((cell) => cell.faulty);
    if (!sure.length && !faulty.length) {
      this.page.say("Not taken: no picture of this page is on screen yet");
      return;
    }
    const done = sure.map(({ item, choice }) => ({
      item, choice,
      post: this.page.record(
        choice.action, choice.action === "label" ? { class_name: choice.class_name } : {}, item),
    }));
    this.undoer.confirmed(done);
    this.aside.push(...faulty.map((cell) => cell.item));
    // What stays moves up, so that a page is read from its beginning.
    const staying = this.cells.filter((cell) => cell.item && !sure.includes(cell) && !faulty.includes(cell));
    this._refill(staying.map((cell) => cell.item));
    this.page.say(done.length
      ? `${done.length} answered: ${gridTally(this.page.task.classes, done.map((one) => one.choice))}`
      : `${faulty.length} without a picture left out`);
  }

  /** Start a page with `first`, then what the queue has. */
  _refill(first) {
    this._keepChoices();
    for (const cell of this.cells) cell.empty();
    this.at = 0;
    this.lack = "";
    this._guard();
    this.page.queue.giveBack(first);
    this._fill();
    if (this.table.contains(this.page.shadow.activeElement)) this.focus();
  }

  /** Undone answers: their page comes back as it was. @param {GridAnswer[]} back */
  bringBack(back) {
    if (!back.length) return;
    const items = back.map((one) => one.item);
    if (!this.on) {
      this.page.queue.giveBack(items);
      return;
    }
    for (const { item, choice } of back) this.choices.set(item.object_id, choice);
    this._refill([...items, ...this.cells.map((cell) => cell.item).filter(Boolean)]);
    this.page.say(`${back.length} ${back.length === 1 ? "answer" : "answers"} undone: the page is back as it was`);
  }
}
