/**
 * The panel that sets the look, and the line that says what it is while it is not the default.
 */

const PALETTE_OFFERED = ["stretch", "limits", "map"]; // at rest a choice changes the colours, too
const PALETTE_IDLE = "Without effect on these colours; a choice here changes to channels or one band";
const PALETTE_NAMES = { red: "Red", green: "Green", blue: "Blue" };
/** When a field that is at rest has an effect. */
const PALETTE_WHEN = {
  band: "With the colours “one band”", percent: "With limits by “another %”",
  low: "With “fixed” limits", high: "With “fixed” limits",
  red: "With Lupton's colours and channels", green: "With Lupton's colours and channels",
  blue: "With Lupton's colours and channels", q: "With Lupton's colours", soft: "With Lupton's colours",
};

class Palette {
  /** @param page the Labeller */
  constructor(page) {
    this.page = page;
    this.controls = new Map();
    this.rows = new Map();
    this.hints = new Map();
    this._build();
    page.register({ panel: () => this.toggle() });
  }

  // The page tells

  task(task) {
    this.element.hidden = !this.page.hasPictures;
    this.options("band", (task.bands ?? []).map((name) => [name, name]));
    for (const name of ["red", "green", "blue"]) {
      this.options(name, [["", "automatic"], ...(task.bands ?? []).map((one) => [one, one])]);
    }
    this.options("map", this.page.look.mapNames.map((name) => [name, name]));
    const many = (task.bands ?? []).length > 1;
    for (const option of this.controls.get("colour").options) {
      option.hidden = !many && ["lupton", "channels"].includes(option.value);
    }
    for (const name of [...Object.keys(PALETTE_NAMES), "q", "soft"]) this.rows.get(name).hidden = !many;
    this.draw();
  }

  preferences() {
    this.open(this.page.preference("panels", {})?.palette === true, false);
  }

  /** The line lies over the picture; where many are on screen, above the panel. */
  mode(name) {
    if (name === "grid") this.element.prepend(this.line);
    else this.page.stage.foot.prepend(this.line);
  }

  keysChanged() {
    for (const [action, badge] of this.badges) {
      badge.textContent = this.page.keymap.keyOf(action);
      badge.hidden = !badge.textContent;
    }
  }

  toggle() {
    this.open(this.panel.hidden);
  }

  /** Open or close the panel; it stays so for this person. */
  open(on, keep = true) {
    this.panel.hidden = !on;
    if (keep) this.page.prefer("panels", { ...this.page.preference("panels", {}), palette: on });
    this.draw();
  }

  // Building

  _build() {
    const words = (name) => Object.entries(LOOK_WORDS[name]);
    const limits = [
      ["minmax", "min max"], ...LOOK_PERCENTS.map((percent) => [`percentile ${percent}`, `${percent} %`]),
      ["percentile", "another %"], ["zscale", "zscale"], ["survey", "survey"], ["fixed", "fixed"],
    ];
    this.swatch = el("canvas", { class: "swatch", width: 256, height: 1, "aria-hidden": "true" });
    // Two or three in a line, each always in the same place.
    const look = [
      this._select("colour", "Colours", words("colour")), this._select("band", "Band", []),
      ...Object.entries(PALETTE_NAMES).map(([name, title]) => this._select(name, title, [])),
      this._select("stretch", "Stretch", words("stretch")), this._select("limits", "Limits", limits),
      this._number("percent", "Per cent", "Share of the pixels between the limits, 50 to 100", 0.1),
      this._number("low", "Low", "Black, in the data's units", "any"),
      this._number("high", "High", "White, in the data's units", "any"),
      this._select("map", "Colour map", []), this.swatch,
      this._number("contrast", "Contrast", "0 to 10; or drag up and down with the right button", 0.1),
      this._number("bias", "Bias", "0 to 1; or drag left and right with the right button", 0.01),
      this._number("smooth", "Smooth", "Gaussian sigma in pixels, 0 to 10", 0.5),
      this._select("residual", "Residual", words("residual")),
      this._number("q", "Q", "Lupton's Q: how early bright parts are held down", 1),
      this._number("soft", "Soft", "Brightness where the stretch bends, in the data's units; empty follows the noise", "any"),
    ];
    for (const name of ["colour", "band", "stretch", "limits", "map"]) this.rows.get(name).classList.add("half");
    const { page } = this;
    /** Key caps by action. @type {Map<string, HTMLElement>} */
    this.badges = new Map();
    const badge = (action) => {
      const cap = el("kbd", { "aria-hidden": "true", hidden: true });
      this.badges.set(action, cap);
      return cap;
    };
    const press = (action) => () => page.act(action);
    const toggle = (name, text, hint, act = null) => {
      const button = el("button", {
        type: "button", class: "switch", "aria-pressed": "false", title: hint, onclick: act ?? press(name),
      }, [act ? "" : badge(name), el("span", { text })]);
      this.controls.set(name, button);
      return button;
    };
    const step = (text, label, action) => el("button", {
      type: "button", class: "switch", "aria-label": label, title: label, onclick: press(action),
    }, [badge(action), el("span", { text })]);
    this.controls.set("next", el("select", {
      onchange: (event) => page.stage.set({ next: event.target.value }),
    }, Object.entries(STAGE_NEXT).map(([value, text]) => el("option", { value, text }))));
    this.levelOut = el("button", { type: "button", class: "switch", text: "Reset contrast", hidden: true,
      onclick: () => page.look.set({ contrast: null, bias: null }) });
    const acts = el("div", { class: "acts", role: "group", "aria-label": "Acts on the picture" }, [
      toggle("invert", "Invert", "Dark on light"),
      toggle("contrastTool", "Drag contrast", "Dragging with the left button or a finger changes contrast and bias",
        () => page.stage.setContrastTool(!page.stage.contrastTool)),
      this.levelOut,
      toggle("crosshair", "Crosshair", "Lines through the cursor"),
      toggle("pixels", "Real pixels", "Pixels as they are, not smoothed"),
      el("span", { class: "zooms", role: "group", "aria-label": "Zoom" }, [
        step("Out", "Zoom out", "zoomOut"), step("Fit", "Fit the picture", "zoomFit"), step("In", "Zoom in", "zoomIn"),
      ]),
      step("Reset", "Reset: the picture as the survey draws it", "resetLook"),
      el("label", { class: "field inline" }, [el("span", { text: "Next object" }), this.controls.get("next")]),
    ]);
    this.note = el("p", { class: "faint palettenote" });
    this.panel = el("div", { class: "controls", hidden: true }, [el("div", { class: "fields" }, look), this.note, acts]);
    new ResizeObserver(() => this._makeRoom()).observe(this.panel);
    this.words = el("span", { class: "words" });
    this.line = el("p", { class: "look", hidden: true }, [
      this.words, el("button", { type: "button", class: "plain", text: "Reset", "aria-label": "Reset the picture's look",
        onpointerdown: (event) => event.stopPropagation(), // it is no press on the picture
        onclick: press("resetLook") }),
    ]);
    page.stage.foot.append(this.line);
    this.element = el("section", { class: "palette", "aria-label": "Picture settings" }, [this.panel]);
  }

  /** Tell the side column how much of it the panel takes. */
  _makeRoom() {
    const height = this.panel.offsetHeight;
    this.page.root.style.setProperty("--palette", height ? `calc(${height}px + 1rem)` : "0px");
  }

  _field(name, title, control, hint) {
    const row = el("label", { class: "field", title: hint || null }, [el("span", { text: title }), control]);
    this.controls.set(name, control);
    this.rows.set(name, row);
    this.hints.set(name, hint);
    return row;
  }

  _select(name, title, options) {
    const control = el("select", { "data-look": name }, options.map(([value, text]) => el("option", { value, text })));
    let byPointer = false;
    control.addEventListener("pointerdown", () => { byPointer = true; });
    control.addEventListener("keydown", () => { byPointer = false; });
    control.addEventListener("change", () => {
      this._chosen(name, control.value);
      if (byPointer) control.blur(); // the keys belong to the answers again
    });
    return this._field(name, title, control);
  }

  _number(name, title, hint, step) {
    const [min, max] = LOOK_RANGES[name];
    const bounds = Math.abs(max) < 1e6 ? { min, max } : {};
    const control = el("input", { type: "number", "data-look": name, step, inputmode: "decimal", ...bounds });
    control.addEventListener("change", () => this._typed(name, control));
    control.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === "Escape") control.blur();
    });
    return this._field(name, title, control, hint);
  }

  /** Replace what a select offers. @param {[string, string][]} choices value and text */
  options(name, choices) {
    const control = this.controls.get(name);
    const now = [...control.options].map((one) => [one.value, one.text]);
    if (JSON.stringify(now) === JSON.stringify(choices)) return; // an open list stays open
    control.replaceChildren(...choices.map(([value, text]) => el("option", { value, text })));
  }

  // Setting

  _chosen(name, value) {
    const { look } = this.page;
    if (name === "limits") {
      const [limits, percent] = value.split(" ");
      look.set({ ...look.showing("limits"), limits, ...(percent ? { percent: Number(percent) } : {}),
        ...(limits === "fixed" ? this._ends() : {}) });
      if (limits === "fixed") this.controls.get("low").focus();
    } else if (["stretch", "map"].includes(name)) {
      look.set({ ...look.showing(name), [name]: value });
    } else {
      look.set({ [name]: value === "" ? null : value });
    }
  }

  /** Ends to begin with: those of the pixels, where they are known already. */
  _ends() {
    const { look, stage } = this.page;
    if (look.get("low") !== null || look.get("high") !== null) return {};
    return stage.readout.range(look.isSingle() ? look.get("band") ?? look.middleBand : null) ?? {};
  }

  _typed(name, control) {
    const { look } = this.page;
    const [least, most] = LOOK_RANGES[name];
    const text = control.value.trim();
    const value = text === "" ? null : Number(text);
    if (control.validity.badInput || (value !== null && !(value >= least && value <= most))) {
      const range = Math.abs(most) < 1e6 ? ` from ${least} to ${most}` : "";
      this.page.say(`“${control.closest("label").textContent}” takes a number${range}; it stays as it was`);
      this.draw();
      return;
    }
    look.set({ [name]: value });
    this.draw();
  }

  // Drawing

  /** Every control as the look is now. */
  draw() {
    const { look } = this.page;
    this.line.hidden = look.isDefault;
    this.words.textContent = look.words;
    if (this.panel.hidden) return;
    for (const name of this.rows.keys()) this._rest(name, !look.shows(name));
    for (const [name, control] of this.controls) this._fill(name, control);
    this.swatch.classList.toggle("idle", !look.shows("map"));
    this.levelOut.hidden = look.get("contrast") === 1 && look.get("bias") === 0.5;
    this._paintSwatch();
    this.note.textContent = this._note();
  }

  /** Show whether a field has an effect now; its place it keeps. */
  _rest(name, idle) {
    const row = this.rows.get(name);
    const offered = PALETTE_OFFERED.includes(name);
    row.classList.toggle("idle", idle);
    this.controls.get(name).disabled = idle && !offered;
    row.title = (idle && (offered ? PALETTE_IDLE : PALETTE_WHEN[name])) || this.hints.get(name) || "";
  }

  _note() {
    const { look } = this.page;
    const unset = look.get("limits") === "fixed" && !(look.get("low") < look.get("high"));
    if (unset && look.shows("limits")) return "Fixed limits take effect once low and high are given, low below high.";
    if (look.isSingle()) return "";
    return {
      survey: "The survey's colours have a stretch and limits of their own.",
      lupton: "Lupton's colours have a stretch of their own: Q and Soft.",
    }[look.get("colour")] ?? "A colour map is for one band.";
  }

  _fill(name, control) {
    const { look, stage } = this.page;
    if (name === "invert") control.setAttribute("aria-pressed", String(look.get("invert") === 1));
    else if (name === "contrastTool") control.setAttribute("aria-pressed", String(stage.contrastTool));
    else if (name === "next") control.value = stage.settings.next;
    else if (["crosshair", "pixels"].includes(name)) control.setAttribute("aria-pressed", String(stage.settings[name]));
    else if (name === "band") control.value = look.get("band") ?? look.middleBand;
    else if (name === "limits") control.value = this._limitsChoice();
    else control.value = look.get(name) ?? "";
  }

  _limitsChoice() {
    const { look } = this.page;
    const limits = look.get("limits");
    if (limits !== "percentile") return limits;
    return LOOK_PERCENTS.includes(look.get("percent")) ? `percentile ${look.get("percent")}` : "percentile";
  }

  async _paintSwatch() {
    const { look } = this.page;
    const name = look.get("map");
    const table = await look.colours(name).catch(() => undefined);
    if (table === undefined || look.get("map") !== name) return;
    const context = this.swatch.getContext("2d");
    const pixels = context.createImageData(256, 1);
    const values = Uint16Array.from({ length: 256 }, (_, index) => index * 257);
    paintLevels({ side: [256, 1], channels: 1, values },
      { contrast: look.get("contrast"), bias: look.get("bias"), invert: look.get("invert") === 1 },
      table, pixels.data);
    context.putImageData(pixels, 0, 0);
  }

  /** A setting of the stage changed. */
  stageChanged() {
    if (!this.panel.hidden) this.draw();
  }
}
