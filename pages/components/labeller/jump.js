/**
 * Going to an object: by its id or its place on the sky, at random, or back to what was skipped.
 */

const JUMP_DELAY_MS = 200; // after the last letter typed
const JUMP_PICTURE_PX = 128;

class Jump {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.modal = new Modal("jump", "Go to an object", {
      onkey: (event) => this._key(event), onclose: () => this._forget(),
    });
    this.element = this.modal.element;
    this.items = [];
    this.at = -1;
    this.asked = null; // text whose results are listed
    this.token = 0;
    this._build();
    this.reset();
    page.register({
      jump: () => this.toggle(), random: () => this.random(), revisit: () => this.revisit(),
    });
  }

  _build() {
    this.field = el("input", {
      type: "text", class: "jumpfield", role: "combobox", "aria-expanded": "false",
      "aria-controls": "jump-list", "aria-autocomplete": "list", "aria-describedby": "jump-hint",
      autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: 512,
      oninput: () => this._typed(),
    });
    this.list = el("ul", {
      class: "jumplist", id: "jump-list", role: "listbox", "aria-label": "Objects found", hidden: true,
    });
    this.said = el("p", { class: "jumpsaid", role: "status" });
    this.hint = el("p", { class: "faint", id: "jump-hint" });
    this.modal.body.append(
      el("label", { class: "jumplabel" }, ["Object id, its beginning, or a place on the sky", this.field]),
      this.hint, this.said, this.list,
    );
  }

  // Of the page

  reset() {
    /** Skipped objects gone back to, since the walk through them began. */
    this.walked = new Set();
    this.going = false;
    if (this.modal.isOpen) this.modal.close();
  }

  task(task) {
    this.hint.textContent = task.has_sky
      ? "Sky: degrees (185.7 15.8) or sexagesimal (12:22:54 +15:49:20, 12h22m54s +15d49m20s)."
      : "This survey has no positions: an id or its beginning.";
  }

  // The dialog

  toggle() {
    if (this.modal.isOpen) {
      this.modal.close();
      return;
    }
    if (!this.page.task) return;
    this.field.value = "";
    this._list([], "", null);
    this.modal.open();
    this.field.focus();
  }

  _forget() {
    clearTimeout(this.timer);
    this.token += 1; // what is still asked is dropped
    this.wantsFirst = false;
  }

  _typed() {
    clearTimeout(this.timer);
    this.token += 1;
    this.wantsFirst = false;
    const text = this.field.value.trim();
    if (text) this.timer = setTimeout(() => this._search(text), JUMP_DELAY_MS);
    else this._list([], "", null);
  }

  async _search(text) {
    const token = ++this.token;
    const { epoch } = this.page;
    let items = [];
    let state = "";
    try {
      const answer = await this.page.get("find", { q: text });
      items = answer.items;
      state = answer.state ?? "";
    } catch (error) {
      state = error.message;
    }
    if (token !== this.token || epoch !== this.page.epoch) return;
    this._list(items, state || (items.length ? "" : `Nothing is found for “${text}”.`), text);
    const wanted = this.wantsFirst;
    this.wantsFirst = false;
    // Enter was pressed before the answer came: one object, or the very one that was named.
    const exact = items.findIndex((one) => one.object_id === text);
    if (wanted && (items.length === 1 || exact >= 0)) this._go(Math.max(exact, 0));
  }

  _list(items, said, text) {
    this.items = items;
    this.asked = text;
    this.said.textContent = said;
    this.list.hidden = !items.length;
    this.field.setAttribute("aria-expanded", String(Boolean(items.length)));
    this.list.replaceChildren(...items.map((one, index) => this._option(one, index)));
    this._mark(items.length ? 0 : -1);
  }

  _option(one, index) {
    const { page } = this;
    const place = page.task.classes.findIndex((each) => each.name === one.label);
    const tag = el("span", {
      class: one.label ? `tag c${place + 1}` : "tag none", text: one.label ?? "no answer",
    });
    if (page.task.classes[place]?.colour) tag.style.setProperty("--c", page.task.classes[place].colour);
    return el("li", {
      class: "jumpitem", id: `jump-option-${index}`, role: "option", "aria-selected": "false",
      onclick: () => this._go(index),
    }, [
      el("img", {
        src: page.pictureAddress(one.object_id, JUMP_PICTURE_PX), alt: "", loading: "lazy", draggable: "false",
      }),
      el("span", { class: "object", text: one.object_id }),
      el("span", { class: "jumpaway", text: separationInWords(one.separation_arcsec) }),
      tag,
    ]);
  }

  _mark(index) {
    this.list.children[this.at]?.setAttribute("aria-selected", "false");
    this.at = index;
    const option = this.list.children[index];
    if (!option) {
      this.field.removeAttribute("aria-activedescendant");
      return;
    }
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    this.field.setAttribute("aria-activedescendant", option.id);
  }

  _key(event) {
    const inField = event.composedPath()[0] === this.field;
    if (!inField || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      if (this.items.length) this._mark((this.at + step + this.items.length) % this.items.length);
      return true;
    }
    if (event.key !== "Enter") return false;
    const text = this.field.value.trim();
    if (!text || event.repeat) return true;
    if (text === this.asked) this._go(this.at);
    else {
      clearTimeout(this.timer);
      this.wantsFirst = true;
      this._search(text);
    }
    return true;
  }

  _go(index) {
    const one = this.items[index];
    if (!one) return;
    this.modal.close();
    this.page.open(one.object_id);
  }

  // Without a dialog

  /** What `find` answers, or null where it could not be asked, another ask runs, or the task is another. */
  async _find(parameters) {
    if (this.going || !this.page.task) return null;
    const { epoch } = this.page;
    this.going = true;
    try {
      const answer = await this.page.get("find", parameters);
      return epoch === this.page.epoch ? answer : null;
    } catch (error) {
      if (epoch === this.page.epoch) this.page.say(error.message);
      return null;
    } finally {
      if (epoch === this.page.epoch) this.going = false;
    }
  }

  /** Open one object, drawn at random, that nobody has answered. */
  async random() {
    const answer = await this._find({ random: 1 });
    if (!answer) return;
    const [one] = answer.items;
    if (!one) this.page.say(answer.state || "No object is left that nobody has answered");
    else {
      await this.page.open(one.object_id);
      this._sayOf(one, `At random: ${one.object_id}`);
    }
  }

  /** Say it only if the object came: a failure has been told already. */
  _sayOf(one, sentence) {
    if (this.page.current?.object_id === one.object_id) this.page.say(sentence);
  }

  /** Open the next of the objects this person skipped, newest first; each comes once in a walk. */
  async revisit() {
    const answer = await this._find({ skipped: 1 });
    if (!answer) return;
    const left = answer.items.filter((one) => !this.walked.has(one.object_id));
    if (!left.length) {
      const n = answer.items.length;
      this.page.say(!n ? answer.state || "You have skipped nothing that still stands"
        : `That was the last; ${n} ${n === 1 ? "object is" : "objects are"} still skipped. Once more begins anew`);
      this.walked.clear();
      return;
    }
    const [one, next] = left;
    this.walked.add(one.object_id);
    if (next) this.page.pictures.get(next.object_id); // decoded by the time it is asked for
    await this.page.open(one.object_id);
    const rest = left.length - 1;
    this._sayOf(one, `You skipped ${one.object_id}; ${rest ? `${rest} more to go back to` : "it is the last"}`);
  }
}

/** "3.2″ away", or "" where no place was asked for. */
function separationInWords(arcsec) {
  if (arcsec === null || arcsec === undefined) return "";
  if (arcsec < 60) return `${arcsec.toFixed(arcsec < 10 ? 1 : 0)}″ away`;
  if (arcsec < 3600) return `${(arcsec / 60).toFixed(1)}′ away`;
  return `${(arcsec / 3600).toFixed(arcsec < 36000 ? 1 : 0)}° away`;
}
