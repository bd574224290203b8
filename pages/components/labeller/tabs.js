/**
 * Several tabs of one person on one task: they hold the same objects, so each tells the others
 * what it answered, and says that the others are there.
 */

const TABS_CHANNEL = "skysift-tabs";
const TABS_SILENT_MS = 15000; // after which a tab is taken for closed
const TABS_BEAT_MS = 5000;

class Tabs {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.id = newUuid();
    /** When another tab on the same task was last heard of, by its id. @type {Map<string, number>} */
    this.others = new Map();
    this.element = el("p", { class: "faint tabs", role: "status", hidden: true });
    if (typeof BroadcastChannel === "undefined") return;
    this.channel = new BroadcastChannel(TABS_CHANNEL);
    this.channel.addEventListener("message", ({ data }) => this._heard(data));
    setInterval(() => this._beat(), TABS_BEAT_MS);
    window.addEventListener("pagehide", () => this._send("bye"));
    window.addEventListener("pageshow", () => this._beat());
  }

  reset() {
    this._send("bye");
    this.others.clear();
    this._draw();
  }

  task() {
    this._send("hello");
  }

  answered(action, item) {
    this._send("answered", item.object_id);
  }

  unanswered(item) {
    this._send("open", item.object_id);
  }

  undone(answer) {
    this._send("open", answer.object_id);
  }

  redone(answer) {
    this._send("answered", answer.object_id);
  }

  /** Whom this tab labels for, and what; only the same in another tab is of interest. */
  get _about() {
    const { task, taskName, base } = this.page;
    return task ? JSON.stringify([base, task.workspace, taskName, task.user]) : null;
  }

  _send(what, objectId = null) {
    if (this.channel && this._about) this.channel.postMessage({ what, objectId, from: this.id, about: this._about });
  }

  _beat() {
    if (this.page.root.isConnected) this._send("here");
    const now = Date.now();
    for (const [id, at] of this.others) if (now - at > TABS_SILENT_MS) this.others.delete(id);
    this._draw();
  }

  _heard({ what, objectId, from, about }) {
    if (about !== this._about || from === this.id) return;
    if (what === "bye") this.others.delete(from);
    else this.others.set(from, Date.now());
    if (what === "hello") this._send("here");
    if (what === "answered") this._answeredElsewhere(objectId);
    if (what === "open") {
      this.page.queue.undone(objectId);
      this.page.answers.undone({ object_id: objectId });
    }
    this._draw();
  }

  _answeredElsewhere(objectId) {
    const { page } = this;
    page.queue.answered.add(objectId);
    page.queue.drop(objectId);
    page.tell("answeredElsewhere", objectId);
    const { current } = page;
    // What was opened by its id is looked at on purpose.
    if (current?.object_id !== objectId || !current.lease) return;
    page.answers.guard(); // a press on its way was meant for this one
    page.advance();
    page.say(`${objectId} was answered in your other tab`);
  }

  _draw() {
    const n = this.others.size;
    this.element.hidden = n === 0;
    const said = n === 0 ? "" : `This task is open in ${n === 1 ? "another tab" : `${n} other tabs`} of yours. `
      + "All show the same objects; what you answer in one goes from the others. Undo takes back your "
      + "latest answer, whichever tab it was given in.";
    if (this.element.textContent !== said) this.element.textContent = said;
  }
}
