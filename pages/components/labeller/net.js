/**
 * Talking to the server: every failure is an ApiError with a sentence, and none waits for ever.
 */

const NET_TIMEOUT_MS = 15000;
const NET_LONGEST_PAUSE_MS = 60000;
const NET_TICK_MS = 5000;
const NET_SLEPT_MS = 60000; // a tick that comes this late means that the machine slept

/** An error with the server's sentence and status; status 0 means that it was not reached. */
class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {number|null} retryAfter milliseconds that the server asks to wait, null if it does not
   */
  constructor(status, message, retryAfter = null) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.retryAfter = retryAfter;
    /** True if the answer was none of Skysift's: a proxy's, or another program's at its port. */
    this.foreign = false;
  }
  /** True if sending the same thing again may succeed. */
  get passing() {
    return [0, 401, 408, 421, 425, 429].includes(this.status) || this.status >= 500;
  }
}

/** Milliseconds to wait as the answer's Retry-After says (in seconds), null if it does not. */
function pauseAsked(response) {
  const seconds = Number(response.headers.get("retry-after") ?? NaN);
  if (!Number.isFinite(seconds) || seconds < 0) return null;
  return Math.min(seconds * 1000, NET_LONGEST_PAUSE_MS);
}

/** What a failed answer says, as an ApiError. @param {Response} response */
async function refusalOf(response) {
  const body = await response.json().catch(() => null);
  const ours = typeof body?.error === "string";
  const sentence = ours ? body.error : `The server answered ${response.status}.`;
  const error = new ApiError(response.status, sentence, pauseAsked(response));
  error.foreign = !ours;
  return error;
}

/**
 * fetch, whose failures are ApiErrors; only an abort that the caller asked for stays what it is.
 * Without a `signal` of the caller's it is given up after a while: after a sleep a socket may be
 * dead without anybody saying so.
 * @returns {Promise<Response>} of a request that succeeded
 */
async function fetchOk(url, options = {}) {
  let response;
  try {
    response = await fetch(url, {
      credentials: "same-origin", signal: AbortSignal.timeout(NET_TIMEOUT_MS), ...options,
    });
  } catch (error) {
    if (options.signal?.aborted && error?.name === "AbortError") throw error;
    throw new ApiError(0, "The server is not answering.");
  }
  if (!response.ok) throw await refusalOf(response);
  return response;
}

/** Fetch JSON; every failure is an ApiError with a sentence. */
async function fetchJson(url, options = {}) {
  const response = await fetchOk(url, options);
  try {
    return await response.json();
  } catch (error) {
    if (options.signal?.aborted && error?.name === "AbortError") throw error;
    throw new ApiError(0, "The server's answer was cut short.");
  }
}

/**
 * POST JSON and return the answer.
 * @param {string|null} user whose act it is: the server refuses it for anybody else, so that what
 * waited here while somebody else signed in on this browser is never put down to them
 * @param {object} options of fetch, beside those set here
 */
function postJson(url, body, user = null, options = {}) {
  return fetchJson(url, {
    ...options,
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(user ? { "x-skysift-user": user } : {}),
      ...options.headers,
    },
    body: JSON.stringify(body),
  });
}

/**
 * Call `back` whenever the network may be there again or the page was away: it is looked at
 * again, the browser is online again, or the machine slept (timers stand still meanwhile).
 * @param {() => void} back
 */
function onWake(back) {
  let ticked = Date.now();
  setInterval(() => {
    const late = Date.now() - ticked - NET_TICK_MS;
    ticked = Date.now();
    if (late > NET_SLEPT_MS) back();
  }, NET_TICK_MS);
  window.addEventListener("online", () => back());
  window.addEventListener("pageshow", (event) => event.persisted && back());
  document.addEventListener("visibilitychange", () => document.hidden || back());
}

/** A random UUID; crypto.randomUUID exists on https and localhost only. */
function newUuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
