/**
 * The outbox: what the person did, on its way to the server, in order.
 *
 * One post at a time, so that an undo never overtakes the label it undoes. While the network
 * fails a post is sent again with the same event_id, which the server counts once. It lives on
 * `window`, so that it outlives the page that filled it.
 */

const RETRY_FIRST_MS = 250;
const RETRY_LAST_MS = 5000;
const POST_TIMEOUT_MS = 15000;

/** An error with the server's sentence and status; status 0 means that it was not reached. */
class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
  /** True if sending the same thing again may succeed. */
  get passing() {
    return [0, 401, 408, 425, 429].includes(this.status) || this.status >= 500;
  }
}

/** Fetch JSON; every failure is an ApiError with a sentence. */
async function fetchJson(url, options = {}) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (options.signal?.aborted && error?.name === "AbortError") throw error;
    throw new ApiError(0, "The server is not answering.");
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    if (response.ok) throw new ApiError(0, "The server's answer was cut short.");
  }
  if (!response.ok) {
    throw new ApiError(response.status, body?.error ?? `The server answered ${response.status}.`);
  }
  return body;
}

/**
 * POST JSON and return the answer.
 * @param {string|null} user whose act it is: the server refuses it for anybody else, so that what
 * waited here while somebody else signed in on this browser is never put down to them
 */
function postJson(url, body, user = null) {
  return fetchJson(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...(user ? { "x-skysift-user": user } : {}) },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(POST_TIMEOUT_MS),
  });
}

class Outbox {
  constructor() {
    /** @type {{url: string, body: object, user: string|null, resolve: Function, reject: Function}[]} */
    this.entries = [];
    /** Why the last attempt failed, null while all is well. @type {ApiError|null} */
    this.trouble = null;
    this.retryAt = 0;
    /** Who is signed in on this browser; null until that is known. @type {string|null} */
    this.user = null;
    this.onchange = () => {};
    this._busy = false;
    this._wake = null;
    window.addEventListener("online", () => this._wake?.());
    window.addEventListener("beforeunload", (event) => {
      if (this.entries.length) event.preventDefault();
    });
  }

  get size() {
    return this.entries.length;
  }

  /** How many wait for somebody else to sign in on this browser again. */
  get ofOthers() {
    return this.entries.filter((entry) => !this._mine(entry)).length;
  }

  /** Say who is signed in: what others left unsaved waits for them and holds up nobody. */
  signedIn(user) {
    if (user === this.user) return;
    this.user = user;
    this.onchange();
    this._wake?.();
    this._drain();
  }

  _mine(entry) {
    return !entry.user || !this.user || entry.user === this.user;
  }

  /** Queue a post; the promise ends with the server's answer or an ApiError that is final. */
  add(url, body, user = null) {
    return new Promise((resolve, reject) => {
      this.entries.push({ url, body, user, resolve, reject });
      this.onchange();
      this._drain();
    });
  }

  async _drain() {
    if (this._busy) return;
    this._busy = true;
    let failures = 0;
    for (;;) {
      const entry = this.entries.find((one) => this._mine(one));
      if (!entry) break;
      const done = () => this.entries.splice(this.entries.indexOf(entry), 1);
      try {
        const answer = await postJson(entry.url, entry.body, entry.user);
        failures = 0;
        this.trouble = null;
        done();
        entry.resolve(answer);
      } catch (raw) {
        const error = raw instanceof ApiError ? raw : new ApiError(0, "The server is not answering.");
        if (error.passing) {
          this.trouble = error;
          const wait = Math.min(RETRY_FIRST_MS * 2 ** failures++, RETRY_LAST_MS);
          this.retryAt = performance.now() + wait;
          this.onchange();
          await this._sleep(wait);
          continue;
        }
        failures = 0;
        this.trouble = null;
        done();
        entry.reject(error);
      }
      this.onchange();
    }
    this._busy = false;
  }

  _sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this._wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
