/**
 * What is on screen. It builds the elements once and fills them; it decides nothing.
 *
 * Names of classes, ids and notes come from people: they are set by textContent only.
 */

/** Make an element: el("p", {class: "x", text: "hello", onclick: f}, [children]). */
function el(tag, options = {}, children = []) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** A number as a person reads it. */
function readable(value) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en-GB");
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

/** "3 s ago" from seconds. */
function ago(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 1) return "just now";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}

/** Why an object is shown, in words. */
function why(item, task) {
  if (item.hidden) return "This task does not say why an object is shown, so that nothing sways the answer.";
  if (!item.sampler) {
    return item.lease ? "Somebody has begun this one, and more answers are wanted." : "Opened by its id.";
  }
  return task.samplers?.[item.sampler] ?? `Chosen by the sampler ${item.sampler}.`;
}

const HELP = [
  ["1 – 9", "answer with the class on that key (a task may have other keys: they stand on the buttons)"],
  ["D", "don't know: you looked and cannot tell"],
  ["S", "skip: no answer; it goes to somebody else"],
  ["U", "undo the last answer and bring its object back"],
  ["R", "redo what was undone"],
  ["⇧ 1 – 9", "put a tag on or off, where the task has tags"],
  ["⌫", "one question back, where a task asks several"],
  ["F", "flag this object for later; it stays on screen"],
  ["N", "write a note; Enter saves it, Esc leaves it"],
  ["?", "open and close this sheet"],
];

class View {
  /** @param {Record<string, Function>} act what buttons do */
  constructor(act) {
    this.act = act;
    this.buttons = [];
    this.root = el("div", { class: "skysift" });
    this._build();
  }

  _build() {
    const tool = (key, name, action, hint) =>
      el("button", { type: "button", class: "tool", title: hint, onclick: action }, [
        el("kbd", { text: key }), el("span", { text: name }),
      ]);
    this.alert = el("div", { class: "alert", role: "alert", hidden: true });
    this.question = el("h1", { class: "question" });
    this.model = el("span", { class: "model" });
    this.saving = el("span", { class: "saving", role: "status" });
    this.notice = el("span", { class: "notice", role: "status", "aria-live": "polite" });
    this.frame = el("div", { class: "frame" });
    this.square = el("div", { class: "square" }); // with ticks that point at the centre
    this.name = el("span", { class: "object", title: "object_id" });
    this.chips = el("span", { class: "chips" });
    this.link = el("button", {
      type: "button", class: "plain", text: "Copy link", onclick: () => this.act.copyLink(),
    });
    this.answers = el("div", { class: "answers", role: "group", "aria-label": "Answers" });
    this.tags = el("div", { class: "tags", role: "group", "aria-label": "Tags", hidden: true });
    this.note = el("input", {
      class: "note", type: "text", maxlength: 4096, hidden: true, "aria-label": "Note",
      placeholder: "Note on this object: Enter saves, Esc leaves",
    });
    this.tools = el("div", { class: "tools" }, [
      tool("D", "Don't know", () => this.act.unsure(), "You looked and cannot tell"),
      tool("S", "Skip", () => this.act.skip(), "No answer; it goes to somebody else"),
      tool("U", "Undo", () => this.act.undo(), "Take back the last answer"),
      tool("R", "Redo", () => this.act.redo(), "Give the answer again that was undone"),
      tool("F", "Flag", () => this.act.flag(), "Mark for later"),
      tool("N", "Note", () => this.act.note(), "Write a note on this object"),
      tool("?", "Keys", () => this.act.help(), "What the keys do"),
    ]);
    this.why = el("div", { class: "why" });
    this.progress = el("div", { class: "progress" });
    this.columns = el("dl", { class: "columns" });
    this.guideline = el("div", { class: "guidelines" });
    this.strip = el("div", { class: "strip" });
    this.stripNote = el("p", { class: "faint" });
    const panel = (title, body, extra = "") =>
      el("section", { class: `panel ${extra}` }, [el("h2", { text: title }), ...body]);
    this.guidelinePanel = panel("Guideline", [this.guideline]);
    this.columnsPanel = panel("Catalogue", [this.columns]);
    this.neighbours = panel("Most alike", [this.strip, this.stripNote], "neighbours");
    this.sheet = el("dialog", { class: "sheet", "aria-label": "Keys" }, [
      el("h2", { text: "Keys" }),
      el("dl", {}, HELP.flatMap(([key, what]) => [
        el("dt", {}, [el("kbd", { text: key })]), el("dd", { text: what }),
      ])),
      el("p", { class: "faint", text: "Keys rest while you type, and until the picture is on screen." }),
      el("button", { type: "button", class: "tool", text: "Close", onclick: () => this.sheet.close() }),
    ]);
    this.root.append(
      this.alert,
      el("header", { class: "head" }, [
        this.question, el("p", { class: "status" }, [this.notice, this.model, this.saving]),
      ]),
      el("div", { class: "main" }, [
        el("section", { class: "stage", "aria-label": "Object" }, [
          this.frame,
          el("div", { class: "caption" }, [this.name, this.link, this.chips, this.tools]),
          this.answers, this.tags, this.note, this.neighbours,
        ]),
        el("aside", { class: "side" }, [
          panel("Progress", [this.progress]),
          panel("Why this object", [this.why]),
          this.guidelinePanel, this.columnsPanel,
        ]),
      ]),
      this.sheet,
    );
  }

  /** The task's guideline, with what each class is and looks like, and its tags. */
  task(task, address, open) {
    const parts = task.guideline ? [el("p", { class: "guideline", text: task.guideline })] : [];
    task.classes.forEach((one, index) => {
      if (!one.guideline && !one.examples.length) return;
      const part = el("div", { class: `kind c${index + 1}` }, [el("b", { text: one.name })]);
      if (one.colour) part.style.setProperty("--c", one.colour);
      if (one.guideline) part.append(el("p", { class: "guideline", text: one.guideline }));
      part.append(el("div", { class: "examples" }, one.examples.map((id) => el("button", {
        type: "button", class: "near", title: `An example: ${id}`, "aria-label": `Open the example ${id}`,
        onclick: () => open(id),
      }, [el("img", { src: address(id, 64), alt: "", loading: "lazy", draggable: "false" })]))));
      parts.push(part);
    });
    this.guideline.replaceChildren(...parts);
    this.guidelinePanel.hidden = !parts.length;
    this.tags.hidden = !task.tags.length;
    this.tagButtons = task.tags.map((name, index) => el("button", {
      type: "button", class: "tagging", "aria-pressed": "false", onclick: () => this.act.tag(index),
    }, [index < 9 ? el("kbd", { text: `⇧${index + 1}` }) : "", el("span", { text: name })]));
    this.tags.replaceChildren(...this.tagButtons);
    this.tagNames = task.tags;
  }

  /** The question and one button for each answer to it. */
  ask(question, choices, canGoBack) {
    this.question.textContent = question;
    this.buttons = choices.map((one, index) => {
      const button = el("button", {
        type: "button", class: `answer c${index + 1}`, "aria-keyshortcuts": one.key || null,
        title: one.guideline || null,
        "aria-label": `${one.name}${one.key ? `, key ${one.key.toUpperCase()}` : ""}${one.target ? ", the target" : ""}`,
        onclick: () => this.act.label(index),
      }, [
        one.key ? el("kbd", { text: one.key.toUpperCase() }) : "", el("span", { class: "word", text: one.name }),
        one.target ? el("span", { class: "target", text: "target" }) : "",
      ]);
      if (one.colour) button.style.setProperty("--c", one.colour);
      return button;
    });
    const back = canGoBack ? [el("button", {
      type: "button", class: "tool back", title: "One question back", onclick: () => this.act.back(),
    }, [el("kbd", { text: "⌫" }), el("span", { text: "Back" })])] : [];
    this.answers.replaceChildren(...this.buttons, ...back);
  }

  /** Which tags are on. */
  tagged(names) {
    (this.tagButtons ?? []).forEach((button, index) =>
      button.setAttribute("aria-pressed", String(names.has(this.tagNames[index]))));
  }

  enable(on) {
    for (const button of this.buttons) button.disabled = !on;
  }

  flash(index) {
    const button = this.buttons[index];
    if (!button) return;
    button.classList.remove("pressed");
    void button.offsetWidth; // restarts the animation
    button.classList.add("pressed");
  }

  /** Show a decoded picture. */
  picture(img) {
    this.frame.classList.remove("loading");
    this.square.replaceChildren(img);
    this.frame.replaceChildren(this.square);
  }

  /** Show a sentence where the picture would be. */
  message(title, sentence, fraction = null, loading = false, retry = null) {
    this.frame.classList.toggle("loading", loading);
    const parts = [el("p", { class: "title", text: title })];
    if (sentence) parts.push(el("p", { text: sentence }));
    if (fraction !== null) {
      const bar = el("progress", { max: 1, value: fraction, "aria-label": title });
      parts.push(bar);
    }
    if (retry) parts.push(el("button", { type: "button", class: "tool", text: "Try again", onclick: retry }));
    this.frame.replaceChildren(el("div", { class: "message", role: "status" }, parts));
  }

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

  explain(item, task) {
    const lines = [];
    if (item) {
      lines.push(el("p", { text: why(item, task) }));
      if (item.score !== null && item.score !== undefined) {
        const isChance = item.score_kind === "P(target)";
        lines.push(el("p", { class: "score" }, [
          el("span", { text: isChance ? `P(${task.target})` : item.score_kind ?? "score" }),
          isChance ? el("meter", { min: 0, max: 1, value: item.score }) : "",
          el("b", { text: item.score.toFixed(3) }),
        ]));
      }
      if (item.model_version) {
        lines.push(el("p", { class: "faint", text: `Ranked by model ${item.model_version}` }));
      }
    }
    if (task.model?.state) lines.push(el("p", { class: "faint", text: task.model.state }));
    this.why.replaceChildren(...lines);
    const columns = Object.entries(item?.columns ?? {});
    this.columnsPanel.hidden = !columns.length;
    this.columns.replaceChildren(...columns.flatMap(([name, value]) => [
      el("dt", { text: name }), el("dd", { text: readable(value) }),
    ]));
  }

  counts(task) {
    // A blind task tells nobody but its owner how the others answer.
    const counts = task.counts ?? {};
    const most = Math.max(1, ...Object.values(counts));
    const finds = counts[task.target] ?? 0;
    const bars = !task.counts ? [] : task.classes.map((one, index) => {
      const count = counts[one.name] ?? 0;
      const bar = el("i", { class: `c${index + 1}` });
      if (one.colour) bar.style.setProperty("--c", one.colour);
      bar.style.width = `${(100 * count) / most}%`;
      return el("li", {}, [
        el("span", { class: "word", text: one.name }), el("span", { class: "bar" }, [bar]),
        el("b", { text: count.toLocaleString("en-GB") }),
      ]);
    });
    const all = task.n_answers === null ? "" : el("progress", {
      max: task.n_objects, value: task.n_answers, "aria-label": "Objects seen",
    });
    this.progress.replaceChildren(
      el("p", { class: "totals" }, [
        task.counts
          ? el("span", {}, [el("b", { class: "finds", text: String(finds) }), ` ${finds === 1 ? "find" : "finds"}`])
          : el("span", { class: "faint", text: "How the others answer is not shown on this task." }),
        task.n_answers === null ? "" : el("span", { class: "faint", text:
          `${task.n_answers.toLocaleString("en-GB")} of ${task.n_objects.toLocaleString("en-GB")} seen` }),
      ]),
      all, el("ul", {}, bars),
    );
  }

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
    this.saving.dataset.unsaved = n;
    this.saving.className = "saving" + (trouble ? " trouble" : n ? " busy" : "");
    if (!trouble) this.saving.textContent = answers;
    else if (trouble.status === 401) {
      this.saving.textContent =
        `${answers}. This browser is signed out: open your link again in another tab, or ask the `
        + "owner for a new one; answers wait here until then.";
    } else if (n) this.saving.textContent = `${answers}, kept here and sent again. ${trouble.message}`;
    else this.saving.textContent = `${answers}. ${trouble.message} New ones are kept here.`;
    if (others) {
      this.saving.textContent += `. ${others} of somebody else wait here until they sign in again`;
    }
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

  /** The nearest objects; `open` shows one of them. */
  alike(items, note, address, task, open) {
    this.stripNote.textContent = note || "";
    this.stripNote.hidden = !note;
    this.neighbours.hidden = !items.length && !note;
    this.strip.replaceChildren(...items.map((one) => {
      const index = task.classes.findIndex((c) => c.name === one.label);
      return el("button", {
        type: "button", class: "near", title: `${one.object_id}, distance ${one.distance.toFixed(3)}`,
        "aria-label": `Open ${one.object_id}, ${one.label ? `answered ${one.label}` : "no answer"}`,
        onclick: () => open(one.object_id),
      }, [
        el("img", { src: address(one.object_id, 128), alt: "", loading: "lazy", draggable: "false" }),
        el("span", { class: one.label ? `tag c${index + 1}` : "tag none", text: one.label ?? "no answer" }),
      ]);
    }));
  }
}
