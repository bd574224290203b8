/**
 * The outbox: what the person did, on its way to the server, in order.
 *
 * One post at a time, so that an undo never overtakes the label it undoes. While the network
 * fails a post is sent again with the same event_id, which the server counts once. It lives on
 * `window`, so that it outlives the page that filled it; each post is also written to the
 * browser's storage (store.js) and removed once the server has it or has refused it for good, so
 * that it outlives the tab. What a dead tab left is sent by whichever tab is open, for the same
 * person and the same workspace only.
 */

const RETRY_FIRST_MS = 250;
const RETRY_LAST_MS = 5000;
const OUTBOX_STALE_MS = 5000; // a post that waits so long when the page wakes is on a dead socket
const OUTBOX_ADOPT_MS = 30000; // between looks for what dead tabs left
const OUTBOX_OPEN_MS = 1500; // nobody waits longer for the browser's storage
const OUTBOX_ANSWERS = ["label", "skip", "unsure"];

/** Waits its turn; `stored` is what store.js keeps of it. */
class OutboxEntry {
  /** @param {Kept} stored */
  constructor(url, stored, resolve = null, reject = null) {
    this.url = url;
    this.stored = stored;
    this.resolve = resolve;
    this.reject = reject;
    /** True once it is safe in the browser's storage. */
    this.kept = false;
  }
  get body() { return this.stored.body; }
  get user() { return this.stored.user; }
  get workspace() { return this.stored.workspace; }
  /** True if nobody holds its promise: another tab, or this one before its reload, made it. */
  get adopted() { return this.resolve === null; }
}

class Outbox {
  constructor() {
    /** Unsaved posts, oldest first. @type {OutboxEntry[]} */
    this.entries = [];
    /** Why the last attempt failed, null while all is well. @type {ApiError|null} */
    this.trouble = null;
    this.retryAt = 0;
    /** Who is signed in on this browser; null until that is known. @type {string|null} */
    this.user = null;
    /** Which workspace the server serves; null until that is known. @type {string|null} */
    this.workspace = null;
    this.onchange = () => {};
    /** Told of posts whose promise nobody holds: acknowledged, or refused for good. */
    this.onacknowledged = (_entry, _answer) => {};
    this.onrefused = (_entry, _error) => {};
    this.life = new TabLife();
    this.store = new OutboxStore();
    this.store.onchange = () => this.onchange();
    this.store.oncleared = () => this._keep(this.entries);
    this._number = 0;
    /** Refused posts that this tab has told of, by key. @type {Map<string, Kept>} */
    this._refused = new Map();
    this._left = 0; // by others in dead tabs
    this._answered = false; // a post of this tab's own was acknowledged
    this._busy = false;
    this._wake = null;
    this._flight = null;
    this._adopting = null;
    onWake(() => this.retry());
    setInterval(() => this._adopt(), OUTBOX_ADOPT_MS);
    window.addEventListener("pageshow", (event) => event.persisted && this._recheck());
    window.addEventListener("beforeunload", (event) => {
      if (this.entries.some((entry) => !entry.kept)) event.preventDefault();
    });
  }

  /** How many posts are unsaved, those of other workspaces left out. */
  get size() {
    return this.entries.filter((entry) => this._here(entry)).length + this._left;
  }

  /** How many wait for somebody else to sign in on this browser again. */
  get ofOthers() {
    const waiting = this.entries.filter((entry) => this._here(entry) && !this._mine(entry));
    return waiting.length + this._left;
  }

  /** How many wait until their own workspace is served here again. */
  get ofElsewhere() {
    return this.entries.length + this._left - this.size;
  }

  /** True if what is unsaved would outlive this tab. */
  get safe() {
    return this.entries.every((entry) => entry.kept);
  }

  /** What the person should know about what waits here; null where there is nothing. */
  get warning() {
    const said = [];
    if (this.store.sorry) said.push(`${this.store.sorry}: what is unsaved is lost with this tab`);
    const n = this.ofElsewhere;
    const wait = n === 1 ? "waits" : "wait";
    if (n) said.push(`${n} of another workspace ${wait} here until it is served again`);
    return said.length ? said.join(". ") : null;
  }

  /** Objects of a task whose answers are on their way: not to be shown as unanswered. */
  unsaved(task) {
    return new Set(this.entries.filter((entry) => entry.stored.task === task && this._mine(entry))
      .map((entry) => entry.body.object_id).filter(Boolean));
  }

  _here(entry) {
    return !entry.workspace || !this.workspace || entry.workspace === this.workspace;
  }

  _mine(entry) {
    return this._here(entry) && (!entry.user || !this.user || entry.user === this.user);
  }

  /**
   * Say who is signed in and which workspace is served: what others left unsaved, or what belongs
   * to another workspace, waits for them and holds up nobody.
   * @returns {Promise<void>} resolves once what dead tabs left is in `entries`; never fails
   */
  async signedIn(user, workspace = null) {
    if (user === this.user && workspace === this.workspace) return this._adopting ?? undefined;
    this.user = user;
    this.workspace = workspace;
    this._left = 0;
    this.onchange();
    this._wake?.();
    this._drain();
    const slow = new Promise((resolve) => { setTimeout(resolve, OUTBOX_OPEN_MS); });
    return Promise.race([this._adopt(true), slow]);
  }

  /** Queue a post; the promise ends with the server's answer or an ApiError that is final. */
  add(url, body, user = null) {
    const { pathname } = new URL(url, location.href);
    const at = Math.max(pathname.lastIndexOf("/api/"), 0);
    const stored = {
      key: `${body.event_id ?? newUuid()} ${pathname}`, number: ++this._number, tab: this.life.id,
      base: pathname.slice(0, at), path: pathname.slice(at), body, user,
      workspace: this.workspace, task: body.task ?? null, made_at: new Date().toISOString(),
    };
    return new Promise((resolve, reject) => {
      const entry = new OutboxEntry(url, stored, resolve, reject);
      this.entries.push(entry);
      this.onchange();
      this._drain();
      this._keep([entry]);
    });
  }

  /** Try again at once: the network may be back, or the machine has slept. */
  retry() {
    const flight = this._flight;
    if (flight && Date.now() - flight.since > OUTBOX_STALE_MS) flight.controller.abort();
    this._wake?.();
    this._drain();
    this._adopt();
  }

  /** The person has seen what was refused: all of it, or what concerns one object. */
  dismiss(objectId = null) {
    for (const one of [...this._refused.values()]) {
      if (objectId === null || one.body.object_id === objectId) this._forget(one.key);
    }
  }

  /** The person has seen that this one was refused. */
  dismissed(entry) {
    this._forget(entry.stored.key);
  }

  _forget(key) {
    if (this._refused.delete(key)) this.store.dismiss([key]);
  }

  // Sending

  async _drain() {
    if (this._busy) return;
    this._busy = true;
    let failures = 0;
    for (;;) {
      const entry = this.entries.find((one) => this._mine(one));
      if (!entry) break;
      try {
        const answer = await this._post(entry);
        failures = 0;
        this._acknowledged(entry, answer);
      } catch (raw) {
        const error = raw instanceof ApiError ? raw
          : new ApiError(0, "The server is not answering.");
        // What no Skysift said (a proxy, another program at its address) decides nothing.
        if (error.passing || error.foreign) {
          await this._hold(error, failures++);
          continue;
        }
        failures = 0;
        this._refuse(entry, error);
      }
      this.onchange();
    }
    this._busy = false;
    if (this.trouble) { // what could not be sent belongs to somebody who is not here
      this.trouble = null;
      this.onchange();
    }
  }

  async _post(entry) {
    const controller = new AbortController();
    this._flight = { controller, since: Date.now() };
    const timer = setTimeout(() => controller.abort(), NET_TIMEOUT_MS);
    const { workspace } = entry;
    try {
      return await postJson(entry.url, entry.body, entry.user, {
        signal: controller.signal,
        headers: workspace ? { "x-skysift-workspace": workspace } : {},
      });
    } finally {
      clearTimeout(timer);
      this._flight = null;
    }
  }

  _hold(error, failures) {
    if (!this.trouble) this._keep(this.entries, true);
    this.trouble = error;
    const usual = RETRY_FIRST_MS * 2 ** failures * (0.8 + 0.4 * Math.random());
    const wait = error.retryAfter ?? Math.min(usual, RETRY_LAST_MS);
    this.retryAt = performance.now() + wait;
    this.onchange();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this._wake = () => {
        if (error.status === 429) return; // the server has asked for this pause
        clearTimeout(timer);
        resolve();
      };
    });
  }

  _leave(entry) {
    this.trouble = null;
    const at = this.entries.indexOf(entry);
    if (at >= 0) this.entries.splice(at, 1);
  }

  _acknowledged(entry, answer) {
    this._leave(entry);
    this.store.remove(entry.stored.key);
    const { action, object_id: objectId } = entry.body;
    if (OUTBOX_ANSWERS.includes(action)) this.dismiss(objectId);
    if (entry.adopted) this.onacknowledged(entry, answer);
    else {
      this._answered = true;
      entry.resolve(answer);
    }
  }

  _refuse(entry, error) {
    this._leave(entry);
    // An undo with nothing to undo has no object that the person would have to go back to.
    if (entry.body.object_id || entry.adopted) {
      const told = { ...entry.stored, reason: error.message, status: error.status };
      this._refused.set(told.key, told);
      this.store.refuse(told);
    } else this.store.remove(entry.stored.key);
    if (entry.adopted) this.onrefused(entry, error);
    else entry.reject(error);
  }

  // Keeping

  async _keep(entries, strict = Boolean(this.trouble)) {
    const now = [...entries];
    if (!now.length) return;
    await this.life.ready; // nobody may take it for a dead tab's
    const left = now.filter((entry) => this.entries.includes(entry));
    if (!left.length) return;
    if (!(await this.store.put(left.map((entry) => entry.stored), strict))) return;
    for (const entry of left) entry.kept = true;
  }

  /** Take over what dead tabs left, and tell what they were refused. */
  _adopt(again = false) {
    if (this._adopting && !again) return this._adopting;
    const before = this._adopting;
    const mine = (async () => {
      await before;
      if (this.user === null) return;
      await this._adoptNow();
    })().catch(() => {}).finally(() => {
      if (this._adopting === mine) this._adopting = null;
    });
    this._adopting = mine;
    return mine;
  }

  async _adoptNow() {
    const { user, workspace } = this;
    const belongs = (one) => one.user === user && one.workspace === workspace;
    const { outbox, refused } = await this.store.all();
    // Asked after the reading: a tab shows that it lives before it keeps anything.
    const alive = await this.life.alive();
    for (const one of refused.filter(belongs)) {
      if (alive.has(one.tab) || this._refused.has(one.key)) continue;
      this._refused.set(one.key, one);
      this._told(one, new ApiError(one.status, one.reason));
    }
    if (user !== this.user || workspace !== this.workspace) return;
    const orphans = outbox.filter((one) => !alive.has(one.tab));
    this._left = orphans.filter((one) => one.workspace === workspace && one.user !== user).length;
    const dead = new Set(orphans.map((one) => one.tab));
    if (!dead.size) return;
    const taken = await this.store.adopt(dead, belongs, this.life.id, () => ++this._number);
    const alone = alive.size === 1 && !this._answered;
    let last = null;
    for (const one of taken) {
      const entry = new OutboxEntry(`${location.origin}${one.base}${one.path}`, one);
      entry.kept = true;
      const led = last?.group === one.group && last.task === one.task;
      last = one;
      // It undoes the latest answer; only right behind its own is that surely the one meant.
      if (one.body.object_id || alone || led) this.entries.push(entry);
      else this._refuse(entry, new ApiError(409, OUTBOX_STEP));
    }
    this.onchange();
    this._drain();
  }

  _told(one, error) {
    this.onrefused(new OutboxEntry(`${location.origin}${one.base}${one.path}`, one), error);
  }

  /** Back from the browser's page cache: another tab may have taken what was here. */
  async _recheck() {
    const { outbox } = await this.store.all();
    const own = new Set(outbox.filter((one) => one.tab === this.life.id).map((one) => one.key));
    this.entries = this.entries.filter((entry) => !entry.kept || own.has(entry.stored.key));
    this.onchange();
  }
}

const OUTBOX_STEP = "It was not sent again: other answers have come since, and it might have taken"
  + " one of those. Look at the object, and undo once more if it is still there.";
