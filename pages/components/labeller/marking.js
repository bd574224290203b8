/**
 * Marking: nuclei, arcs, companions and artefacts are pointed out on the picture. Two nuclei are
 * measured against one another at once; what is drawn here is saved as one event.
 *
 * A mark that is not saved yet is {kind, x, y, at, snap, ...}: `at` is where it was put, x and y
 * where it is (the server finds the peak near `at`).
 */

const MARK_MOST = 50; // as many as are measured at once
const MARK_SNAP_PX = 8; // frame px within which a peak is looked for, at least 3 picture pixels
const MARK_SNAP_MOST_PX = 32; // picture pixels, as the server allows
const MARK_WAIT_MS = 1500; // longest that saving waits for a measurement under way
const MARK_SAME_PX = 2; // picture pixels
const MARK_STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class Marking {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.on = false;
    this.kind = "nucleus";
    this.snapping = true;
    this.cross = null; // for the keyboard
    this._forget(null);
    this.bar = new MarkBar(this);
    this.element = this.bar.element;
    this.pointer = new MarkPointer(this);
    this.drawing = new MarkDrawing(this);
    page.register({
      mark: () => this.toggle(), suggest: () => this.suggest(), saveMarks: () => this.save(),
    });
    page.stage?.onview?.push(() => this.drawing.draw());
    window.addEventListener("pagehide", () => this._saveLeft());
  }

  /** Begin with `item`; whose task and page it is stays with the marks. */
  _forget(item) {
    this.item = item;
    const { page } = this;
    this.home = item && page.task ? { task: page.taskName, user: page.task.user, base: page.base } : null;
    /** Not saved yet, in the order they were made. */
    this.marks = [];
    this.suggested = [];
    this.pair = null;
    this.notes = [];
    this.arcs = 1;
    this.cross = null;
    this.pointer?.let();
    this.asked = (this.asked ?? 0) + 1; // what the server still answers is about something else
    this.measuring = null;
  }

  // What the page tells

  task() {
    if (!this.page.mayWrite()) this.stop();
  }

  show(item) {
    if (item && item.object_id === this.item?.object_id) {
      this.item = item;
    } else {
      this._saveLeft();
      this.stop(false);
      this._forget(item);
    }
    this.changed();
  }

  /** An answer is about to be posted: the marks go before it. */
  leave() {
    this._saveLeft();
  }

  reset() {
    this._saveLeft();
    this.stop(false);
    this._forget(null);
    this.changed();
  }

  mode(name) {
    if (!["one", "compare"].includes(name)) this.stop();
  }

  keysChanged() {
    this.changed();
  }

  // On and off

  toggle() {
    if (this.on) this.stop();
    else this.start();
  }

  /** True if what is on screen can be marked; says so if not. */
  _canBegin() {
    const { page } = this;
    if (!page.ready(true)) return false;
    if (page.stage.hasPixels) return true;
    page.say(page.hasPictures ? "This object has no picture to mark" : NO_PICTURES);
    return false;
  }

  start() {
    const { page } = this;
    if (!this._canBegin()) return;
    if (!["one", "compare"].includes(page.mode)) {
      page.say("Marks are made with one object on screen");
      return;
    }
    if (this.item?.object_id !== page.current.object_id) this._forget(page.current);
    this.on = true;
    page.stage.claim(this.pointer);
    this.changed();
  }

  /** Leave marking; unsaved marks stay with the object until it goes. */
  stop(tell = true) {
    if (!this.on) return;
    this.on = false;
    this.cross = null;
    this.pointer?.let();
    this.page.stage.release();
    if (tell && this.marks.length) {
      this.page.say(`${markCount(this.marks.length)} not saved yet: they go with your answer`);
    }
    this.changed();
  }

  setKind(name) {
    if (name === "arc" && this.kind === "arc") this.arcs += 1;
    else if (name === "arc") this.arcs = 1 + Math.max(0, ...this.marks.map((mark) => mark.arc ?? 0));
    this.kind = name;
    this.changed();
  }

  setSnap(on) {
    this.snapping = on;
    this.changed();
  }

  /** A key while marking, before it can mean anything else. */
  key(event) {
    if (!this.on) {
      if (event.key !== "Escape" || !this.suggested.length) return false;
      this._drop();
      return true;
    }
    if (["Enter", " "].includes(event.key) && pressedByEnter(event)) return false;
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code ?? "")?.[1] ?? event.key;
    if (!event.shiftKey && MARK_KINDS[digit - 1]) this.setKind(MARK_KINDS[digit - 1].name);
    else if (event.key === "Enter") event.repeat || this.save();
    else if (event.key === "Escape") this._escape();
    else if (["Backspace", "Delete"].includes(event.key)) {
      if (!event.repeat || this.marks.length) this.removeLast(); // held down it leaves what is saved
    }
    else if (MARK_STEPS[event.key]) this._step(MARK_STEPS[event.key], event.shiftKey ? 5 : 1);
    else if (event.key === " ") event.repeat || this._placeAtCross(event);
    else if (this.page.keymap.meaning(event, ["marking"])?.answer !== undefined) {
      this.page.say("Class keys rest while you mark: Enter saves, Esc leaves");
    } else return false;
    return true;
  }

  _escape() {
    if (this.suggested.length) this._drop();
    else this.stop();
  }

  // Points

  isInside(pixel) {
    const most = this.page.stage.side - 0.5;
    return pixel.x >= -0.5 && pixel.y >= -0.5 && pixel.x <= most && pixel.y <= most;
  }

  add(pixel, snap = this.snapping) {
    if (!this.isInside(pixel)) return;
    if (this.marks.length >= MARK_MOST) {
      this.page.say(`An object can have ${MARK_MOST} marks at a time; save these first`);
      return;
    }
    const mark = { kind: this.kind, x: pixel.x, y: pixel.y, at: { x: pixel.x, y: pixel.y }, snap, snapped: false };
    if (mark.kind === "arc") mark.arc = this.arcs;
    this.marks.push(mark);
    this.suggested = [];
    this.changed();
    if (mark.kind === "nucleus") this.measure();
  }

  removeLast() {
    if (!this.marks.length) {
      this._takeBackSaved();
      return;
    }
    const gone = this.marks.pop();
    this.changed();
    if (gone.kind === "nucleus") this.measure();
  }

  /** What this person saved last on this object and has not taken back, or undefined. */
  get savedLast() {
    return (this.item?.marks ?? []).findLast((one) => one.own);
  }

  async _takeBackSaved() {
    const { page, item, savedLast } = this;
    if (!savedLast) page.say("Nothing is marked yet");
    else if (page.ready(false) && await page.answers.remarks.takeBack({ ...savedLast, action: "mark" }, item)) {
      page.say(`${item.object_id}: ${markCount(savedLast.marks.length)} taken back`);
    }
  }

  clear() {
    this.marks = [];
    this.measure();
    this.changed();
  }

  // Keyboard

  _step([dx, dy], pixels) {
    const { stage } = this.page;
    if (!this.cross) {
      const middle = stage.pixelAt({ x: stage.width / 2, y: stage.height / 2 });
      this.cross = { x: Math.round(middle.x), y: Math.round(middle.y) };
    }
    const clip = (value) => Math.min(Math.max(value, 0), stage.side - 1);
    this.cross = { x: clip(this.cross.x + dx * pixels), y: clip(this.cross.y + dy * pixels) };
    this.changed();
  }

  _placeAtCross(event) {
    if (!this.cross) this._step([0, 0], 0);
    else this.add(this.cross, this.snapping && !event.shiftKey);
  }

  // Measuring

  _nuclei() {
    return this.marks.filter((mark) => mark.kind === "nucleus");
  }

  /** Ask where the nuclei are and how they lie; an answer to an older question is dropped. */
  measure() {
    const nuclei = this._nuclei();
    this.asked += 1;
    this.pair = null;
    this.notes = [];
    this.measuring = nuclei.length ? this._measureNow(nuclei, this.asked) : null;
    this.changed();
  }

  async _measureNow(nuclei, asked) {
    const { page, item } = this;
    const points = nuclei.map(({ at, snap }) => `${at.x.toFixed(3)},${at.y.toFixed(3)}${snap ? "" : ",0"}`);
    const radius = Math.min(Math.max(3, MARK_SNAP_PX / page.stage.magnification), MARK_SNAP_MOST_PX);
    let answer;
    try {
      answer = await page.get("measure", {
        object_id: item.object_id, points: points.join(";"), radius: radius.toFixed(2),
      });
    } catch (error) {
      answer = { points: [], pair: null, notes: [`Not measured: ${error.message}`] };
    }
    if (asked !== this.asked) return;
    answer.points.forEach((point, index) => this._takePlace(nuclei[index], point));
    this.pair = answer.pair;
    this.notes = answer.notes;
    this.measuring = null;
    this.changed();
  }

  _takePlace(mark, point) {
    mark.snapped = point.snapped;
    mark.missed = mark.snap && !point.snapped;
    mark.fluxSigma = point.flux_sigma;
    if (mark !== this.pointer.held) [mark.x, mark.y] = [point.x_px, point.y_px];
  }

  // Suggestions

  /** Ask for nuclei; once more takes them and saves. */
  async suggest() {
    const { page } = this;
    if (!this._canBegin()) return;
    if (this.suggested.length) {
      this._accept();
      return;
    }
    if (this.item?.object_id !== page.current.object_id) this._forget(page.current);
    const { item } = this;
    const asked = (this.asked += 1);
    page.say("Looking for nuclei");
    let answer;
    try {
      answer = await page.get("nuclei", { object_id: item.object_id, n: 2 });
    } catch (error) {
      if (asked === this.asked) page.say(`No suggestion: ${error.message}`);
      return;
    }
    if (asked !== this.asked || page.current !== item) return;
    this.suggested = answer.points.map((point) => ({
      kind: "nucleus", x: point.x_px, y: point.y_px, at: { x: point.x_px, y: point.y_px },
      snap: true, snapped: true, fluxSigma: point.flux_sigma,
    }));
    this.pair = answer.pair;
    this.notes = answer.notes;
    const n = this.suggested.length;
    const key = page.keymap.keyOf("suggest");
    if (n) page.say(`${n === 1 ? "One nucleus" : `${n} nuclei`} suggested${key ? `: ${key} accepts, Esc drops` : ""}`);
    else page.say(answer.notes[0] ?? "Nothing to suggest");
    this.changed();
  }

  /** What was marked by hand stays; a suggestion beside one of these is the same nucleus. */
  _accept() {
    const mine = this._nuclei();
    const fresh = this.suggested.filter((one) =>
      mine.every((mark) => Math.hypot(mark.x - one.x, mark.y - one.y) >= MARK_SAME_PX));
    this.suggested = [];
    if (mine.length) {
      this.marks.push(...fresh);
      this.measure();
    } else {
      this.marks = [...fresh, ...this.marks];
    }
    this.save();
  }

  _drop() {
    this.suggested = [];
    this.page.say("Suggestions dropped");
    this.measure();
  }

  // Saving

  /** Save what is marked as one event and leave marking. */
  async save() {
    const { page, item } = this;
    if (!this.marks.length) {
      page.say("Nothing is marked yet");
      return;
    }
    if (!page.ready(false)) return;
    if (this.measuring) {
      await Promise.race([this.measuring, new Promise((resolve) => setTimeout(resolve, MARK_WAIT_MS))]);
      if (this.item !== item || !this.marks.length) return; // it went with the answer meanwhile
    }
    const { marks } = this;
    page.say(`Saving ${markCount(marks.length)}`);
    const saved = this._record();
    this.stop(false);
    if (await saved) page.say(`${markCount(marks.length)} saved`);
  }

  /** Whatever is unsaved is posted now, without waiting for anything. */
  _saveLeft() {
    if (!this.marks.length || !this.item) return;
    if (this.home && (!this.page.task || this.home.task !== this.page.taskName)) this._recordElsewhere();
    else this._record();
  }

  async _record() {
    const { page, item, marks } = this;
    const payload = markPayload(marks, this.pair, item.sky);
    this.marks = [];
    this.asked += 1;
    this.measuring = null;
    const recorded = page.answers.remarks.mark(payload, item);
    this.changed();
    const { saved, unwanted } = await recorded;
    if (!saved && !unwanted) { // refused for good, which the page has told
      if (this.item === item && !this.marks.length) this.marks = marks;
      this.changed();
    }
    return saved;
  }

  /** The page turned to another task before the marks of the last were saved. */
  _recordElsewhere() {
    const { item, home } = this;
    const body = {
      event_id: newUuid(), task: home.task, object_id: item.object_id, action: "mark",
      shown_at: item.shownAt ?? null, answered_at: new Date().toISOString(),
      lease: item.lease ?? null, payload: { marks: markPayload(this.marks, this.pair, item.sky) },
    };
    this.marks = [];
    this.page.outbox.add(`${home.base}/api/events`, body, home.user).catch((error) =>
      this.page.fail(`Not saved: the marks for ${item.object_id}`, item.object_id, error.message));
  }

  // Drawing

  changed() {
    this.bar.draw(this.on && this.cross ? this._crossWords() : "");
    this.page.view?.tools?.get("mark")?.setAttribute("aria-pressed", String(this.on));
    this.drawing?.draw();
  }

  /** This person's saved nuclei in the order in which they are numbered. */
  get savedNuclei() {
    const own = (this.item?.marks ?? []).filter((one) => one.own).flatMap((one) => one.marks);
    return own.filter((mark) => mark.kind === "nucleus");
  }

  _crossWords() {
    const { x, y } = this.cross;
    const place = skyOf(this.item?.sky, x, y);
    return `Cross at ${x}, ${y}${place ? `, ${formatRa(place.ra)} ${formatDec(place.dec)}` : ""}`;
  }
}
