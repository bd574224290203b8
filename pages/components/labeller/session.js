/**
 * What this session has brought: a line that is always there, and a summary with a plot.
 *
 * A session begins with the first answer on this page, or the first after half an hour's pause.
 * It is counted here at once, answer by answer; the server's own count is fetched when the page
 * is loaded, while the summary is open, and after something was taken back, and never while
 * answers are still on their way to it.
 */

const SESSION_PAUSE_MS = 30 * 60000;
const SESSION_POLL_MS = 5000;
const SESSION_DRAW_MS = 120;
const SESSION_RATE_FROM_S = 60; // a rate of less time than this means nothing
const SESSION_NOW_S = 600; // "now" is the last ten minutes
const SESSION_LOOK_MS = 5 * 60000; // who had the first object before them for longer was away

class Session {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.plot = new SessionPlot();
    this._build();
    this.reset();
    page.register({ summary: () => this.toggle() });
    setInterval(() => this._poll(), SESSION_POLL_MS);
  }

  _build() {
    this.badge = el("kbd", {});
    this.words = el("span", {});
    this.line = el("button", {
      type: "button", class: "tool sessionline", "aria-expanded": "false", "aria-controls": "session-summary",
      title: "What this session has brought so far", onclick: () => this.toggle(),
    }, [this.badge, this.words]);
    this.since = el("p", { class: "faint" });
    this.rates = el("p", { class: "sessionrates" });
    this.bars = el("ul", { class: "sessionbars" });
    this.trouble = el("p", { class: "faint", role: "status" });
    const button = (text, title, onclick) =>
      el("button", { type: "button", class: "plain", text, title, onclick });
    this.panel = el("section", {
      class: "panel summary", id: "session-summary", "aria-label": "Session summary", hidden: true,
    }, [
      el("div", { class: "summaryhead" }, [
        el("h2", { text: "This session" }),
        button("Start anew", "Count from now on", () => this.startAnew()),
        button("Close", "Close the summary (Esc)", () => this.toggle()),
      ]),
      this.since, this.rates, this.plot.element, this.bars, this.trouble,
    ]);
    /** The summary; the line and the reminder to rest have places of their own on the page. */
    this.element = this.panel;
    this.notice = this.page.settings.rest.element;
  }

  // Of the page

  reset() {
    this.name = null; // what it is kept under: person and task
    this._clear(null);
    this.last = null;
    this.line.hidden = true;
    this.panel.hidden = true;
  }

  task(task) {
    this.line.hidden = !this.page.mayWrite();
    const name = `session:${task.user}:${task.task ?? this.page.taskName}`;
    if (name !== this.name) {
      this.name = name;
      const kept = tabMemory.get(name);
      const goes = kept && Date.now() - (kept.last ?? kept.since) < SESSION_PAUSE_MS;
      this._clear(goes ? kept.since : null);
      this.last = goes ? kept.last : null;
      this.panel.hidden = this.line.hidden || !tabMemory.get("summary");
      this.line.setAttribute("aria-expanded", String(!this.panel.hidden));
      this._resync();
    }
    this._draw();
  }

  answered(action, item, more) {
    const now = Date.now();
    if (this.began === null || now - (this.last ?? this.began) >= SESSION_PAUSE_MS) {
      const looked = now - (Date.parse(item?.shownAt ?? "") || now);
      this._clear(looked > 0 && looked < SESSION_LOOK_MS ? now - looked : now - 1000);
    }
    this.last = now;
    this._keep();
    if (action === "label") this._add(item.object_id, more.class_name);
    else if (action === "unsure") this._remove(item.object_id);
    this._drawSoon();
  }

  /** The answer was refused for good. */
  unanswered(item) {
    this.undone(item);
  }

  undone({ object_id: objectId }) {
    this._remove(objectId);
    this._drawSoon();
    this._resync();
  }

  redone(redone) {
    if (this.began !== null && redone.class_name) this._add(redone.object_id, redone.class_name);
    this._drawSoon();
    this._resync();
  }

  keysChanged() {
    const label = this.page.keymap.keyOf("summary");
    if (this.badge.textContent === label && this.badge.hidden === !label) return;
    this.badge.textContent = label;
    this.badge.hidden = !label;
  }

  /** Escape closes the summary, wherever the focus is. */
  key(event) {
    if (event.key !== "Escape" || this.panel.hidden) return false;
    if (this.panel.contains(this.page.shadow.activeElement)) this.line.focus();
    this.toggle();
    return true;
  }

  toggle() {
    if (!this.page.task || !this.page.mayWrite()) {
      this.page.say("You are here to look: there is nothing to count");
      return;
    }
    this.panel.hidden = !this.panel.hidden;
    this.line.setAttribute("aria-expanded", String(!this.panel.hidden));
    tabMemory.set("summary", !this.panel.hidden);
    if (this.panel.hidden) return;
    this._draw();
    this._resync();
  }

  startAnew() {
    this._clear(Date.now());
    this.last = null;
    this._keep();
    this._draw();
    this.line.focus();
  }

  // Counting

  _clear(began) {
    /** When it began, ms since 1970 by this machine's clock; null before the first answer. */
    this.began = began;
    this.n = 0;
    this.finds = 0;
    this.perClass = {};
    /** [seconds since it began, labels, finds], one for each label. @type {number[][]} */
    this.points = [];
    /** object_id -> class, of what was answered on this page. */
    this.mine = new Map();
    this.changes = (this.changes ?? 0) + 1; // so that what was asked before is not taken for now
    this.due = false;
  }

  _keep() {
    tabMemory.set(this.name, { since: this.began, last: this.last });
  }

  _count(className, by) {
    this.changes += 1;
    this.n = Math.max(0, this.n + by);
    this.perClass[className] = Math.max(0, (this.perClass[className] ?? 0) + by);
    if (this.page.task.targets.includes(className)) this.finds = Math.max(0, this.finds + by);
    this.points.push([(Date.now() - this.began) / 1000, this.n, this.finds]);
  }

  /** Of an object that is answered twice the later answer counts. */
  _add(objectId, className) {
    this._remove(objectId);
    this.mine.set(objectId, className);
    this._count(className, 1);
  }

  _remove(objectId) {
    const className = this.mine.get(objectId);
    if (this.mine.delete(objectId)) this._count(className, -1);
  }

  /** Ask the server once, as soon as it has heard everything. */
  _resync() {
    this.due = true;
    this._poll();
  }

  async _poll() {
    const { page } = this;
    if (this.began === null || document.hidden || !this.line.isConnected || this.line.hidden) return;
    if (!this.due && this.panel.hidden) {
      this._words();
      return;
    }
    if (page.outbox.size || this.asking) return; // the next time
    const { changes } = this;
    const { epoch } = page;
    this.asking = true;
    let answer = null;
    let trouble = "";
    try {
      answer = await page.get("session", { since: new Date(this.began).toISOString() });
    } catch (error) {
      trouble = `Counted on this page only. ${error.message}`;
    }
    this.asking = false;
    if (epoch !== page.epoch) return;
    this.trouble.textContent = trouble;
    if (answer && changes === this.changes && !page.outbox.size) {
      this.due = false;
      // Fewer than were acknowledged here: this machine's clock is ahead of the server's.
      if (answer.n_labels < this.mine.size) answer = null;
    } else answer = null;
    if (answer) {
      this.n = answer.n_labels;
      this.finds = answer.finds;
      this.perClass = { ...answer.per_class };
      this.points = answer.points.map((one) => [...one]);
    }
    this._draw();
  }

  // Drawing

  /** Soon, not now: an answer is not to wait for its count. */
  _drawSoon() {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this._draw();
    }, SESSION_DRAW_MS);
  }

  /** Labels an hour: up to the last one, and in the last ten minutes; null where too short. */
  _rates() {
    if (this.began === null || !this.points.length) return { overall: null, now: null };
    const until = this.points.at(-1)[0];
    const now = (Date.now() - this.began) / 1000;
    const from = now - SESSION_NOW_S;
    const before = this.points.findLast((one) => one[0] <= from)?.[1] ?? 0;
    const perHour = (n, seconds) => (seconds < SESSION_RATE_FROM_S ? null : Math.round((3600 * n) / seconds));
    return { overall: perHour(this.n, until), now: perHour(this.n - before, Math.min(now, SESSION_NOW_S)) };
  }

  _words() {
    const { overall } = this._rates();
    const said = [
      `This session: ${many(this.n, "label")}`, overall === null ? null : `${overall.toLocaleString("en-GB")} an hour`,
      many(this.finds, "find"),
    ];
    const text = this.began === null ? "No labels yet in this session" : said.filter(Boolean).join(", ");
    if (this.words.textContent !== text) this.words.textContent = text;
  }

  _draw() {
    if (!this.page.task) return;
    this._words();
    if (this.panel.hidden) return;
    const { overall, now } = this._rates();
    const rate = (n) => (n === null ? "–" : n.toLocaleString("en-GB"));
    const began = this.began === null ? null : new Date(this.began);
    const minutes = began ? Math.round((Date.now() - this.began) / 60000) : 0;
    const clock = began?.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    this.since.textContent = began
      ? `Since ${clock}, ${many(minutes, "minute")} ago`
      : "It begins with your first answer.";
    this.rates.replaceChildren(
      el("span", {}, [el("b", { text: this.n.toLocaleString("en-GB") }), this.n === 1 ? " label" : " labels"]),
      el("span", {}, [el("b", { text: String(this.finds) }), this.finds === 1 ? " find" : " finds"]),
      el("span", {}, [el("b", { text: rate(overall) }), " an hour"]),
      el("span", {}, [el("b", { text: rate(now) }), " an hour now"]),
    );
    this.plot.draw(this.points, many(this.n, "label"), many(this.finds, "find"));
    this._drawBars();
  }

  _drawBars() {
    const { classes } = this.page.task;
    const most = Math.max(1, ...Object.values(this.perClass));
    const shown = [
      ...classes.map((one, index) => ({ ...one, place: index + 1 })),
      // A class that was retired meanwhile.
      ...Object.keys(this.perClass).filter((name) => !classes.some((one) => one.name === name))
        .map((name) => ({ name })),
    ];
    this.bars.replaceChildren(...shown.map((one) => {
      const count = this.perClass[one.name] ?? 0;
      const bar = el("i", { class: one.place ? `c${one.place}` : "" });
      if (one.colour) bar.style.setProperty("--c", one.colour);
      bar.style.width = `${(100 * count) / most}%`;
      return el("li", {}, [
        el("span", { class: "word", text: one.name }), el("span", { class: "bar" }, [bar]),
        el("b", { text: count.toLocaleString("en-GB") }),
      ]);
    }));
  }
}

/** "1 label", "37 labels". */
function many(n, word) {
  return `${n.toLocaleString("en-GB")} ${word}${n === 1 ? "" : "s"}`;
}
