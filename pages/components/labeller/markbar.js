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
    this.suggest = this._worded("Suggest", " ", "Look for nuclei; once more accepts them", () => marking.suggest());
    this.suggestKey = this.suggest.firstElementChild;
    this.clear = this._worded("Clear", "", "Remove all unsaved marks", () => marking.clear());
    this.save = this._worded("Save", "↵", "Save the marks of this object", () => marking.save());
    this.close = this._worded("Close", "Esc", "Leave marking; unsaved marks go with your answer", () => marking.stop());
    this.tools = el("div", { class: "markbar", role: "group", "aria-label": "Marking" }, [
      el("div", { class: "markrow" }, [...this.kinds.values()]),
      el("div", { class: "markrow" }, [this.snap, this.suggest, this.remove, this.clear, this.save, this.close]),
    ]);
    this.hint = el("p", {
      class: "faint markhint", text: "Class keys rest while you mark. Click the picture, or move the cross with the arrows (Shift: 5 px) and press Space. Drag a mark to move it.",
    });
    this.measured = el("p", { class: "markpair", role: "status" });
    this.place = el("p", { class: "faint markplace", role: "status" });
    this.notes = el("p", { class: "faint marknotes", role: "status" });
    marking.page.stage.foot.append(this.measured);
    this.box = el("div", { class: "markbox" }, [this.tools, this.notes, this.place, this.hint]);
    this.element = el("div", { class: "marking", hidden: true }, [this.box]);
    new ResizeObserver(() => this._makeRoom()).observe(this.box);
  }

  /** Tell the side column how much of it the bar takes. */
  _makeRoom() {
    const height = this.box.offsetHeight;
    this.marking.page.root.style.setProperty("--marking", height ? `calc(${height}px + 1rem)` : "0px");
  }

  _button(children, help, act, more = {}) {
    return el("button", { type: "button", class: "marktool", title: help, onclick: act, ...more }, children);
  }

  _worded(text, key, help, act) {
    return this._button([key ? el("kbd", { text: key }) : "", el("span", { text })], help, act);
  }

  /** Draw what the tool is set to and what was measured; `place` is a sentence, "" for none. */
  draw(place) {
    const { on, kind, snapping, marks, page, suggested } = this.marking;
    this.element.hidden = !on;
    for (const [name, button] of this.kinds) button.setAttribute("aria-pressed", String(name === kind));
    this.snap.setAttribute("aria-pressed", String(snapping));
    for (const button of [this.clear, this.save]) button.disabled = !marks.length;
    const saved = !marks.length && Boolean(this.marking.savedLast);
    this.remove.disabled = !marks.length && !saved;
    this.remove.title = saved ? "Take back the marks that you saved last on this object" : "Remove the last mark";
    this.remove.lastElementChild.textContent = saved ? "Take back saved" : "Remove last";
    this.suggest.lastElementChild.textContent = suggested.length ? "Accept" : "Suggest";
    this.suggestKey.textContent = page.keymap?.keyOf("suggest") ?? "";
    this.suggestKey.hidden = !this.suggestKey.textContent;
    const measured = this._measured();
    const notes = this._notes();
    const said = on ? [[this.measured, measured], [this.notes, notes]]
      : [[this.measured, [...measured, ...notes]], [this.notes, []]];
    for (const [node, words] of [...said, [this.place, [place]]]) {
      const text = words.join(" ");
      if (node.textContent !== text) node.textContent = text;
    }
  }

  /** What was measured, in sentences. */
  _measured() {
    const { marks, suggested, pair, on, measuring, savedNuclei: saved } = this.marking;
    const said = [];
    if (suggested.length > 1) said.push("Suggested:");
    else if (marks.length && !on) said.push(`${markCount(marks.length)} unsaved.`);
    const begun = marks.length || suggested.length;
    const second = saved.findLastIndex((mark) => Number.isFinite(mark.separation_px));
    const known = begun ? pair : saved[second] ?? null;
    // Measured are the first two of those that are new, or of those that were saved together.
    const first = begun ? this._firstNew() : second;
    const all = saved.length + nucleiOf(marks).length + suggested.length;
    if (known) said.push((all > 2 ? `Nuclei ${first} and ${first + 1}: ` : "") + markPairWords(known));
    else if (measuring) said.push("Measuring …");
    return said;
  }

  /** Number of the first nucleus that the measurement is about. */
  _firstNew() {
    const { marks, suggested, savedNuclei } = this.marking;
    return 1 + savedNuclei.length + (suggested.length ? nucleiOf(marks).length : 0);
  }

  /** What is to be said of the measurement, in short sentences. */
  _notes() {
    const { marks, suggested, notes, savedLast, on, item } = this.marking;
    if (!marks.length && !suggested.length) return [];
    const own = (item?.marks ?? []).filter((one) => one.own).flatMap((one) => one.marks);
    const adds = savedLast && on ? [`Saving adds to the ${markCount(own.length)} you saved before.`] : [];
    return [...adds, ...markNotes(notes, this._firstNew())];
  }
}

function nucleiOf(marks) {
  return marks.filter((mark) => mark.kind === "nucleus");
}

/**
 * What the server says of a measurement, each thing once: of several points that stayed where
 * they were put it gives the same sentence again and again.
 * @param {number} first number of its first point on the picture
 */
function markNotes(notes, first) {
  const byText = new Map();
  for (const note of notes) {
    const [, place, text] = /^Point (\d+): (.*)$/s.exec(note) ?? [null, null, note];
    if (!byText.has(text)) byText.set(text, []);
    if (place) byText.get(text).push(first - 1 + Number(place));
  }
  return [...byText].map(([text, places]) => {
    if (!places.length) return text;
    const [why, stays] = text.split("; the mark stays");
    return stays === undefined ? `${places.join(", ")}: ${text}` : `${places.join(", ")} not snapped. ${why}.`;
  });
}
