/**
 * Marks drawn over the picture: every line has a dark one under it, so that it is seen on any.
 * Unsaved ones are bold, saved ones plain, those of others thin, suggested ones dashed.
 */

const MARK_SHAPES = {
  nucleus: "M 10 0 A 10 10 0 1 1 -10 0 A 10 10 0 1 1 10 0 M -15 0 H -10 M 10 0 H 15",
  arc: "M -3 -3 H 3 V 3 H -3 Z",
  companion: "M 0 -11 L 11 0 L 0 11 L -11 0 Z",
  artefact: "M -8 -8 L 8 8 M -8 8 L 8 -8",
  other: "M -8 -8 H 8 V 8 H -8 Z",
  cross: "M -14 0 H -4 M 4 0 H 14 M 0 -14 V -4 M 0 4 V 14",
};

class MarkDrawing {
  /** @param {Marking} marking */
  constructor(marking) {
    this.marking = marking;
    this.group = svg("g", { class: "marks" });
    this.drawn = "";
  }

  draw() {
    const { page, marks, suggested, item, on, cross } = this.marking;
    const { overlay, magnification } = page.stage;
    if (!overlay || !(magnification > 0)) return;
    if (this.group.parentNode !== overlay) overlay.append(this.group);
    const layers = [
      ...(item?.marks ?? []).map((one) => [one.marks.map(drawnMark), one.own ? "own" : "others"]),
      [marks, "fresh"], [suggested, "suggested"],
    ];
    if (on && cross) layers.push([[{ kind: "cross", ...cross }], "cross"]);
    const key = JSON.stringify([layers, magnification]);
    if (key === this.drawn) return;
    this.drawn = key;
    // A person's nuclei are numbered on, from what is saved to what is suggested.
    const numbered = layers.filter(([, style]) => style !== "others").flatMap(([list]) => list)
      .filter((mark) => mark.kind === "nucleus");
    const numbers = new Map(numbered.length > 1 ? numbered.map((mark, index) => [mark, index + 1]) : []);
    this.group.replaceChildren(...layers.flatMap(([list, style]) =>
      this._layer(list, style, 1 / magnification, numbers)));
  }

  _layer(list, style, scale, numbers) {
    const there = list.filter((mark) => Number.isFinite(mark.x) && Number.isFinite(mark.y));
    const lines = Map.groupBy(there.filter((mark) => mark.kind === "arc"), (mark) => mark.arc ?? 0);
    const parts = [...lines.values()].map((vertices) => this._doubled("polyline", style, "arc", {
      points: vertices.map((mark) => `${mark.x + 0.5},${mark.y + 0.5}`).join(" "),
    }));
    for (const mark of there) {
      const shape = Object.hasOwn(MARK_SHAPES, mark.kind) ? mark.kind : "other";
      const one = this._doubled("path", style, shape, { d: MARK_SHAPES[shape] });
      one.setAttribute("transform", `translate(${mark.x + 0.5} ${mark.y + 0.5}) scale(${scale})`);
      if (numbers.has(mark)) one.append(this._word(String(numbers.get(mark)), 12, -8));
      if (mark.missed) one.append(this._word("not snapped", 12, 16, "word missed"));
      parts.push(one);
    }
    return parts;
  }

  _word(text, x, y, name = "word") {
    const word = svg("text", { class: name, x, y });
    word.textContent = text;
    return word;
  }

  _doubled(tag, style, shape, options) {
    return svg("g", { class: `mark ${style} ${shape}` }, [
      svg(tag, { ...options, class: "under" }), svg(tag, { ...options, class: "over" }),
    ]);
  }
}

/** A kept mark as this file draws it; one that is only on the sky has no place here. */
function drawnMark(mark) {
  return { kind: String(mark.kind), x: mark.x_px, y: mark.y_px, arc: mark.arc };
}
