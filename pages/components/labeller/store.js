/**
 * What waits in the outbox, kept in the browser (IndexedDB), so that a crash, a closed tab or a
 * dead network loses nothing; and which tabs live, so that what a dead one left is sent by
 * another.
 *
 * Writes are "relaxed" while the server answers: they outlive the tab and the browser, and the
 * server has the answer within milliseconds. While it does not answer they are "strict", so
 * that they outlive a power cut as well. No press ever waits for either.
 */

const STORE_DATABASE = "skysift";
const STORE_VERSION = 1;
const STORE_BEAT_MS = 5000;
const STORE_DEAD_MS = 180000; // timers of hidden tabs run once a minute
const STORE_BEAT_PREFIX = "skysift-tab-";

/**
 * A post as it is kept.
 * @typedef {object} Kept
 * @property {string} key event_id and address: the same post is there once
 * @property {number} number place among the posts of its tab
 * @property {string} tab whose it is to send
 * @property {string} base base path of the server, "" or "/x"
 * @property {string} path what follows it, "/api/events"
 * @property {object} body
 * @property {string|null} user whose act it is
 * @property {string|null} workspace where it belongs
 * @property {string|null} task
 * @property {string} made_at ISO 8601
 */

class OutboxStore {
  constructor() {
    /** Why nothing is kept, as a sentence; null while all is well. @type {string|null} */
    this.sorry = null;
    /** Called when `sorry` changes. */
    this.onchange = () => {};
    /** Called when the browser's data were cleared beneath us: what is still here is put again. */
    this.oncleared = () => {};
    this._database = this._open();
  }

  /** @returns {Promise<IDBDatabase|null>} never fails; null where there is none */
  _open() {
    return new Promise((resolve) => {
      const without = () => {
        this._say("This browser keeps nothing (a private window, or its storage is full)");
        resolve(null);
      };
      try {
        const request = indexedDB.open(STORE_DATABASE, STORE_VERSION);
        request.onupgradeneeded = () => {
          request.result.createObjectStore("outbox", { keyPath: "key" });
          request.result.createObjectStore("refused", { keyPath: "key" });
        };
        request.onerror = without;
        request.onsuccess = () => {
          const database = request.result;
          database.onclose = () => {
            this._database = this._open();
            this.oncleared();
          };
          database.onversionchange = () => { // it is about to be deleted
            database.close();
            database.onclose();
          };
          resolve(database);
        };
      } catch {
        without();
      }
    });
  }

  _say(sentence) {
    if (sentence === this.sorry) return;
    this.sorry = sentence;
    this.onchange();
  }

  /** Run `work(outbox, refused, done)` in one transaction; its result, or null if it failed. */
  async _transact(mode, strict, work, commit = mode === "readwrite") {
    const database = await this._database;
    if (!database) return null;
    try {
      const result = await new Promise((resolve, reject) => {
        const one = database.transaction(["outbox", "refused"], mode, {
          durability: strict ? "strict" : "relaxed",
        });
        let made = true;
        one.oncomplete = () => resolve(made);
        one.onabort = () => reject(one.error);
        work(one.objectStore("outbox"), one.objectStore("refused"), (value) => { made = value; });
        if (commit) one.commit?.(); // at once: the tab may be closed before it would by itself
      });
      return result;
    } catch {
      this._say("This browser could not keep them (its storage may be full)");
      return null;
    }
  }

  /** Keep posts. @param {Kept[]} entries @returns {Promise<boolean>} true once they are safe */
  async put(entries, strict = false) {
    const safe = await this._transact("readwrite", strict, (outbox) => {
      for (const entry of entries) outbox.put(entry);
    });
    if (safe) this._say(null);
    return Boolean(safe);
  }

  /** Forget a post that the server has. */
  remove(key) {
    return this._transact("readwrite", false, (outbox) => outbox.delete(key));
  }

  /**
   * Move a post to those refused for good.
   * @param {Kept & {reason: string, status: number}} entry
   */
  refuse(entry) {
    return this._transact("readwrite", false, (outbox, refused) => {
      outbox.delete(entry.key);
      refused.put(entry);
    });
  }

  /** Forget posts that were refused. @param {string[]} keys */
  dismiss(keys) {
    return this._transact("readwrite", false, (_, refused) => {
      for (const key of keys) refused.delete(key);
    });
  }

  /** All that is kept. @returns {Promise<{outbox: Kept[], refused: Kept[]}>} */
  async all() {
    const found = { outbox: [], refused: [] };
    await this._transact("readonly", false, (outbox, refused) => {
      outbox.getAll().onsuccess = (event) => { found.outbox = event.target.result; };
      refused.getAll().onsuccess = (event) => { found.refused = event.target.result; };
    });
    return found;
  }

  /**
   * Take over posts of dead tabs, in one transaction: no two tabs take the same.
   * @param {Set<string>} dead
   * @param {(entry: Kept) => boolean} wanted
   * @param {() => number} number the next number of the tab that takes them
   * @returns {Promise<Kept[]>} those taken, in the order in which they were made
   */
  async adopt(dead, wanted, tab, number) {
    const taken = await this._transact("readwrite", false, (outbox, _, done) => {
      outbox.getAll().onsuccess = (event) => {
        const left = event.target.result.filter((one) => dead.has(one.tab) && wanted(one));
        const began = new Map();
        for (const one of left) {
          const first = began.get(one.tab);
          if (!first || one.made_at < first) began.set(one.tab, one.made_at);
        }
        const order = (one) => `${began.get(one.tab)} ${one.tab}`;
        left.sort((a, b) => (order(a) === order(b) ? a.number - b.number
          : order(a) < order(b) ? -1 : 1));
        done(left.map((one) => {
          const own = { ...one, tab, number: number() };
          outbox.put(own);
          return { ...own, group: one.tab };
        }));
      };
    }, false);
    return Array.isArray(taken) ? taken : [];
  }
}

/**
 * Which tabs live. A lock that is held as long as the tab lives says it exactly; where there are
 * no locks (http on a local network) a heartbeat in localStorage says it after a while.
 */
class TabLife {
  constructor() {
    this.id = newUuid();
    this._locked = false;
    /** Resolves once others can see that this tab lives. @type {Promise<void>} */
    this.ready = this._lock();
  }

  _lock() {
    return new Promise((resolve) => {
      const beat = () => {
        this._startBeating();
        resolve();
      };
      if (!navigator.locks) beat();
      else {
        navigator.locks.request(STORE_BEAT_PREFIX + this.id, () => {
          this._locked = true;
          resolve();
          return new Promise(() => {}); // held until the tab is gone
        }).catch(beat);
      }
    });
  }

  _startBeating() {
    this._beat();
    setInterval(() => this._beat(), STORE_BEAT_MS);
    window.addEventListener("pagehide", () => {
      try {
        localStorage.removeItem(STORE_BEAT_PREFIX + this.id);
      } catch { /* nothing is stored at all */ }
    });
    window.addEventListener("pageshow", () => this._beat());
  }

  _beat() {
    try {
      localStorage.setItem(STORE_BEAT_PREFIX + this.id, String(Date.now()));
    } catch { /* nothing is stored at all: nothing can be left behind either */ }
  }

  /** Ids of the tabs that live, this one among them. @returns {Promise<Set<string>>} */
  async alive() {
    await this.ready;
    const ids = new Set([this.id]);
    if (this._locked) {
      const { held } = await navigator.locks.query();
      for (const { name } of held) {
        if (name.startsWith(STORE_BEAT_PREFIX)) ids.add(name.slice(STORE_BEAT_PREFIX.length));
      }
      return ids;
    }
    try {
      for (const name of Object.keys(localStorage)) {
        if (!name.startsWith(STORE_BEAT_PREFIX)) continue;
        const silent = Date.now() - Number(localStorage.getItem(name));
        if (silent < STORE_DEAD_MS) ids.add(name.slice(STORE_BEAT_PREFIX.length));
        else localStorage.removeItem(name);
      }
    } catch { /* nothing is stored at all */ }
    return ids;
  }
}
