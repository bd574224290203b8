/**
 * The label page: shows an object, takes an answer by key, shows the next one at once and posts
 * the answer in the background. Streamlit is not asked for anything a label needs.
 *
 * `Labeller` is what the parts call `page`. A part is made with it, has an `element` if it is to
 * be seen, and may have any of these, which the page calls by `tell`:
 *   task(task)            the task came or was changed
 *   preferences(all)      what the person set came
 *   counts(task)          how far the task is, and what comes ahead of its queue
 *   show(item)            an object's picture is on screen; null: there is none
 *   leave(item)           the object is about to go: save what is unsaved
 *   mode(name)            "one", "grid", "compare" or "blink"
 *   answered(action, item, more), unanswered(item), undone(answer), redone(answer)
 *   keysChanged()         other keys
 *   lookChanged()         pictures are drawn in another way
 *   reset()               another task
 * and `key(event) -> true` if it takes a key before anybody else (a tool that is switched on).
 *
 * One controller lives on `window` and moves its elements to wherever Streamlit mounts it:
 * Streamlit runs the default export again at every change of the data, and a second controller
 * would answer every key press twice.
 */

const POLL_MS = 2500;
const START_AGAIN_MS = 1000;
const ASLEEP_MS = 60000; // a tick that comes so late means that the machine slept
const MODES = ["one", "grid", "compare", "blink"];
const NO_PICTURES = "This survey has no pictures";

class Labeller {
  constructor(outbox) {
    this.outbox = outbox;
    this.base = "";
    this.taskName = null;
    /** The object that the address named when it was last looked at. */
    this.linked = null;
    this.epoch = 0; // raised when the task changes: what was asked before then is dropped
    this.mode = "one";
    this.actions = new Map();
    this.keymap = new Keymap();
    this.kept = new Preferences(this);
    this.queue = new Queue(this);
    this.showing = new Showing(this);
    this.tidings = new Tidings(this);
    this.presses = new Presses(this);
    this.pictures = new Pictures(this);
    this.theme = new Theme(this);
    this.look = new Look(this);
    this.stage = new Stage(this);
    this.palette = new Palette(this);
    this.marking = new Marking(this);
    this.grid = new Grid(this);
    this.compare = new Compare(this);
    this.blink = new Blink(this);
    this.beside = new Beside(this);
    this.sheet = new KeySheet(this);
    this.jump = new Jump(this);
    this.settings = new Settings(this);
    this.session = new Session(this);
    this.answers = new Answers(this);
    this.tabs = new Tabs(this);
    this.ahead = new Ahead(this);
    this.addressing = new Addressing(this);
    this.view = new View(this);
    this.parts = [
      this.look, this.stage, this.palette, this.marking, this.grid, this.compare, this.blink,
      this.beside, this.sheet, this.jump, this.settings, this.session, this.answers, this.view,
      this.showing, this.tidings, this.tabs, this.ahead,
    ];
    this._registerOwn();
    this._reset();
    this._listen();
  }

  _registerOwn() {
    const toggle = (mode) => () => this.setMode(this.mode === mode ? "one" : mode);
    this.register({
      grid: toggle("grid"), compare: toggle("compare"), blink: toggle("blink"),
      one: () => this.setMode("one"), note: () => this.view.openNote(),
    });
  }

  _listen() {
    const { outbox } = this;
    outbox.onchange = () => this.view.unsaved(outbox, this.unreachable);
    outbox.onrefused = (entry, error) => this.tidings.refusedEarlier(entry, error);
    outbox.onacknowledged = (entry, answer) => {
      if (entry.body.task === this.taskName) this.acknowledged(answer);
    };
    document.addEventListener("keydown", (event) => this.presses.take(event), true);
    document.addEventListener("visibilitychange", () => document.hidden || this._poll());
    window.addEventListener("pagehide", () => {
      this.kept.save(true);
      this.queue.releaseAll();
    });
    let ticked = Date.now();
    setInterval(() => {
      const slept = Date.now() - ticked > ASLEEP_MS;
      ticked = Date.now();
      if (slept) this._poll(true);
      this._tick();
    }, 1000);
    setInterval(() => this._poll(), POLL_MS);
  }

  _reset() {
    this.task = null;
    this.asked = null;
    this.taskAt = 0;
    /** Why the last poll failed, null while the server answers. */
    this.unreachable = null;
    this.queue.reset();
    this.pictures.clear();
    this.tell("reset");
  }

  // Mounting

  get root() {
    return this.view.root;
  }

  /** The shadow root (or document) that the page lies in. */
  get shadow() {
    return this.view.root.getRootNode();
  }

  /** Put the page into `parent` and follow `data` ({api, task, object}). */
  attach(parent, data) {
    const host = parent.querySelector?.(".mount") ?? parent;
    if (this.root.parentNode !== host) host.replaceChildren(this.root);
    const base = location.origin + (data.api || "");
    const linked = data.object && data.object !== this.linked ? data.object : null;
    this.linked = data.object;
    if (base !== this.base || data.task !== this.taskName) {
      this.queue.releaseAll();
      this.base = base;
      this.taskName = data.task;
      this.epoch += 1;
      this._reset();
      this._start(linked);
    } else {
      this._poll();
      if (linked) this.open(linked);
    }
  }

  async _start(objectId) {
    const epoch = this.epoch;
    this.stage.message("Loading", "", null, true);
    this._reached(null);
    for (;;) {
      try {
        // How a picture is drawn is known before the first is asked for.
        const [task] = await Promise.all([
          this.get("task"), this.kept.load().catch(() => this.say("Your settings could not be fetched")),
        ]);
        if (epoch !== this.epoch) return;
        // What an earlier page left unsaved is known before objects are asked for.
        await this.outbox.signedIn(task.user, task.workspace ?? null);
        if (epoch !== this.epoch) return;
        this._taskCame(task);
        break;
      } catch (error) {
        if (epoch !== this.epoch) return;
        this.stage.message("This task cannot be opened", error.message);
        if (!error.passing) return;
        await new Promise((resolve) => setTimeout(resolve, START_AGAIN_MS));
      }
    }
    this.tell("preferences", this.kept.all);
    this.setMode(this.preference("mode", "one"), false);
    // The choice in the sidebar keeps the focus, and with it the keys that are meant for the picture.
    const focused = document.activeElement;
    if (focused?.closest?.('[data-testid="stSidebar"]')) focused.blur();
    if (objectId) await this.open(objectId);
    if (epoch === this.epoch) this.queue.fetch(false);
  }

  // Talking to the server

  /** GET JSON of this task; `parameters` may hold lists. */
  get(path, parameters = {}, options = {}) {
    const query = new URLSearchParams({ task: this.taskName });
    for (const [name, value] of Object.entries(parameters)) {
      for (const one of [value].flat()) query.append(name, one);
    }
    return fetchJson(`${this.base}/api/${path}?${query}`, options);
  }

  /** POST JSON of this task; what must not be lost goes through `record` instead. */
  post(path, body, options = {}) {
    const whole = { task: this.taskName, ...body };
    return postJson(`${this.base}/api/${path}`, whole, this.task?.user ?? null, options);
  }

  /** Address of something of one object: survey, version and content are in it. */
  objectUrl(path, objectId, extra = {}) {
    const query = new URLSearchParams({
      survey: this.task.survey, version: this.task.survey_version, hash: this.task.survey_hash,
      object_id: objectId, ...extra,
    });
    return `${this.base}/api/${path}?${query}`;
  }

  pictureAddress(objectId, size, look = this.look.value, more = {}) {
    return this.objectUrl("image", objectId, { ...this.look.query(look), size, ...this.theme.query, ...more });
  }

  /** False for a survey of spectra or columns: in place of a picture the server draws these. */
  get hasPictures() {
    return this.task?.has_pictures !== false;
  }

  /** The size of picture to ask for; 0 for the pixels as they are. */
  pictureSize() {
    return this.stage.pictureSize;
  }

  // What the person set

  preference(name, fallback = null) {
    return this.kept.get(name, fallback);
  }

  prefer(name, value) {
    this.kept.set(name, value);
  }

  // The task's state

  _taskCame(task) {
    const asked = JSON.stringify([
      task.classes, task.tree, task.tags, task.question, task.guideline, task.role, task.targets,
    ]);
    this.task = task;
    this.theme.look();
    this.outbox.signedIn(task.user, task.workspace ?? null);
    if (asked !== this.asked) { // the owner may have changed it while we label
      this.asked = asked;
      this.tell("task", task);
      this.keysChanged();
    }
    this.taskAt = performance.now();
    this.tell("counts", task);
    this.describe(this.current);
    this._tick();
  }

  _tick() {
    if (!this.task || !this.root.isConnected) return;
    this.presses.blocked();
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

  /** @param {boolean} awoke after a sleep, whose leases may be about to end */
  async _poll(awoke = false) {
    if (!this.task || document.hidden || !this.root.isConnected) return;
    const epoch = this.epoch;
    let task;
    try {
      task = await this.get("task");
    } catch (error) {
      if (epoch === this.epoch) this._reached(error);
      return;
    }
    if (epoch !== this.epoch) return;
    if (this.unreachable && this.current) this.tell("show", this.current);
    this._reached(null);
    // Another survey under the old name, or another person signed in on this browser.
    if (["survey_hash", "user", "workspace"].some((name) => task[name] !== this.task[name])) {
      this.epoch += 1;
      if (task.user !== this.task.user) this.kept.forget();
      this._reset();
      this._start(null);
      return;
    }
    this._taskCame(task);
    this.queue.rankedBy(task.model?.version);
    if (this.kept.unsaved.size) this.kept.save();
    await this.queue.signOfLife(awoke);
  }

  /** A post of this task was acknowledged. */
  acknowledged(answer) {
    if (answer?.counts !== undefined) {
      this.task.counts = answer.counts;
      this.task.n_answers = answer.n_answers;
      this.task.ahead = answer.ahead ?? null;
      this.tell("counts", this.task);
    }
    this.queue.rankedBy(answer?.model_version);
  }

  mayWrite() {
    return this.task?.role !== "viewer";
  }

  // Parts

  /** Call `name` of every part that has it. */
  tell(name, ...values) {
    for (const part of this.parts ?? []) part[name]?.(...values);
  }

  /** Say what actions do: {name: function}. */
  register(actions) {
    for (const [name, act] of Object.entries(actions)) this.actions.set(name, act);
  }

  act(name) {
    if (ACTION_BY_NAME.get(name)?.needsPictures && !this.hasPictures) this.say(NO_PICTURES);
    else this.actions.get(name)?.();
  }

  setMode(name, keep = true) {
    let mode = MODES.includes(name) ? name : "one";
    if (mode === "grid" && this.task?.tree) {
      if (keep) this.say("This task asks several questions in turn: they are answered one at a time");
      if (this.mode !== "grid") return;
    }
    if (mode === "blink" && !this.hasPictures) {
      if (keep) this.say(NO_PICTURES);
      mode = "one";
      if (keep && this.mode === "one") return;
    }
    const before = this.mode;
    this.mode = mode;
    this.view.mode(mode);
    if (mode === "grid") this.showing.putAway();
    this.tell("mode", mode);
    if (before === "grid" && mode !== "grid" && !this.current) this.advance();
    if (keep) this.prefer("mode", mode);
  }

  /** Other keys: buttons and sheets say so. @param {boolean} surely draw them anew in any case */
  keysChanged(surely = true) {
    const classKeys = (this.answers.questions?.choices ?? []).map((one) => one.key);
    const overrides = this.preference("keys", {});
    const keys = JSON.stringify([overrides, classKeys, this.task?.tags?.length]);
    if (keys === this.keys && !surely) return;
    this.keys = keys;
    this.keymap.use(overrides, classKeys, this.task?.tags?.length ?? 0);
    this.view.keys();
    for (const part of this.parts) if (part !== this.view) part.keysChanged?.();
  }

  // Showing: see showing.js

  /** Object on trial, or null. */
  get current() {
    return this.showing.current;
  }

  /** The object whose picture is really on screen, or null. */
  get visible() {
    return this.showing.visible;
  }

  isStarved() {
    return this.showing.isStarved();
  }

  queueCame(answer, failure) {
    this.showing.queueCame(answer, failure);
  }

  advance() {
    this.showing.advance();
  }

  open(objectId) {
    return this.showing.open(objectId);
  }

  bringBack(item) {
    this.showing.bringBack(item);
  }

  describe(item) {
    this.showing.describe(item);
  }

  lookChanged() {
    this.tell("lookChanged");
  }

  // Acts that parts share

  /** Before an answer: what was begun on this object is saved first. */
  leaving(item) {
    this.view.finishNote();
    this.tell("leave", item);
    if (item.opened) this.addressing.forget(item.object_id);
  }

  /** Post one act; see `Answers.record`. */
  record(action, more = {}, item = this.current) {
    return this.answers.record(action, more, item);
  }

  ready(needsPicture) {
    return this.answers.ready(needsPicture);
  }

  /** A short notice, gone after a while. */
  say(sentence) {
    this.tidings.say(sentence);
  }

  /** A line in the banner, which stays until the object is answered or it is dismissed. */
  fail(title, objectId, message, dismissed = null) {
    this.tidings.fail(title, objectId, message, dismissed);
  }

  settled(objectId) {
    this.tidings.settled(objectId);
  }
}

/** Called by Streamlit at every mount and at every change of the data. */
export default function mount({ parentElement, data }) {
  window.skysiftOutbox ??= new Outbox();
  window.skysiftLabeller ??= new Labeller(window.skysiftOutbox);
  window.skysiftLabeller.attach(parentElement, data);
}
