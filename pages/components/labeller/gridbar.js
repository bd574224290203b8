/**
 * What stands above and below the grid's cells: what all start as, the size, the outlined object,
 * the answers as buttons, and the confirmation with its counts.
 */

const GRID_SIDES = [3, 4, 5, 6, 7, 8];

class GridBar {
  /** @param {Grid} grid */
  constructor(grid) {
    this.grid = grid;
    this.page = grid.page;
    this._buildHead();
    this._buildFoot();
  }

  _buildHead() {
    const { grid } = this;
    this.common = el("select", {
      class: "gridcommon", "aria-label": "Class that all start as",
      onchange: () => grid.setCommon(this.common.value),
    });
    this.side = el("select", {
      "aria-label": "Size of the grid", onchange: () => grid.setSide(Number(this.side.value)),
    }, GRID_SIDES.map((n) => el("option", { value: n, text: `${n} × ${n}` })));
    this.head = el("div", { class: "gridhead" }, [
      el("label", {}, [el("span", { text: "All start as" }), this.common]),
      el("label", {}, [el("span", { text: "Size" }), this.side]),
    ]);
  }

  _buildFoot() {
    const { grid } = this;
    this.pointed = el("p", { class: "gridpointed" });
    this.brushes = el("div", { class: "brushes", role: "group", "aria-label": "Answer of the outlined object" });
    this.tally = el("span", { class: "tally" });
    this.confirm = el("button", {
      type: "button", class: "confirm", "aria-keyshortcuts": "Enter", disabled: true,
      onclick: () => grid.confirm(),
    }, [el("kbd", { text: "Enter" }), this.tally]);
    this.undoKey = el("kbd");
    this.undo = el("button", { type: "button", class: "tool", onclick: () => this.page.act("undo") }, [
      this.undoKey, el("span", { text: "Undo page" }),
    ]);
    this.left = el("p", { class: "faint gridleft", role: "status" });
    this.foot = el("div", { class: "gridfoot" }, [
      el("div", { class: "gridacts" }, [this.confirm, this.undo]), this.pointed, this.brushes, this.left,
    ]);
  }

  /** The classes to choose from. */
  task(task) {
    this.common.replaceChildren(...task.classes.map((one) => el("option", { value: one.name, text: one.name })));
    this.keys();
  }

  /** One button for each answer: what the keys do, for fingers. */
  keys() {
    const { grid, page } = this;
    if (!page.task) return;
    const brush = (key, name, colour, act) => {
      const button = el("button", {
        type: "button", class: "brush",
        onclick: (event) => {
          act();
          if (event.detail) grid.focus(); // a mouse goes on with the keys
        },
      }, [key ? el("kbd", { text: key }) : "", el("span", { text: name })]);
      if (colour) button.style.setProperty("--c", colour);
      return button;
    };
    this.undoKey.textContent = page.keymap.keyOf("undo");
    this.undoKey.hidden = !this.undoKey.textContent;
    const { classes } = page.task;
    this.brushes.replaceChildren(
      ...classes.map((one) => brush((one.key ?? "").toUpperCase(), one.name, gridColour(classes, one.name),
        () => grid.choosing.choose({ action: "label", class_name: one.name }))),
      ...["unsure", "skip", "flag", "moreLike"].map((name) => brush(
        page.keymap.keyOf(name), ACTION_BY_NAME.get(name).text, "", () => page.act(name))),
    );
  }

  /** Say which cell the keys are for. */
  point(cell) {
    const fault = cell?.picture?.state === "failed" ? ` No picture: ${cell.picture.error}` : "";
    this.pointed.textContent = cell?.item
      ? `${cell.item.object_id}: ${choiceInWords(cell.choice)}.${fault}` : "";
  }

  /** Say what a confirmation would record, and what it leaves out. */
  draw() {
    const { grid } = this;
    const { classes } = this.page.task;
    const ready = grid.cells.filter((cell) => cell.ready);
    const said = gridTally(classes, ready.map((cell) => cell.choice));
    this.tally.textContent = said ? `Confirm ${said}` : "Confirm";
    const faults = grid.cells.filter((cell) => cell.faulty).length;
    this.undo.disabled = !grid.undoer.pages.length;
    this.confirm.disabled = !(ready.length || faults) || !this.page.mayWrite();
    const waiting = grid.cells.filter((cell) => cell.item && !cell.ready && !cell.faulty).length;
    const lines = [];
    if (waiting) lines.push(`${waiting} not seen yet: ${waiting === 1 ? "it stays" : "they stay"} for the next page.`);
    if (faults) lines.push(`${faults} without a picture: left out unless skipped.`);
    if (grid.starved() && grid.lack) lines.push(grid.lack);
    const words = lines.join(" ");
    if (this.left.textContent !== words) this.left.textContent = words;
    this.side.value = String(grid.side);
    this.common.value = grid.common.class_name;
    this.common.style.setProperty("--c", gridColour(classes, grid.common.class_name));
  }
}

/** "61 ordinary, 3 dual, 1 don't know", in class order. */
function gridTally(classes, choices) {
  const counts = new Map(classes.map((one) => [one.name, 0]));
  for (const choice of choices) {
    const word = choiceInWords(choice);
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].filter(([, n]) => n).map(([word, n]) => `${n} ${word}`).join(", ");
}

/** The class of most answers so far that is not looked for. */
function usualClass(task) {
  const others = task.classes.filter((one) => !task.targets.includes(one.name));
  const count = (one) => task.counts?.[one.name] ?? 0;
  return (others.length ? others : task.classes).reduce((a, b) => (count(b) > count(a) ? b : a)).name;
}

/** The colour of a class: its own, or that of its place. */
function gridColour(classes, name) {
  const index = classes.findIndex((one) => one.name === name);
  return classes[index]?.colour || `var(--c${(index % 9) + 1})`;
}
