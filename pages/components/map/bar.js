/**
 * The controls above the map: colour, find, modes, switches.
 */

const BAR_MODES = [
  ["pan", "Pan", "P", "Drag moves the map; with Shift it draws a lasso"],
  ["lasso", "Lasso", "L", "Draw around objects to select them"],
  ["box", "Box", "B", "Draw a box around objects to select them"],
];

class Bar {
  /** @param {SkyMap} map */
  constructor(map) {
    this.map = map;
    this.colour = el("select", { "aria-label": "Colour by", onchange: () => this._coloured() });
    this.log = this._switch("Log", "A scale of equal factors", (on) => {
      map.kept.set({ log: on });
      map.recolour();
    });
    this.unlabelled = this._switch("Only unlabelled", "Hide objects with an answer", (on) => {
      map.kept.set({ unlabelled: on });
      map.repaint();
    });
    this.passing = this._switch("Only what passes", "Hide objects that do not pass the filter", (on) => {
      map.kept.set({ passing: on });
      map.repaint();
    });
    this.passing.label.hidden = true;
    this.trail = this._switch("Trail", "A line through your last 50 answers", (on) => {
      map.kept.set({ trail: on });
      map.over.again();
    });
    this.modes = BAR_MODES.map(([mode, text, key, title]) => el("button", {
      class: "mode", type: "button", "data-mode": mode, "aria-pressed": "false", title: `${title} (${key})`,
      onclick: () => map.setMode(mode), text,
    }));
    const tool = (text, title, onclick) => el("button", { class: "tool", type: "button", text, title, onclick });
    this.columns = el("details", { class: "menu" });
    this.element = el("div", { class: "bar" }, [
      el("label", { class: "colour" }, [el("span", { text: "Colour by" }), this.colour]),
      this.log.label,
      map.finding.element,
      el("div", { class: "modes", role: "group", "aria-label": "What dragging does" }, this.modes),
      el("div", { class: "tools" }, [
        tool("+", "Closer (+)", () => map.chart.zoom(1.6)),
        tool("−", "Farther (−)", () => map.chart.zoom(1 / 1.6)),
        tool("Whole map", "All of it (0)", () => map.chart.fit()),
        tool("Select view", "Select all that is in view (V)", () => map.selecting.view()),
      ]),
      this.unlabelled.label,
      this.passing.label,
      this.trail.label,
      el("div", { class: "tools" }, [
        this.columns,
        tool("PNG", "Save the view as a picture", () => savePicture(map)),
      ]),
    ]);
  }

  _switch(text, title, changed) {
    const input = el("input", { type: "checkbox", onchange: () => changed(input.checked) });
    return { input, label: el("label", { class: "switch", title }, [input, el("span", { text })]) };
  }

  /** What may be chosen came. @param {object} told of /api/map */
  tell(told) {
    const { kept } = this.map;
    const isColumn = (one) => one.by.startsWith("column:");
    const options = (list) => list.map((one) => el("option", { value: one.by, text: one.title }));
    const group = (label, list) => (list.length ? [el("optgroup", { label }, options(list))] : []);
    this.colour.replaceChildren(
      ...options(told.colourings.filter((one) => !isColumn(one))),
      ...group("Catalogue", told.colourings.filter(isColumn)),
    );
    this.unlabelled.input.checked = kept.unlabelled;
    this.passing.input.checked = kept.passing;
    this.trail.input.checked = kept.trail;
    this._menu(told);
    this.coloured();
  }

  /** A filter came or went. */
  filtered() {
    this.passing.label.hidden = !this.map.filtering.isOn;
  }

  /** Show which colouring is in use. */
  coloured() {
    const { map } = this;
    if (!map.told) return;
    const one = map.colouring;
    this.colour.value = one.by;
    this.log.input.checked = map.kept.log;
    this.log.label.hidden = one.kind !== "numbers";
  }

  _coloured() {
    this.map.legend.reset();
    this.map.kept.set({ by: this.colour.value });
    this.coloured();
    this.map.recolour();
  }

  _menu(told) {
    const { map } = this;
    const chosen = () => [...this.columns.querySelectorAll("input")].filter((one) => one.checked)
      .map((one) => one.value);
    const boxes = told.columns.map((name) => {
      const input = el("input", {
        type: "checkbox", value: name, checked: map.cardColumns.includes(name),
        onchange: () => map.chooseColumns(chosen()),
      });
      return el("label", { class: "switch" }, [input, el("span", { text: name })]);
    });
    const empty = el("p", { class: "faint", text: "The catalogue has no columns." });
    this.columns.replaceChildren(
      el("summary", { class: "tool", text: "Card", title: "Columns on the card of an object" }),
      el("div", { class: "choices" }, boxes.length ? boxes : [empty]),
    );
  }

  mode(mode) {
    for (const one of this.modes) one.setAttribute("aria-pressed", String(one.dataset.mode === mode));
  }
}

/** The view as a PNG: ground, points and what lies over them. @param {SkyMap} map */
function savePicture(map) {
  const { chart, over, plot } = map;
  if (!chart.isOpen) return;
  const { surface: canvas } = chart;
  const picture = el("canvas", { width: canvas.width, height: canvas.height });
  const pen = picture.getContext("2d");
  pen.fillStyle = getComputedStyle(plot).backgroundColor;
  pen.fillRect(0, 0, picture.width, picture.height);
  pen.drawImage(canvas, 0, 0);
  over.draw();
  pen.drawImage(over.element, 0, 0, picture.width, picture.height);
  picture.toBlob((blob) => {
    if (!blob) {
      map.say("The browser could not make a picture of the map");
      return;
    }
    const link = el("a", { href: URL.createObjectURL(blob), download: `map-${map.told.survey}-${map.told.map}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }, "image/png");
}
