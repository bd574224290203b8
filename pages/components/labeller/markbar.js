/** The bar of the marking tool: kinds, what is done with marks, and what was measured. */

const MARK_KINDS = [
  { name: "nucleus", text: "Nucleus", help: "It goes to the peak near the click" },
  { name: "arc", text: "Arc", help: "A line of clicks; choose it again to begin another" },
  { name: "companion", text: "Companion", help: "A neighbour that belongs to it" },
  { name: "artefact", text: "Artefact", help: "What is no sky: a spike, a trail, a ghost" },
];
const MARK_SNAP_HELP = "A nucleus goes to the peak near the click; Shift with a click leaves one where it is";

class MarkBar {
  /** @param {Marking} marking */
  constructor(marking) {
    this.marking = marking;
    this.kinds = new Map(MARK_KINDS.map((kind, index) => [kind.name, this._button(
      [el("kbd", { text: String(index + 1) }), el("span", { class: `swatch ${kind.name}` }), el("span", { text: kind.text })],
      kind.help, () => marking.setKind(kind.name), { "aria-pressed": "false", "aria-keyshortcuts": String(index + 1) },
    )]));
    this.snap = this._button([el("span", { text: "Snap to peak" })], MARK_SNAP_HELP,
      () => marking.setSnap(!marking.snapping), { "aria-pressed": "true" });
    this.remove = this._worded("Remove last", "⌫", "Remove the last mark", () => marking.removeLast());
    this.clear = this._worded("Clear", "", "Remove all unsaved marks", () => marking.clear());
    this.save = this._worded("Save", "↵", "Save the marks of this object", () => marking.save());
    this.close = this._worded("Close", "Esc", "Leave marking; unsaved marks go with your answer", () => marking.stop());
    this.tools = el("div", { class: "markbar", role: "group", "aria-label": "Marking" }, [
      ...this.kinds.values(), this.snap, this.remove, this.clear, this.save, this.close,
    ]);
    this.hint = el("p", {
      class: "faint", text: "Class keys rest while you mark. Click the picture, or move the cross with the arrows (Shift: 5 px) and press Space. Drag a mark to move it.",
    });
    this.measured = el("p", { class: "markpair", role: "status" });
    this.place = el("p", { class: "faint markplace", role: "status" });
    this.element = el("div", { class: "marking", hidden: true }, [this.measured, this.tools, this.hint, this.place]);
  }

  _button(children, help, act, more = {}) {
    return el("button", { type: "button", class: "marktool", title: help, onclick: act, ...more }, children);
  }

  _worded(text, key, help, act) {
    return this._button([key ? el("kbd", { text: key }) : "", el("span", { text })], help, act);
  }

  /** Draw what the tool is set to; `measured` and `place` are sentences, "" for none. */
  draw(measured, place) {
    const { on, kind, snapping, marks } = this.marking;
    this.tools.hidden = !on;
    this.hint.hidden = !on;
    for (const [name, button] of this.kinds) button.setAttribute("aria-pressed", String(name === kind));
    this.snap.setAttribute("aria-pressed", String(snapping));
    for (const button of [this.clear, this.save]) button.disabled = !marks.length;
    const saved = !marks.length && Boolean(this.marking.savedLast);
    this.remove.disabled = !marks.length && !saved;
    this.remove.title = saved ? "Take back the marks that you saved last on this object" : "Remove the last mark";
    this.remove.lastElementChild.textContent = saved ? "Take back saved" : "Remove last";
    for (const [node, text] of [[this.measured, measured], [this.place, place]]) {
      if (node.textContent !== text) node.textContent = text;
    }
  }
}
