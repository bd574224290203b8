/**
 * Leases: what this page holds, so that nobody else is asked the same thing meanwhile.
 *
 * The server counts the time. A sign of life is sent while the page is looked at; what is left
 * when the page is closed is given back.
 */

const RENEW_SHARE = 0.3; // of a lease's time, between signs of life
const MAX_SENT = 400; // leases in one request

class Leases {
  /** @param {(path: string, body: object) => Promise<object>} post */
  constructor(post) {
    this.post = post;
    this.renewedAt = performance.now();
  }

  /** Ids of the leases of `items`, without the missing ones. */
  static of(items) {
    return items.map((item) => item?.lease).filter(Boolean).slice(0, MAX_SENT);
  }

  /**
   * Say that `items` are still wanted, if it is time to (or `now`).
   * @returns {Promise<Set<string>|null>} the leases that hold, or null if nothing was asked
   */
  async renew(task, items, seconds, now = false) {
    const leases = Leases.of(items);
    const due = now || performance.now() - this.renewedAt >= RENEW_SHARE * 1000 * seconds;
    if (!leases.length || !due) return null;
    this.renewedAt = performance.now();
    const { held } = await this.post("renew", { task, leases });
    return new Set(held);
  }

  /** Give `items` back as the page goes away: nobody waits for the answer. */
  release(url, task, items) {
    const leases = Leases.of(items);
    if (!leases.length) return;
    fetch(url, {
      method: "POST", keepalive: true, credentials: "same-origin",
      headers: { "content-type": "application/json" }, body: JSON.stringify({ task, leases }),
    }).catch(() => {}); // they run out by themselves
  }
}
