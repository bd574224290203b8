/**
 * The label page: shows an object, takes an answer by key, shows the next one at once and posts
 * the answer in the background. Streamlit is not asked for anything a label needs.
 *
 * One controller lives on `window` and moves its elements to wherever Streamlit mounts it:
 * Streamlit runs the default export again at every change of the data, and a second controller
 * would answer every key press twice.
 */

const AHEAD = 10; // pictures decoded ahead
const FETCH = 24; // objects asked for at once
const LOW = 14; // ask for more below this
const KEPT_AFTER_RERANK = 2; // unseen objects that stay when a new ranking comes
const POLL_MS = 2500;
const EMPTY_POLL_MS = 1000;
const PATIENT_POLL_MS = 5000;
const NEIGHBOURS = 10;
const NEIGHBOURS_DELAY_MS = 150;
const MAX_EXCLUDED = 60;
const GUARD_MS = 700; // a press on its way when an object comes back unasked was meant for another
const PICTURE_SIZES = [512, 768, 1024];

class Labeller {
  constructor(outbox) {
    this.outbox = outbox;
    this.view = new View({
      label: (index) => this.label(index), skip: () => this.skip(), undo: () => this.undo(),
      redo: () => this.redo(), unsure: () => this.unsure(), back: () => this.back(),
      flag: () => this.flag(), note: () => this.openNote(), help: () => this.help(),
      tag: (index) => this.tag(index), copyLink: () => this.copyLink(),
    });
    this.leases = new Leases((path, body) => postJson(`${this.base}/api/${path}`, body));
    this.pictures = new Pictures((objectId) => this.pictureAddress(objectId, this._pictureSize()));
    this.base = "";
    this.taskName = null;
    this.opened = null;
    this.epoch = 0; // raised when the task changes: what was asked before then is dropped
    this._reset();
    outbox.onchange = () => this.view.unsaved(outbox, this.unreachable);
    document.addEventListener("keydown", (event) => this._key(event), true);
    document.addEventListener("visibilitychange", () => document.hidden || this._poll());
    window.addEventListener("pagehide", () => this._giveAllBack());
    this.view.note.addEventListener("keydown", (event) => this._noteKey(event));
    setInterval(() => this._tick(), 1000);
    setInterval(() => this._poll(), POLL_MS);
  }

  _reset() {
    this.task = null;
    this.asked = null;
    this.taskAt = 0;
    /** Which question is asked, and the tags that are on. */
    this.questions = null;
    this.tags = new Set();
    /** Object on trial, and the object whose picture is really on screen. */
    this.current = null;
    this.visible = null;
    this.shownAt = null;
    /** Unseen objects, next first. */
    this.items = [];
    /** Answered here: never to come back from a refetch, unless undone. */
    this.answered = new Set();
    this.recent = new Map();
    this.failed = [];
    this.modelVersion = 0;
    this.fetching = false;
    this.fetchAgain = null;
    this.undoing = false;
    this.guardedUntil = 0;
    /** Why the last poll failed, null while the server answers. */
    this.unreachable = null;
    this.emptyTimer = null;
    this.pictures.clear();
  }

  // Mounting

  /** Put the page into `parent` and follow `data` ({api, task, object}). */
  attach(parent, data) {
    const host = parent.querySelector?.(".mount") ?? parent;
    if (this.view.root.parentNode !== host) host.replaceChildren(this.view.root);
    const base = location.origin + (data.api || "");
    if (base !== this.base || data.task !== this.taskName) {
      this._giveAllBack();
      this.base = base;
      this.taskName = data.task;
      this.opened = null;
      this.epoch += 1;
      this._reset();
      this._start(data.object);
    } else {
      this._poll();
      if (data.object && data.object !== this.opened) this.open(data.object);
    }
  }

  async _start(objectId) {
    const epoch = this.epoch;
    this.view.message("Loading", "", null, true);
    this._reached(null);
    this.view.failures([], null);
    for (;;) {
      try {
        const task = await this._get("task");
        if (epoch !== this.epoch) return;
        this._taskCame(task);
        this.view.explain(null, task);
        break;
      } catch (error) {
        if (epoch !== this.epoch) return;
        this.view.message("This task cannot be opened", error.message);
        if (!error.passing) return;
        await new Promise((resolve) => setTimeout(resolve, EMPTY_POLL_MS));
      }
    }
    // The choice in the sidebar keeps the focus, and with it the keys that are meant for the picture.
    const focused = document.activeElement;
    if (focused?.closest?.('[data-testid="stSidebar"]')) focused.blur();
    if (objectId) await this.open(objectId);
    if (epoch === this.epoch) this._refetch(false);
  }

  _url(path, parameters = {}) {
    const query = new URLSearchParams({ task: this.taskName });
    for (const [name, value] of Object.entries(parameters)) {
      for (const one of [value].flat()) query.append(name, one);
    }
    return `${this.base}/api/${path}?${query}`;
  }

  _get(path, parameters, options) {
    return fetchJson(this._url(path, parameters), options);
  }

  pictureAddress(objectId, size) {
    const query = new URLSearchParams({
      survey: this.task.survey, version: this.task.survey_version, hash: this.task.survey_hash,
      object_id: objectId, size,
    });
    return `${this.base}/api/image?${query}`;
  }

  /** The size to ask for: that of the frame in device pixels, in steps that the server keeps. */
  _pictureSize() {
    const side = this.view.frame.clientHeight * (window.devicePixelRatio || 1) * 0.85;
    return PICTURE_SIZES.find((size) => size >= side) ?? PICTURE_SIZES.at(-1);
  }

  // The task's state

  _taskCame(task) {
    const asked = JSON.stringify([task.classes, task.tree, task.tags, task.question, task.guideline, task.role]);
    this.task = task;
    this.outbox.signedIn(task.user);
    if (asked !== this.asked) { // the owner may have changed it while we label
      this.asked = asked;
      this.questions = new Questions(task);
      this.tags.clear();
      this.view.task(task, (id, size) => this.pictureAddress(id, size), (id) => this.open(id));
      this._ask();
    }
    this.taskAt = performance.now();
    this.view.counts(task);
    this._tick();
  }

  _tick() {
    if (!this.task || !this.view.root.isConnected) return;
    this._blocked();
    const model = this.task.model;
    const age = model?.age_s === null || !model ? null
      : model.age_s + (performance.now() - this.taskAt) / 1000;
    this.view.modelLine(model, age);
  }

  /** Note whether the server answers, and say so: the page goes on without it for a while. */
  _reached(error) {
    this.unreachable = error;
    this.view.unsaved(this.outbox, error);
  }

  async _poll() {
    if (!this.task || document.hidden || !this.view.root.isConnected) return;
    const epoch = this.epoch;
    let task;
    try {
      task = await this._get("task");
    } catch (error) {
      if (epoch === this.epoch) this._reached(error);
      return;
    }
    if (epoch !== this.epoch) return;
    if (this.unreachable && this.current) this._neighbours(this.current);
    this._reached(null);
    // Another survey under the old name, or another person signed in on this browser.
    if (task.survey_hash !== this.task.survey_hash || task.user !== this.task.user) {
      this.epoch += 1;
      this._reset();
      this._start(null);
      return;
    }
    this._taskCame(task);
    this.view.explain(this.current, task);
    if ((task.model?.version ?? 0) > this.modelVersion) this._refetch(true);
    await this._signOfLife(epoch);
  }

  /** Renew what this page holds; drop what went to somebody else meanwhile. */
  async _signOfLife(epoch) {
    let held = null;
    const asked = [this.current, ...this.items].filter(Boolean);
    try {
      held = await this.leases.renew(this.taskName, asked, this.task.lease_seconds);
    } catch {
      return; // the poll says that the server is away
    }
    if (held === null || epoch !== this.epoch) return;
    const lost = (item) => item.lease && asked.includes(item) && !held.has(item.lease);
    this.items = this.items.filter((item) => !lost(item));
    if (this.current && lost(this.current)) {
      this._say(`${this.current.object_id} went to somebody else; an answer is kept, but counts only once settled`);
    }
    if (this.items.length < LOW) this._refetch(false);
  }

  _giveAllBack() {
    if (!this.taskName || !this.task) return;
    this.leases.release(`${this.base}/api/release`, this.taskName, [this.current, ...this.items]);
  }

  /** Draw what can be answered now. */
  _ask() {
    if (!this.questions) return;
    this.view.ask(this.questions.text, this.questions.choices, this.questions.path.length > 0);
    this.view.tagged(this.tags);
    this.view.enable(Boolean(this.current) && this.visible === this.current?.object_id && this._mayWrite());
  }

  _mayWrite() {
    return this.task?.role !== "viewer";
  }

  // The queue

  /** Fetch objects: more of them, or (after a re-rank) others in place of the unseen ones. */
  async _refetch(replace) {
    if (this.fetching) {
      this.fetchAgain = this.fetchAgain || replace;
      return;
    }
    this.fetching = true;
    const epoch = this.epoch;
    const known = [this.current, ...(replace ? this.items.slice(0, KEPT_AFTER_RERANK) : this.items)]
      .filter(Boolean).map((item) => item.object_id);
    const unsaved = this.outbox.entries.map((entry) => entry.body.object_id).filter(Boolean);
    const exclude = [...new Set([...known, ...unsaved])].slice(0, MAX_EXCLUDED);
    const given = replace ? Leases.of(this.items.slice(KEPT_AFTER_RERANK)) : [];
    let answer = null;
    try {
      answer = this._mayWrite()
        ? await postJson(`${this.base}/api/lease`, {
          task: this.taskName, n: FETCH, exclude, give_back: given,
        })
        : await this._get("queue", { n: FETCH, exclude });
    } catch (error) {
      if (epoch === this.epoch && !this.current) {
        this.view.message("No object can be fetched", error.message);
      }
    }
    if (epoch !== this.epoch) return;
    this.fetching = false;
    if (answer) this._queueCame(answer, given);
    this._await(answer);
    if (this.fetchAgain !== null) {
      const again = this.fetchAgain;
      this.fetchAgain = null;
      this._refetch(again);
    }
  }

  _queueCame(answer, given) {
    this.modelVersion = Math.max(this.modelVersion, answer.model_version ?? 0);
    // The person may have answered some in between; what was given back is not ours any more.
    const kept = this.items.filter((item) => !item.lease || !given.includes(item.lease));
    const held = new Set(kept.map((item) => item.object_id));
    if (this.current) held.add(this.current.object_id);
    const fresh = answer.items.filter(
      (item) => !held.has(item.object_id) && !this.answered.has(item.object_id));
    this.items = [...kept, ...fresh];
    this._decodeAhead();
    if (!this.current && this.items.length) this._advance();
  }

  /** With nothing to show: say why, and look again. */
  _await(answer) {
    if (this.current) return;
    if (answer) {
      const titles = {
        preparing: "Preparing the survey", waiting: "Ranking", failed: "No ranking",
        dry: "Every object has an answer", leased: "All in other hands",
        nothing_left: "Nothing left for you",
      };
      const dry = answer.condition === "dry";
      this.view.message(
        titles[answer.condition] ?? "Nothing left in the queue",
        dry ? "Look at the candidates, or undo to go back to an object."
          : answer.state || "More objects come with the next ranking.",
        answer.fraction, false, answer.condition === "failed" ? () => this._retry() : null);
      this.view.caption(null, this.task);
      this.view.explain(null, this.task);
      this.view.alike([], "", null, this.task, null);
    }
    this.view.enable(false);
    clearTimeout(this.emptyTimer);
    // Nothing comes soon where others hold all that is left, or nothing is left at all.
    const patient = ["leased", "nothing_left", "dry"].includes(answer?.condition);
    this.emptyTimer = setTimeout(() => {
      if (!this.current && this.view.root.isConnected) this._refetch(false);
      else if (!this.current) this._await(null);
    }, patient ? PATIENT_POLL_MS : EMPTY_POLL_MS);
  }

  async _retry() {
    try {
      await postJson(`${this.base}/api/prepare`, { task: this.taskName });
    } catch (error) {
      this._say(error.message);
    }
    this._refetch(false);
  }

  _decodeAhead() {
    for (const item of this.items.slice(0, AHEAD)) this.pictures.get(item.object_id);
  }

  // Showing

  _advance() {
    this._show(this.items.shift() ?? null);
    if (this.items.length < LOW) this._refetch(false);
  }

  _show(item) {
    this.current = item;
    this.visible = null;
    this.tags.clear();
    this.questions?.restart();
    this._ask();
    this._closeNote();
    if (!item) {
      this.view.enable(false);
      this.view.message("Fetching more objects", "", null, true);
      this.view.caption(null, this.task);
      return;
    }
    const picture = this.pictures.get(item.object_id);
    if (picture.state === "loading") {
      this.view.enable(false);
      this.view.message("", `Loading the picture of ${item.object_id}`, null, true);
      picture.done.then(() => this.current === item && this._reveal(item, picture));
    } else {
      this._reveal(item, picture);
    }
    this._decodeAhead();
  }

  _reveal(item, picture) {
    this.shownAt = new Date().toISOString();
    if (picture.state === "ready") {
      this.view.picture(picture.img);
      this.visible = item.object_id;
      this.view.enable(this._mayWrite());
    } else {
      this.pictures.forget(item.object_id); // another try when it comes up again
      this.view.message(`No picture of ${item.object_id}`,
        `${picture.error} It cannot be answered unseen; skip it (S), flag it (F) or leave a note (N).`);
      this.view.enable(false);
      if (picture.passing) this._tryAgain(item);
    }
    this._describe();
    this._neighbours(item);
  }

  /** The server was away: show the picture as soon as it is back. */
  _tryAgain(item) {
    clearTimeout(this.pictureTimer);
    this.pictureTimer = setTimeout(async () => {
      if (this.current !== item || this.visible === item.object_id) return;
      const picture = this.pictures.get(item.object_id);
      await picture.done;
      if (this.current === item && this.visible !== item.object_id) this._reveal(item, picture);
    }, EMPTY_POLL_MS);
  }

  _describe() {
    this.view.caption(this.current, this.task);
    this.view.explain(this.current, this.task);
  }

  _neighbours(item) {
    clearTimeout(this.nearTimer);
    this.nearTimer = setTimeout(async () => {
      const epoch = this.epoch;
      let answer;
      try {
        answer = await this._get("neighbours", { object_id: item.object_id, k: NEIGHBOURS });
      } catch (error) {
        answer = { items: [], state: error.message };
      }
      if (epoch !== this.epoch || this.current !== item) return;
      this.view.alike(answer.items, answer.state, (id, size) => this.pictureAddress(id, size),
        this.task, (id) => this.open(id));
    }, NEIGHBOURS_DELAY_MS);
  }

  /** Show an object by its id; the one on screen waits behind it. */
  async open(objectId) {
    const epoch = this.epoch;
    this.opened = objectId;
    let item;
    try {
      item = await this._get("object", { object_id: objectId });
    } catch (error) {
      if (epoch === this.epoch) this._fail(`Not opened: ${objectId}`, objectId, error.message);
      return;
    }
    if (epoch === this.epoch) this._bringBack(item);
  }

  _bringBack(item) {
    const behind = this.current;
    this.items = this.items.filter((one) => one.object_id !== item.object_id);
    if (behind && behind.object_id !== item.object_id) this.items.unshift(behind);
    this._show(item);
  }

  // Answering

  _event(action, more = {}) {
    const item = this.current;
    return {
      event_id: crypto.randomUUID?.() ?? fallbackUuid(), task: this.taskName,
      object_id: item.object_id, action, shown_at: this.shownAt,
      answered_at: new Date().toISOString(), lease: item.lease ?? null, ...more,
    };
  }

  label(index) {
    const chosen = this.questions?.choices[index];
    if (!chosen || !this._ready(true)) return;
    this.view.flash(index);
    const label = this.questions.take(index);
    if (label === null) {
      this._ask();
      return;
    }
    const payload = {};
    if (label.path) payload.path = label.path;
    if (this.tags.size) payload.tags = [...this.tags];
    const more = { class_name: label.class_name };
    if (Object.keys(payload).length) more.payload = payload;
    this._answer("label", more, `the answer “${label.class_name}”`);
  }

  /** One question back in a decision tree. */
  back() {
    if (this.questions?.back()) this._ask();
  }

  unsure() {
    const more = this.tags.size ? { payload: { tags: [...this.tags] } } : {};
    if (this._ready(true)) this._answer("unsure", more, "the “cannot tell”");
  }

  tag(index) {
    const name = this.task?.tags[index];
    if (!name || !this._ready(false)) return;
    if (!this.tags.delete(name)) this.tags.add(name);
    this.view.tagged(this.tags);
  }

  skip() {
    if (this._ready(false)) this._answer("skip", {}, "the skip");
  }

  /** True if an answer may be taken now; otherwise it says why not. */
  _ready(needsPicture) {
    if (!this.current) return false;
    if (!this._mayWrite()) {
      this._say("You are here to look; ask the owner to be made an annotator");
      return false;
    }
    if (this.undoing) {
      this._say("Waiting for the undo");
      return false;
    }
    if (performance.now() < this.guardedUntil) {
      this._say("Not taken: this object has just come back");
      return false;
    }
    if (needsPicture && this.visible !== this.current.object_id) {
      this._say("Not taken: the picture is not on screen yet");
      return false;
    }
    return true;
  }

  _answer(action, more, what) {
    const item = this.current;
    const body = this._event(action, more);
    this.answered.add(item.object_id);
    this.recent.set(item.object_id, { ...item, label: null });
    if (this.recent.size > 200) this.recent.delete(this.recent.keys().next().value);
    this.failed = this.failed.filter((one) => one.objectId !== item.object_id);
    this._showFailures();
    this._advance();
    const said = { label: `${item.object_id}: ${more.class_name}`, skip: `${item.object_id} skipped` };
    this._say(said[action] ?? `${item.object_id}: cannot tell`);
    this._post("events", body).then((answer) => {
      if (!answer.late) return;
      this._fail(`Kept, not counted: ${what} for ${item.object_id}`, item.object_id,
        "Its time had run out and somebody else had it; it counts once somebody settles it on the Review page.");
    }).catch((error) => {
      this.answered.delete(item.object_id);
      this.guardedUntil = performance.now() + GUARD_MS;
      this._fail(`Not saved: ${what} for ${item.object_id}`, item.object_id, error.message);
      this._bringBack(item);
    });
  }

  /** Post in order; the promise fails only for good, and only while this task is open. */
  async _post(path, body) {
    const epoch = this.epoch;
    let answer;
    try {
      answer = await this.outbox.add(`${this.base}/api/${path}`, body, this.task.user);
    } catch (error) {
      if (epoch === this.epoch) throw error;
      this._fail(`Not saved in the task ${body.task}: ${body.object_id ?? "an undo"}`, null, error.message);
      return new Promise(() => {});
    }
    if (epoch !== this.epoch) return new Promise(() => {});
    this.task.counts = answer.counts;
    this.task.n_answers = answer.n_answers;
    this.view.counts(this.task);
    if ((answer.model_version ?? 0) > this.modelVersion) this._refetch(true);
    return answer;
  }

  async undo() {
    if (!this.task || this.undoing || !this._mayWrite()) return;
    this.undoing = true;
    this._say(this.outbox.size ? "Undo waits for the unsaved answers" : "Undoing");
    try {
      const { undone } = await this._post("undo", {
        task: this.taskName, event_id: crypto.randomUUID?.() ?? fallbackUuid(),
      });
      this.answered.delete(undone.object_id);
      const item = this.recent.get(undone.object_id)
        ?? await this._get("object", { object_id: undone.object_id });
      this._bringBack(item);
      this._say(`Undone: ${undone.class_name ?? undone.action}`);
    } catch (error) {
      this._say(error.message);
    } finally {
      this.undoing = false;
    }
  }

  /** Give the last undone answer again. */
  async redo() {
    if (!this.task || this.undoing || !this._mayWrite()) return;
    this.undoing = true;
    try {
      const { redone } = await this._post("redo", {
        task: this.taskName, event_id: crypto.randomUUID?.() ?? fallbackUuid(),
      });
      this.answered.add(redone.object_id);
      this.items = this.items.filter((item) => item.object_id !== redone.object_id);
      this.undoing = false;
      if (this.current?.object_id === redone.object_id) this._advance();
      this._say(`Redone: ${redone.object_id}, ${redone.class_name ?? redone.action}`);
    } catch (error) {
      this._say(error.message);
    } finally {
      this.undoing = false;
    }
  }

  flag() {
    if (!this._ready(false)) return;
    const item = this.current;
    item.flagged = true;
    this._describe();
    this._post("events", this._event("flag")).then(
      () => this._say(`${item.object_id} flagged`),
      (error) => {
        item.flagged = false;
        this._fail(`Not saved: the flag for ${item.object_id}`, item.object_id, error.message);
        this._describe();
      });
  }

  openNote() {
    if (!this._ready(false)) return;
    this.view.note.hidden = false;
    this.view.note.focus();
  }

  _closeNote() {
    this.view.note.value = "";
    this.view.note.hidden = true;
    this.view.note.blur();
  }

  _noteKey(event) {
    if (event.key === "Escape") this._closeNote();
    if (event.key !== "Enter" || event.isComposing) return;
    const note = this.view.note.value.trim();
    const item = this.current;
    const body = note && item ? this._event("note", { note }) : null;
    this._closeNote();
    if (!body) return;
    item.notes = [...(item.notes ?? []), note];
    this._describe();
    this._post("events", body).then(
      () => this._say("Note saved"),
      (error) => this._fail(
        `Not saved: the note “${note}” for ${item.object_id}`, item.object_id, error.message));
  }

  help() {
    if (this.view.sheet.open) this.view.sheet.close();
    else this.view.sheet.showModal();
  }

  async copyLink() {
    if (!this.current) return;
    const link = new URL(location.href);
    link.search = new URLSearchParams({ task: this.taskName, object: this.current.object_id });
    try {
      await navigator.clipboard.writeText(link.href);
      this._say("Link copied");
    } catch {
      this._say(link.href); // no clipboard without https: show it to be copied by hand
    }
  }

  // Telling

  _say(sentence) {
    this.view.notice.textContent = sentence;
    clearTimeout(this.sayTimer);
    this.sayTimer = setTimeout(() => { this.view.notice.textContent = ""; }, 4000);
  }

  /** Put a line into the banner, which stays until the object is answered or it is dismissed. */
  _fail(title, objectId, message) {
    this.failed.push({ title, objectId, message });
    this._showFailures();
  }

  _showFailures() {
    this.view.failures(this.failed, () => {
      this.failed = [];
      this._showFailures();
    });
  }

  // Keys

  _key(event) {
    if (!this.view.root.isConnected || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.isComposing || typing(event.composedPath()[0])) return;
    // Another dialog of the page (a new task, say) is in front.
    if (this._blocked()) return;
    const act = this._meaning(event);
    if (act === null) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has keys of its own
    if (event.repeat) return; // a key held down is one answer
    if (this.view.sheet.open && act !== "help") return;
    if (typeof act === "number") this.label(act);
    else if (typeof act === "object") this.tag(act.tag);
    else this[act]();
  }

  /**
   * True if a dialog is in front. Streamlit's own "Connection error" is put away: answers are
   * taken and kept while the server is gone, and this page says so itself.
   */
  _blocked() {
    const dialogs = [...document.querySelectorAll('[role="dialog"]')];
    return dialogs.some((dialog) => {
      const lost = dialog.querySelector("h2")?.textContent === "Connection error";
      if (lost) dialog.querySelector('button[aria-label="Close"]')?.click();
      return !lost;
    });
  }

  _meaning(event) {
    const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code)?.[1];
    const choices = this.questions?.choices ?? [];
    const place = (key) => choices.findIndex((one) => one.key && one.key === key);
    if (event.shiftKey && digit && digit !== "0" && this.task?.tags[Number(digit) - 1]) {
      return { tag: Number(digit) - 1 };
    }
    const key = event.key.toLowerCase();
    if (event.key.length === 1 && place(key) >= 0) return place(key);
    // By position as well: on a French keyboard the digit row gives letters.
    if (digit && !event.shiftKey && place(digit) >= 0) return place(digit);
    if (event.key === "?") return "help";
    if (event.key === "Backspace" && this.questions?.path.length) return "back";
    const acts = { s: "skip", u: "undo", r: "redo", d: "unsure", f: "flag", n: "openNote" };
    return acts[key] ?? null;
  }
}

/** True if keys pressed in this element write text or choose from a list. */
function typing(node) {
  if (!(node instanceof Element)) return false;
  if (node.isContentEditable || ["TEXTAREA", "SELECT"].includes(node.tagName)) return true;
  if (node.tagName === "INPUT") return !["button", "checkbox", "radio", "range"].includes(node.type);
  return Boolean(node.closest('[role="combobox"], [role="listbox"], [role="textbox"]'));
}

/** randomUUID exists on https and localhost only; an SSH-less LAN address has neither. */
function fallbackUuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Called by Streamlit at every mount and at every change of the data. */
export default function mount({ parentElement, data }) {
  window.skysiftOutbox ??= new Outbox();
  window.skysiftLabeller ??= new Labeller(window.skysiftOutbox);
  window.skysiftLabeller.attach(parentElement, data);
}
