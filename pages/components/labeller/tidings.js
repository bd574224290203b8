/**
 * What the page tells: short notices, and a banner for what cannot be saved.
 */

const NOTICE_MS = 4000;

class Tidings {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.failed = [];
  }

  reset() {
    this.failed = [];
    if (this.page.view) this._showFailures();
  }

  say(sentence) {
    this.page.view.notice.textContent = sentence;
    clearTimeout(this.sayTimer);
    this.sayTimer = setTimeout(() => { this.page.view.notice.textContent = ""; }, NOTICE_MS);
  }

  /** Put a line into the banner, which stays until the object is answered or it is dismissed. */
  fail(title, objectId, message, dismissed = null) {
    this.failed.push({ title, objectId, message, dismissed });
    this._showFailures();
  }

  /** A post of an earlier page was refused for good. */
  refusedEarlier(entry, error) {
    const { body } = entry;
    const what = body.action ? actInWords(body.action, body) : "an undo";
    const where = body.task === this.page.taskName ? "" : ` in the task ${body.task}`;
    this.fail(`Not saved${where}: ${what} for ${body.object_id ?? "the last object"}`,
      where ? null : body.object_id ?? null, error.message, () => this.page.outbox.dismissed(entry));
  }

  /** The object was answered after all. */
  settled(objectId) {
    if (!this.failed.length) return;
    this.failed = this.failed.filter((one) => one.objectId !== objectId);
    this._showFailures();
  }

  _showFailures() {
    this.page.view.failures(this.failed, () => {
      for (const one of this.failed) one.dismissed?.();
      this.failed = [];
      this._showFailures();
    });
  }
}
