/**
 * Habits: a dialog of settings that parts add rows to, and the reminder to rest.
 */

const REST_CHOICES_MIN = [15, 30, 45, 60, 90, 120];
const REST_DEFAULT_MIN = 45;
const REST_BREAK_MS = 5 * 60000; // so long without an answer is a break
const REST_SNOOZE_MS = 10 * 60000;
const REST_LOOK_MS = 5000;

/** Something kept for this tab only; without storage (private windows) it lasts as long as the page. */
const tabMemory = {
  get(name) {
    try {
      return JSON.parse(sessionStorage.getItem(`skysift-${name}`));
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      sessionStorage.setItem(`skysift-${name}`, JSON.stringify(value));
    } catch { /* it lasts as long as the page */ }
  },
};

class Settings {
  /** @param {Labeller} page */
  constructor(page) {
    this.modal = new Modal("settings", "Settings", {
      onkey: (event) => this._key(event),
    });
    this.page = page;
    this.element = this.modal.element;
    this.rows = el("div", { class: "settingrows" });
    this.modal.body.append(this.rows, el("p", {
      class: "faint", text: "Kept under your name, for every task and on every machine.",
    }));
    this.rest = new Rest(page);
    this.add("Remind me to rest after", this.rest.choice);
    page.register({ settings: () => this.toggle() });
  }

  /**
   * Add a row.
   * @param {string} title what it sets
   * @param {HTMLElement} element one control, or several in a wrapper
   */
  add(title, element) {
    const isControl = ["INPUT", "SELECT", "TEXTAREA"].includes(element.tagName);
    this.rows.append(isControl
      ? el("label", { class: "setting" }, [el("span", { text: title }), element])
      : el("div", { class: "setting", role: "group", "aria-label": title }, [
        el("span", { text: title }), element,
      ]));
  }

  toggle() {
    if (this.modal.isOpen) this.modal.close();
    else this.modal.open();
  }

  preferences() {
    this.rest.preferences();
  }

  answered() {
    this.rest.answered();
  }

  _key(event) {
    if (typing(event.composedPath()[0]) || event.ctrlKey || event.metaKey || event.altKey) return false;
    const closes = this.page.keymap.meaning(event)?.action === "settings";
    if (closes && !event.repeat) this.modal.close();
    return closes;
  }
}

/**
 * A line that says how long one has been at it. It is read out politely, takes neither focus nor
 * keys, and answers go on as if it were not there.
 */
class Rest {
  constructor(page) {
    this.page = page;
    const kept = tabMemory.get("rest") ?? {};
    /** First and last answer since the last break, ms; null before the first. */
    this.began = kept.began ?? null;
    this.last = kept.last ?? null;
    this.quietUntil = 0;
    this.choice = el("select", { class: "restchoice", onchange: () => this._chosen() }, [
      ...REST_CHOICES_MIN.map((n) => el("option", { value: n, text: `${n} minutes` })),
      el("option", { value: 0, text: "never" }),
    ]);
    this.choice.value = REST_DEFAULT_MIN;
    const button = (text, onclick) => el("button", { type: "button", class: "tool", text, onclick });
    this.words = el("span", {});
    this.buttons = el("span", { class: "restbuttons" }, [
      button("Resting", () => this._resting()),
      button("In 10 minutes", () => this._later()),
      button("Switch off", () => this._off()),
    ]);
    // The live region is there before its words are: only then are they read out.
    this.element = el("div", { class: "rest" }, [
      el("div", { class: "restbox" }, [el("p", { role: "status" }, [this.words]), this.buttons]),
    ]);
    this.draw(false);
    setInterval(() => this._look(), REST_LOOK_MS);
  }

  /** Minutes after which to remind, 0: never. */
  get minutes() {
    const kept = this.page.preference("rest", REST_DEFAULT_MIN);
    return kept === 0 || (kept >= 15 && kept <= 120) ? kept : REST_DEFAULT_MIN;
  }

  preferences() {
    const { minutes } = this;
    if (minutes && !REST_CHOICES_MIN.includes(minutes)) {
      this.choice.prepend(el("option", { value: minutes, text: `${minutes} minutes` }));
    }
    this.choice.value = minutes;
    this._look();
  }

  answered() {
    const now = Date.now();
    if (this.last === null || now - this.last >= REST_BREAK_MS) this.began = now;
    this.last = now;
    tabMemory.set("rest", { began: this.began, last: this.last });
  }

  _look() {
    const now = Date.now();
    const at = this.last !== null && now - this.last < REST_BREAK_MS;
    const due = at && this.minutes > 0 && now - this.began >= this.minutes * 60000;
    this.draw(due && now >= this.quietUntil);
  }

  /** @param {boolean} on whether the reminder is there */
  draw(on = this.on) {
    const rests = on && !this.on;
    this.on = on;
    this.element.classList.toggle("on", on);
    this.buttons.hidden = !on;
    if (rests) {
      const minutes = Math.round((Date.now() - this.began) / 60000);
      this.words.textContent = `${minutes} minutes without a break. Rest your eyes a little.`;
    } else if (!on) this.words.textContent = "";
  }

  _resting() {
    this.began = null;
    this.last = null;
    tabMemory.set("rest", {});
    this.draw(false);
    this.page.say("The time runs anew with your next answer");
  }

  _later() {
    this.quietUntil = Date.now() + REST_SNOOZE_MS;
    this.draw(false);
  }

  _off() {
    this.choice.value = 0;
    this._chosen();
    const key = this.page.keymap.keyOf("settings");
    this.page.say(`No more reminders; switch them on again in the settings${key ? ` (${key})` : ""}`);
  }

  _chosen() {
    this.page.prefer("rest", Number(this.choice.value));
    this._look();
  }
}
