/**
 * The help sheet: every key, and a way to change it. And `Modal`, the dialog that it and others use.
 */

/** Keys that are no actions: {key, help, group}. */
const OTHER_KEYS = [
  { key: "⇧1–9", help: "Put a tag on or off, where the task has tags", group: "Answers" },
  { key: "← ↑ → ↓", help: "In the grid: go to another object", group: "Modes" },
  { key: "Esc", help: "Leave a note, the marking, a dialog or more like this", group: "This page" },
];
const LONE_MODIFIERS = ["Shift", "CapsLock", "AltGraph", "Control", "Alt", "Meta", "Fn"];

/**
 * A dialog in front of the page. While it is open no key reaches the page behind it: the keys are
 * taken on `window`, ahead of every listener of the document, and what a button or a field does
 * with them of itself is left to the browser.
 */
class Modal {
  /**
   * @param {string} className
   * @param {string} title
   * @param {{onkey?: (event: KeyboardEvent) => boolean, onclose?: () => void}} hooks `onkey`
   *   returns true for a key that it has used
   */
  constructor(className, title, { onkey = () => false, onclose = () => {} } = {}) {
    this.onkey = onkey;
    this.onclose = onclose;
    this.active = false;
    this.heading = el("h2", { text: title });
    this.body = el("div", { class: "modalbody" });
    this.element = el("dialog", { class: `sheet modal ${className}`, "aria-label": title }, [
      el("div", { class: "modalhead" }, [this.heading, el("button", {
        type: "button", class: "tool", text: "Close", onclick: () => this.close(),
      })]),
      this.body,
    ]);
    this._listener = (event) => this._key(event);
    // This event comes late: by then the dialog may have been opened again.
    this.element.addEventListener("close", () => this.element.open || this._closed());
    this.element.addEventListener("click", (event) => {
      if (event.target === this.element) this.close(); // beside it, on the backdrop
    });
  }

  get isOpen() {
    return this.element.open && this.element.isConnected;
  }

  open() {
    if (this.isOpen) return;
    this.close(); // it was taken off the page while open, or its late event has not come yet
    this.element.showModal();
    this.active = true;
    window.addEventListener("keydown", this._listener, true);
  }

  close() {
    this.element.close();
    this._closed();
  }

  _closed() {
    if (!this.active) return;
    this.active = false;
    window.removeEventListener("keydown", this._listener, true);
    // A field keeps the focus, and with it the next key, until the page is drawn again.
    const focused = this.element.getRootNode().activeElement;
    if (this.element.contains(focused)) focused.blur();
    this.onclose();
  }

  _key(event) {
    if (!this.isOpen) return;
    if (this.onkey(event)) event.preventDefault();
    else if (event.key === "Escape" && !event.isComposing) {
      event.preventDefault(); // the browser would do so too, but later than the next key may come
      this.close();
    }
    event.stopImmediatePropagation();
  }
}

class KeySheet {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.recording = null; // name of the action whose key is being asked
    this.rows = new Map();
    this.modal = new Modal("keysheet", "Keys", {
      onkey: (event) => this._key(event), onclose: () => this._stop(),
    });
    this.element = this.modal.element;
    this._build();
    page.register({ help: () => this.toggle() });
  }

  _build() {
    this.classes = el("div", { class: "keyclasses" });
    this.others = el("p", { class: "keynone", role: "note", hidden: true });
    const groups = [...new Set(ACTIONS.map((one) => one.group))];
    this.resetAll = el("button", {
      type: "button", class: "tool", text: "Reset all keys", onclick: () => this._save({}),
    });
    this.modal.body.append(
      this.classes, this.others,
      el("div", { class: "keygroups" }, groups.map((group) => el("section", { class: "keygroup", "data-group": group }, [
        el("h3", { text: group }),
        el("ul", {}, [
          ...ACTIONS.filter((one) => one.group === group).map((one) => this._row(one)),
          ...OTHER_KEYS.filter((one) => one.group === group).map((one) => el("li", { class: "keyrow" }, [
            el("kbd", { text: one.key }), el("span", { class: "keywhat", text: one.help }),
          ])),
        ]),
      ]))),
      el("div", { class: "keyfoot" }, [
        el("p", { class: "faint", text: "Keys rest while you type, and until the picture is on screen." }),
        this.resetAll,
      ]),
    );
  }

  _row(action) {
    const kbd = el("kbd", {});
    const said = el("p", { class: "keysaid", role: "status" });
    const button = (text, name, onclick) => el("button", {
      type: "button", class: "plain", text, "aria-label": `${text}: ${name}`, onclick,
    });
    const change = button("Change", action.text, () => this._record(action.name));
    const reset = button("Reset", action.text, () => this._reset(action.name));
    const none = button("No key", action.text, () => this._change(action.name, ""));
    const swap = button("Swap", action.text, () => this._save(this.swapped));
    const cancel = button("Cancel", action.text, () => this._stop(true));
    const acts = el("span", { class: "keyacts" }, action.fixed ? [] : [change, reset, none, swap, cancel]);
    const row = el("li", { class: "keyrow" }, [
      kbd, el("span", { class: "keywhat" }, [
        el("b", { text: action.text }), " ", el("span", { text: action.help }),
      ]), acts, said,
    ]);
    this.rows.set(action.name, { row, kbd, change, reset, none, swap, cancel, said });
    return row;
  }

  get open() {
    return this.modal.isOpen;
  }

  toggle() {
    if (this.open) this.modal.close();
    else {
      this._draw();
      this.modal.open();
    }
  }

  /** The page has other keys (called at every object: it must cost nothing while closed). */
  keysChanged() {
    if (this.open) this._draw();
  }

  // Drawing

  _draw() {
    const { keymap } = this.page;
    const clashes = new Map(keymap.collisions().map((one) => [one.names.at(-1), one]));
    for (const action of ACTIONS) {
      const parts = this.rows.get(action.name);
      const now = this.recording === action.name;
      parts.row.hidden = !this._isOffered(action);
      const label = keymap.keyOf(action.name);
      parts.row.classList.toggle("recording", now);
      parts.kbd.textContent = now ? "…" : label || "–";
      parts.kbd.classList.toggle("none", !label && !now);
      parts.change.hidden = now;
      parts.reset.hidden = now || !Object.hasOwn(keymap.overrides, action.name);
      parts.none.hidden = !now || !label;
      parts.cancel.hidden = !now;
      parts.swap.hidden = !now || !this.swapped;
      const clash = clashes.get(action.name);
      const said = now ? this.problem ?? "Press the new key; Esc leaves it as it is." : clash ? this._why(clash) : "";
      if (parts.said.textContent !== said) parts.said.textContent = said;
      parts.said.hidden = !said;
    }
    for (const section of this.modal.body.querySelectorAll("[data-group]")) {
      section.hidden = !ACTIONS.some((one) => one.group === section.dataset.group && this._isOffered(one));
    }
    this.resetAll.hidden = !Object.keys(keymap.overrides).length;
    this._drawClasses();
    const without = [...clashes.values()].map((one) => ACTION_BY_NAME.get(one.names.at(-1)).text);
    this.others.hidden = !without.length;
    const them = without.length === 1 ? "it" : "them";
    this.others.textContent = `Without a key: ${without.join(", ")}. Give ${them} another by “Change”.`;
  }

  _isOffered(action) {
    return this.page.hasPictures || !action.needsPictures;
  }

  _drawClasses() {
    const choices = this.page.answers?.questions?.choices ?? [];
    this.classes.replaceChildren(...choices.map((one, index) => {
      const chip = el("span", { class: `keyclass c${index + 1}` }, [
        el("kbd", { text: keyLabel(one.key) || "–" }), el("span", { text: one.name }),
      ]);
      if (one.colour) chip.style.setProperty("--c", one.colour);
      return chip;
    }));
    this.classes.hidden = !choices.length;
  }

  /** Why an action goes without its key, in words. */
  _why({ key, names, answer }) {
    const name = this.page.answers?.questions?.choices[answer]?.name;
    if (answer !== undefined) return `No key: ${keyLabel(key)} answers with “${name ?? "a class"}” here.`;
    return `No key: ${keyLabel(key)} is the key of “${ACTION_BY_NAME.get(names[0]).text}”.`;
  }

  // Changing

  _record(name) {
    this.recording = name;
    this.problem = null;
    this.swapped = null;
    this._draw();
    this.rows.get(name).cancel.focus({ preventScroll: true });
  }

  _stop(focus = false) {
    const name = this.recording;
    this.recording = null;
    this.problem = null;
    this.swapped = null;
    if (!name || !this.open) return;
    this._draw();
    if (focus) this.rows.get(name).change.focus({ preventScroll: true });
  }

  /** Keys while the sheet is open: the one being asked for, or the one that closes it. */
  _key(event) {
    if (!this.recording) {
      if (event.ctrlKey || event.metaKey || event.altKey) return false;
      const closes = this.page.keymap.meaning(event)?.action === "help";
      if (closes && !event.repeat) this.modal.close();
      return closes;
    }
    if (LONE_MODIFIERS.includes(event.key) || event.repeat) return false;
    if (event.key === "Escape") {
      this._stop(true);
      return true;
    }
    if (event.key === "Tab") return false; // to "No key", "Swap" and "Cancel"
    // On those Enter and Space press them; to record these two, nothing may have been refused yet.
    if (this.problem && ["Enter", " "].includes(event.key)) return false;
    if (event.ctrlKey || event.metaKey || event.altKey) {
      this._refuse("Keys with Ctrl, Alt or Meta belong to the browser; press another key.");
    } else this._change(this.recording, keyFrom(event), true);
    return true;
  }

  _refuse(problem, swapped = null) {
    this.problem = problem;
    this.swapped = swapped;
    this._draw();
    if (swapped) this.rows.get(this.recording).swap.focus({ preventScroll: true });
  }

  /** @param {boolean} pressed `key` was pressed, so "" is a key without a name */
  _change(name, key, pressed = false) {
    const problem = pressed ? Keymap.refusal(key) : null;
    this._take(problem ? { problem } : this.page.keymap.withChange(name, key));
  }

  _reset(name) {
    this.recording = name; // so that a key that is gone meanwhile can be asked for
    this._take(this.page.keymap.withChange(name, ACTION_BY_NAME.get(name).key));
  }

  _take({ overrides, problem, swapped = null }) {
    if (!problem) this._save(overrides);
    else this._refuse(swapped ? `${problem} Press another, or swap the two.` : problem, swapped);
  }

  _save(overrides) {
    this.page.prefer("keys", overrides);
    this.page.keysChanged();
    if (this.recording) this._stop(true);
    else this._draw();
  }
}
