/**
 * How the page is laid out, and what is on it that no other part draws. It decides nothing.
 */

const PICTURE_SHOWN = ["mark", "panel"]; // beside the object's name
const ACTS_SHOWN = ["unsure", "skip", "undo", "redo", "flag", "note", "confidence"]; // under it
const PLACES_SHOWN = ["jump", "random", "revisit", "settings", "help"];
const MODE_NAMES = { one: "One", grid: "Grid", compare: "Compare", blink: "Blink" };

class View {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.buttons = [];
    this.root = el("div", { class: "skysift", "data-mode": "one" });
    this._build();
  }

  _build() {
    const { page } = this;
    this.alert = el("div", { class: "alert", role: "alert", hidden: true });
    this.question = el("h1", { class: "question" });
    this.model = el("span", { class: "model" });
    this.saving = el("span", { class: "saving", role: "status" });
    this.notice = el("span", { class: "notice", role: "status", "aria-live": "polite" });
    this.name = el("span", { class: "object", title: "object_id" });
    this.chips = el("span", { class: "chips" });
    this.link = el("button", {
      type: "button", class: "plain", text: "Copy link", onclick: () => page.act("copyLink"),
    });
    this.answers = el("div", { class: "answers", role: "group", "aria-label": "Answers" });
    this.tags = el("div", { class: "tags", role: "group", "aria-label": "Tags", hidden: true });
    this.note = el("input", {
      class: "note", type: "text", maxlength: 4096, hidden: true, "aria-label": "Note",
      placeholder: "Note on this object: Enter saves, Esc leaves",
      onkeydown: (event) => this._noteKey(event),
    });
    this.tools = new Map(["moreLike", ...PICTURE_SHOWN, ...ACTS_SHOWN, ...PLACES_SHOWN].map((name) => [name, this._tool(name)]));
    const row = (names, label) => el("div", { class: `tools ${label.toLowerCase().replace(" ", "-")}`, role: "group", "aria-label": label },
      names.map((name) => this.tools.get(name)));
    this.modeButtons = new Map(MODES.map((name) => [name, el("button", {
      type: "button", class: "mode", "aria-pressed": String(name === "one"), "data-mode": name,
      onclick: () => page.setMode(name),
    }, [name === "one" ? "" : el("kbd"), el("span", { text: MODE_NAMES[name] })])]));
    this.path = el("p", { class: "path", hidden: true });
    this.root.append(
      this.alert,
      el("header", { class: "head" }, [
        this.question, el("p", { class: "status" }, [this.notice, this.model, this.saving]),
        el("div", { class: "topbar" }, [
          el("div", { class: "modes", role: "group", "aria-label": "Mode" }, [...this.modeButtons.values()]),
          ...this._elementsOf(page.session.line), row(PLACES_SHOWN, "This page"),
        ]),
        ...this._elementsOf(page.ahead, page.tabs, page.session.notice),
      ]),
      el("div", { class: "main" }, [
        el("section", { class: "stage", "aria-label": "Object" }, [
          el("div", { class: "looking" }, [page.stage.element, ...this._elementsOf(page.compare)]),
          ...this._elementsOf(page.blink, page.grid),
          el("div", { class: "caption" }, [
            this.name, this.link, this.tools.get("moreLike"), this.chips, row(PICTURE_SHOWN, "Picture"),
          ]),
          row(ACTS_SHOWN, "Acts"),
          this.note, ...this._elementsOf(page.marking, page.palette),
          this.path, this.answers, this.tags, ...this._elementsOf(page.beside.strip),
        ]),
        ...this._elementsOf(page.beside),
      ]),
      ...this._elementsOf(page.session, page.sheet, page.jump, page.settings),
    );
  }

  /** The elements of parts (or elements themselves) that have something to show. */
  _elementsOf(...parts) {
    return parts.map((part) => (part instanceof Node ? part : part?.element)).filter(Boolean);
  }

  _tool(name) {
    const action = ACTION_BY_NAME.get(name);
    return el("button", {
      type: "button", class: "tool", title: action.help, "data-act": name,
      onclick: () => this.page.act(name),
    }, [el("kbd"), el("span", { text: action.text })]);
  }

  /** Keys as they are now, on every button of this part. */
  keys() {
    const { keymap } = this.page;
    const put = (button, name) => {
      const key = keymap.keyOf(name);
      const label = button.querySelector("kbd");
      if (label) {
        label.textContent = key;
        label.hidden = !key;
      }
      const shortcut = keymap.shortcut(name);
      if (shortcut) button.setAttribute("aria-keyshortcuts", shortcut);
      else button.removeAttribute("aria-keyshortcuts");
    };
    for (const [name, button] of this.tools) put(button, name);
    for (const [name, button] of this.modeButtons) {
      if (name === "one") continue;
      put(button, name);
      button.title = `${ACTION_BY_NAME.get(name).help} (${keymap.keyOf(name) || "no key"})`;
    }
  }

  mode(name) {
    this.root.dataset.mode = name;
    for (const [mode, button] of this.modeButtons) button.setAttribute("aria-pressed", String(mode === name));
  }

  /** The dialog that is open in this page, if any. */
  openDialog() {
    return this.root.querySelector("dialog[open]");
  }

  // What is asked

  task(task) {
    this.tags.hidden = !task.tags.length;
    this.tagNames = task.tags;
    this.tagButtons = task.tags.map((name, index) => el("button", {
      type: "button", class: "tagging", "aria-pressed": "false",
      onclick: () => this.page.answers.tag(index),
    }, [index < 9 ? el("kbd", { text: `⇧${index + 1}` }) : "", el("span", { text: name })]));
    this.tags.replaceChildren(...this.tagButtons);
    this.modeButtons.get("grid").disabled = Boolean(task.tree);
    this.modeButtons.get("blink").hidden = !this.page.hasPictures;
    for (const name of PICTURE_SHOWN) this.tools.get(name).hidden = !this.page.hasPictures;
    const looksOnly = task.role === "viewer";
    for (const name of ["unsure", "skip", "undo", "redo", "flag", "note", "mark", "confidence", "moreLike"]) {
      this.tools.get(name).disabled = looksOnly;
    }
  }

  /** The question and one button for each answer to it. */
  ask(question, choices, canGoBack) {
    this.question.textContent = question;
    const { path } = this.page.answers.questions;
    this.path.hidden = !this.page.task.tree;
    this.path.replaceChildren(
      ...path.map(([, answer]) => el("span", { class: "step", text: answer })), el("b", { text: question }));
    const asked = JSON.stringify([choices, canGoBack]);
    if (asked === this.asked) return; // the same question of the next object: nothing to draw
    this.asked = asked;
    this.buttons = choices.map((one, index) => {
      const button = el("button", {
        type: "button", class: `answer c${index + 1}`, "aria-keyshortcuts": one.key || null,
        title: one.guideline || null, disabled: true,
        "aria-label": `${one.name}${one.key ? `, key ${one.key.toUpperCase()}` : ""}${one.target ? ", the target" : ""}`,
        onclick: () => this.page.answers.label(index),
      }, [
        one.key ? el("kbd", { text: one.key.toUpperCase() }) : "", el("span", { class: "word", text: one.name }),
        one.target ? el("span", { class: "target", text: "target" }) : "",
      ]);
      if (one.colour) button.style.setProperty("--c", one.colour);
      return button;
    });
    const back = canGoBack ? [el("button", {
      type: "button", class: "tool back", title: "One question back", onclick: () => this.page.act("back"),
    }, [el("kbd", { text: "⌫" }), el("span", { text: "Back" })])] : [];
    this.answers.replaceChildren(...this.buttons, ...back);
  }

  /** Which tags are on. */
  tagged(names) {
    (this.tagButtons ?? []).forEach((button, index) =>
      button.setAttribute("aria-pressed", String(names.has(this.tagNames[index]))));
  }

  /** How sure the next answer is, or null. */
  confidence(word) {
    const button = this.tools.get("confidence");
    button.lastElementChild.textContent = word ? `Confidence: ${word}` : "Confidence";
    button.classList.toggle("on", Boolean(word));
  }

  enable(on) {
    for (const button of this.buttons) button.disabled = !on;
  }

  flash(index) {
    this.buttons[index]?.animate?.(
      [{ backgroundColor: "var(--c)" }, {}],
      { duration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 250 });
  }

  // The object

  caption(item, task) {
    this.name.textContent = item ? item.object_id : "";
    this.link.hidden = !item;
    const chips = [];
    if (item?.control) chips.push(el("span", { class: "chip control", text: "control" }));
    if (item?.flagged) chips.push(el("span", { class: "chip flag", text: "flagged" }));
    if (item?.label) {
      const index = task.classes.findIndex((one) => one.name === item.label);
      chips.push(el("span", { class: `chip c${index + 1}`, text: `answered: ${item.label}` }));
    }
    for (const note of item?.notes ?? []) chips.push(el("span", { class: "chip", text: `“${note}”` }));
    this.chips.replaceChildren(...chips);
  }

  openNote() {
    if (!this.page.ready(false)) return;
    this.noteFor = this.page.current;
    this.note.hidden = false;
    this.note.focus();
  }

  closeNote() {
    this.noteFor = null;
    if (this.note.hidden) return;
    this.note.value = "";
    this.note.blur();
    this.note.hidden = true;
  }

  /** Keep what is written, for the object that it was written for. */
  finishNote() {
    const text = this.note.value.trim();
    const item = this.noteFor;
    this.closeNote();
    if (text && item) this.page.answers.note(text, item);
  }

  _noteKey(event) {
    if (event.key === "Escape") this.closeNote();
    if (event.key === "Enter" && !event.isComposing) this.finishNote();
  }

  // The state

  modelLine(model, ageSeconds) {
    this.model.textContent = model
      ? `Model ${model.version}, `
        + (model.n_labels === null ? "" : `trained on ${model.n_labels} ${model.n_labels === 1 ? "answer" : "answers"}, `)
        + ago(ageSeconds) + (model.seconds ? ` (took ${readable(Number(model.seconds.toPrecision(2)))} s)` : "")
      : "No ranking yet";
  }

  /**
   * How many answers are not yet acknowledged, and why.
   * @param {ApiError|null} unreachable why the server could not even be asked
   */
  unsaved(outbox, unreachable) {
    const others = outbox.ofOthers;
    const n = outbox.size - others;
    const trouble = outbox.trouble ?? unreachable;
    const answers = n ? `${n} unsaved ${n === 1 ? "answer" : "answers"}` : "All answers saved";
    let said = answers;
    if (trouble?.status === 401) {
      said = `${answers}. This browser is signed out: open your link again in another tab, or ask the `
        + "owner for a new one; answers wait here until then.";
    } else if (trouble && n) said = `${answers}, kept here and sent again. ${trouble.message}`;
    else if (trouble) said = `${answers}. ${trouble.message} New ones are kept here.`;
    if (others) said += `. ${others} of somebody else wait here until they sign in again`;
    if (outbox.warning) said += `. ${outbox.warning}`;
    this.saving.dataset.unsaved = n;
    this.saving.className = "saving" + (trouble ? " trouble" : n ? " busy" : "");
    if (this.saving.textContent !== said) this.saving.textContent = said;
  }

  /** The unmistakable banner: answers that cannot be saved. */
  failures(list, dismiss) {
    this.alert.hidden = !list.length;
    this.alert.replaceChildren(
      ...list.map((one) => el("p", {}, [
        el("b", { text: `${one.title}. ` }), one.message,
      ])),
      ...(list.length ? [el("button", { type: "button", class: "tool", text: "Dismiss", onclick: dismiss })] : []),
    );
  }
}
