/**
 * The objects this page holds: unseen ones, next first, and those that a mode has taken.
 *
 * Fetched under leases, renewed while the page is looked at, given back when it is not. After a
 * re-rank all but the next two unseen are given back and replaced.
 */

const QUEUE_FETCH = 24; // objects asked for at once
const QUEUE_LOW = 14; // ask for more below this
const QUEUE_MOST = 100; // in one request
const KEPT_AFTER_RERANK = 2; // unseen objects that stay when a new ranking comes
const MAX_EXCLUDED = 160;
const EXCLUDED_LETTERS = 8000; // of a request's 64 KB, as it is encoded at worst
const EMPTY_POLL_MS = 1000;
const PATIENT_POLL_MS = 5000;

class Queue {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.leases = new Leases((path, body) => page.post(path, body));
    /** Told when items came (a mode that fills cells listens). */
    this.onitems = () => {};
    this.reset();
  }

  reset() {
    /** Unseen objects, next first. */
    this.items = [];
    /** In the hands of a mode, not answered yet. */
    this.taken = new Set();
    /** Answered here: never to come back from a refetch, unless undone. */
    this.answered = new Set();
    this.modelVersion = 0;
    this.wanted = 0;
    this.fetching = false;
    this.again = null;
    /** Leases that are given back with the next request, and how often that was begun. */
    this.leaving = [];
    this.round = 0;
    clearTimeout(this.emptyTimer);
  }

  /** The next object, or null while there is none; more are asked for in time. */
  next() {
    this._passOver();
    const item = this.items.shift() ?? null;
    this._refill();
    return item;
  }

  /** Up to `n` objects for a mode that shows many; what is not answered goes back by `giveBack`. */
  take(n) {
    this._passOver();
    const items = this.items.splice(0, n);
    for (const item of items) this.taken.add(item);
    this._refill();
    return items;
  }

  /** What was answered since it came, be it in another tab, is not shown again. */
  _passOver() {
    this.items = this.items.filter((item) => !this.answered.has(item.object_id));
  }

  /** Have at least `n` objects ready (0: as many as one at a time needs). */
  want(n) {
    this.wanted = n;
    this._refill();
  }

  /** Unseen after all: they come next, and once, even where a new ranking brought them too. */
  giveBack(items) {
    for (const item of items) this.taken.delete(item);
    const given = new Set(items.map((item) => item.object_id));
    const elsewhere = new Set([this.page.current, ...this.taken].map((item) => item?.object_id));
    this.items = [
      ...items.filter(({ object_id: id }) => !this.answered.has(id) && !elsewhere.has(id)),
      ...this.items.filter((item) => !given.has(item.object_id)),
    ];
  }

  /** A mode is left with these unanswered: they come next, but for what is ahead of the queue. */
  layDown(items) {
    this.giveBack(items);
    if (items.length && this.page.ahead.now) this.startAnew();
  }

  putBack(item) {
    this.items = this.items.filter((one) => one.object_id !== item.object_id);
    this.items.unshift(item);
  }

  drop(objectId) {
    this.items = this.items.filter((one) => one.object_id !== objectId);
  }

  /** Say that an object was answered here. */
  done(item) {
    this.taken.delete(item);
    this.answered.add(item.object_id);
  }

  undone(objectId) {
    this.answered.delete(objectId);
  }

  get held() {
    return [this.page.current, ...this.taken, ...this.items].filter(Boolean);
  }

  releaseAll() {
    const { page } = this;
    if (page.taskName && page.task) {
      const leaving = this.leaving.map((lease) => ({ lease }));
      this.leases.release(`${page.base}/api/release`, page.taskName, [...this.held, ...leaving]);
    }
  }

  /** Other objects come next: give back all unseen ones and fetch anew. */
  startAnew() {
    this.leaving.push(...Leases.of(this.items));
    this.items = [];
    this.round += 1;
    this.fetch(false);
  }

  _refill() {
    if (this.items.length < Math.max(QUEUE_LOW, this.wanted)) this.fetch(false);
  }

  /** Fetch objects: more of them, or (after a re-rank) others in place of the unseen ones. */
  async fetch(replace) {
    const { page } = this;
    if (!page.task) return;
    if (this.fetching) {
      this.again = this.again || replace;
      return;
    }
    this.fetching = true;
    const epoch = page.epoch;
    const unseen = replace ? this.items.slice(0, KEPT_AFTER_RERANK) : this.items;
    const known = [page.current, ...this.taken, ...unseen].filter(Boolean).map((item) => item.object_id);
    const unsaved = page.outbox.unsaved(page.taskName);
    const exclude = withinBody([...new Set([...known, ...unsaved])]);
    const given = [...this.leaving, ...(replace ? Leases.of(this.items.slice(KEPT_AFTER_RERANK)) : [])];
    const { round } = this;
    const n = Math.min(Math.max(QUEUE_FETCH, this.wanted - unseen.length), QUEUE_MOST);
    let answer = null;
    let failure = null;
    try {
      answer = page.mayWrite()
        ? await page.post("lease", { n, exclude, give_back: given })
        : await page.get("queue", { n, exclude });
    } catch (error) {
      failure = error;
    }
    if (epoch !== page.epoch) return;
    this.fetching = false;
    if (answer) this.leaving = this.leaving.filter((lease) => !given.includes(lease));
    if (answer && round !== this.round) this.leaving.push(...Leases.of(answer.items)); // chosen before
    else if (answer) this._came(answer, given);
    if (round === this.round) page.queueCame(answer, failure);
    this._lookAgain(answer);
    if (this.again !== null) {
      const again = this.again;
      this.again = null;
      this.fetch(again);
    }
  }

  _came(answer, given) {
    this.modelVersion = Math.max(this.modelVersion, answer.model_version ?? 0);
    // The person may have answered some in between; what was given back is not ours any more.
    const kept = this.items.filter((item) => !item.lease || !given.includes(item.lease));
    const held = new Set([...kept, ...this.taken].map((item) => item.object_id));
    if (this.page.current) held.add(this.page.current.object_id);
    const unsaved = this.page.outbox.unsaved(this.page.taskName);
    const fresh = answer.items.filter(({ object_id: id }) => (
      !held.has(id) && !this.answered.has(id) && !unsaved.has(id)));
    this.page.ahead.came(fresh);
    this.items = [...kept, ...fresh];
    this.onitems();
  }

  /** With nothing to show, ask again after a while. */
  _lookAgain(answer) {
    const { page } = this;
    clearTimeout(this.emptyTimer);
    if (!page.isStarved()) return;
    // Nothing comes soon where others hold all that is left, or nothing is left at all.
    const patient = ["leased", "nothing_left", "dry"].includes(answer?.condition);
    this.emptyTimer = setTimeout(() => {
      if (!page.isStarved()) return;
      if (page.root.isConnected) this.fetch(false);
      else this._lookAgain(null);
    }, patient ? PATIENT_POLL_MS : EMPTY_POLL_MS);
  }

  /** A newer ranking is there. */
  rankedBy(version) {
    if ((version ?? 0) > this.modelVersion) this.fetch(true);
  }

  /**
   * Renew what this page holds; drop what went to somebody else meanwhile.
   * @param {boolean} now even if it is not time to
   */
  async signOfLife(now = false) {
    const { page } = this;
    const epoch = page.epoch;
    const asked = this.held;
    let held = null;
    try {
      held = await this.leases.renew(page.taskName, asked, page.task.lease_seconds, now);
    } catch {
      return; // the poll says that the server is away
    }
    if (held === null || epoch !== page.epoch) return;
    const lost = (item) => item.lease && asked.includes(item) && !held.has(item.lease);
    this.items = this.items.filter((item) => !lost(item));
    for (const item of [page.current, ...this.taken]) {
      if (item && lost(item)) {
        page.say(`${item.object_id} went to somebody else; an answer is kept, but counts only once settled`);
      }
    }
    this._refill();
  }
}

/** As many ids as one request takes; those beyond may come again and are passed over here. */
function withinBody(ids) {
  let letters = 0;
  return ids.slice(0, MAX_EXCLUDED).filter((id) => (letters += id.length) <= EXCLUDED_LETTERS);
}
