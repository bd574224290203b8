/**
 * The look: how a picture is drawn. Kept are the settings that are not the default; which of them
 * show in the picture follows from the colours and the residual, as on the server.
 */

const LOOK_DEFAULTS = {
  colour: "survey", band: null, red: null, green: null, blue: null, q: 8, soft: null,
  stretch: "asinh", limits: "survey", percent: 99.5, low: null, high: null, map: "gray", invert: 0,
  contrast: 1, bias: 0.5, residual: "none", smooth: 0,
};
/** Every word a setting may be, with what it is called on the page. */
const LOOK_WORDS = {
  colour: {
    survey: "survey", lupton: "Lupton", channels: "channels", band: "one band",
  },
  stretch: {
    asinh: "asinh", linear: "linear", log: "log", power: "power", sqrt: "square root",
    squared: "squared", sinh: "sinh", histogram: "histogram",
  },
  limits: {
    minmax: "min max", percentile: "percentile", zscale: "zscale", survey: "survey", fixed: "fixed",
  },
  residual: {
    none: "none", unsharp: "unsharp mask", symmetric: "symmetric part off", sersic: "Sersic fit off",
  },
};
const LOOK_RANGES = {
  q: [0.01, 1000], soft: [1e-30, 1e30], percent: [50, 100], low: [-1e30, 1e30], high: [-1e30, 1e30],
  contrast: [0, 10], bias: [0, 1], smooth: [0, 10],
};
const LOOK_BANDS = ["band", "red", "green", "blue"];
/** DS9's presets of the percentile; null is min max. */
const LOOK_PERCENTS = [99.9, 99.5, 99, 98, 95, 90];

class Look {
  /** @param page the Labeller */
  constructor(page) {
    this.page = page;
    /** The settings that are not the default. @type {Record<string, string|number>} */
    this.value = {};
    this.survey = null;
    this.maps = new Map();
    page.register({
      colour: () => this.nextColour(), stretch: () => this._next("stretch"), limits: () => this.nextLimits(),
      map: () => this._next("map"), residual: () => this._next("residual"),
      invert: () => this.change({ invert: 1 - this.get("invert") }, this.get("invert") ? "Not inverted" : "Inverted"),
      resetLook: () => this.toDefault(),
    });
  }

  // The page tells

  task(task) {
    if (task.survey !== this.survey) this._take(task.survey);
  }

  preferences() {
    if (this.page.task) this._take(this.page.task.survey);
  }

  /** Another task comes; what was set stays kept. */
  reset() {
    this.survey = null;
    this.value = {};
  }

  _take(survey) {
    this.survey = survey;
    const kept = this.page.hasPictures ? this.page.preference(`look:${survey}`, {}) : {};
    this.value = this._checked(kept);
    this.page.palette?.draw();
  }

  // Settings

  /** A setting as it is now. */
  get(name) {
    return this.value[name] ?? LOOK_DEFAULTS[name];
  }

  get isDefault() {
    return Object.keys(this.query(this.value)).length === 0;
  }

  /** What a kept value may hold: known names, allowed words, numbers in range, bands of this survey. */
  _checked(given) {
    const kept = {};
    for (const [name, fallback] of Object.entries(LOOK_DEFAULTS)) {
      const value = given?.[name];
      if (value === undefined || value === null || value === fallback) continue;
      if (this._allows(name, value)) kept[name] = value;
    }
    return kept;
  }

  _allows(name, value) {
    if (LOOK_WORDS[name]) return Object.hasOwn(LOOK_WORDS[name], value);
    if (LOOK_BANDS.includes(name)) return this.bands.includes(value);
    if (name === "map") return this.mapNames.includes(value);
    if (name === "invert") return value === 0 || value === 1;
    const [least, most] = LOOK_RANGES[name];
    return typeof value === "number" && value >= least && value <= most;
  }

  get bands() {
    return this.page.task?.bands ?? [];
  }

  get mapNames() {
    return this.page.task?.maps?.length ? this.page.task.maps : ["gray"];
  }

  /**
   * Change settings; a value that is not allowed leaves its setting as it was.
   * @returns {boolean} whether anything is other than before
   */
  set(changes) {
    if (!this.page.hasPictures) return false;
    const before = JSON.stringify(this.value);
    const next = { ...this.value };
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === LOOK_DEFAULTS[name]) delete next[name];
      else if (this._allows(name, value)) next[name] = value;
    }
    this.value = this._checked(next); // in one order, so that equal looks have one address
    if (JSON.stringify(this.value) === before) return false;
    if (this.survey) this.page.prefer(`look:${this.survey}`, this.isEmpty ? null : { ...this.value });
    this.page.palette?.draw();
    this.page.lookChanged();
    return true;
  }

  get isEmpty() {
    return Object.keys(this.value).length === 0;
  }

  change(changes, sentence) {
    this.set(changes);
    this.page.say(sentence);
  }

  /** Back to how the survey draws it. */
  toDefault() {
    this.set(Object.fromEntries(Object.keys(LOOK_DEFAULTS).map((name) => [name, null])));
    this.page.say("The picture as the survey draws it");
  }

  // What shows in the picture

  /** True if the picture is one plane through a colour map. */
  isSingle(value = this.value) {
    return value.colour === "band" || (value.residual ?? "none") !== "none";
  }

  /** True if a setting shows in the picture now. */
  shows(name, value = this.value) {
    const colour = value.colour ?? "survey";
    const single = this.isSingle(value);
    const percent = (value.limits ?? "survey") === "percentile";
    const fixed = value.limits === "fixed";
    const scaled = single || colour === "channels";
    switch (name) {
      case "band": return colour === "band";
      case "red": case "green": case "blue": return !single && ["lupton", "channels"].includes(colour);
      case "q": case "soft": return !single && colour === "lupton";
      case "map": return single;
      case "stretch": case "limits": return scaled;
      case "percent": return scaled && percent;
      case "low": case "high": return scaled && fixed;
      default: return true;
    }
  }

  /** Query parameters of a look: what shows in the picture and is not the default. */
  query(value = this.value) {
    const shown = { ...value };
    if (shown.limits === "fixed" && !(shown.low < shown.high)) delete shown.limits; // not given yet
    const names = Object.keys(shown).filter((name) => this.shows(name, shown));
    if (shown.residual && shown.residual !== "none" && shown.colour !== "band") {
      return Object.fromEntries(names.filter((name) => name !== "colour").map((name) => [name, shown[name]]));
    }
    return Object.fromEntries(names.map((name) => [name, shown[name]]));
  }

  /** The look in a line of words; "" for the default. */
  get words() {
    const said = this.query(this.value);
    const parts = [];
    if (said.colour === "band") parts.push(`band ${this.get("band") ?? this.middleBand}`);
    else if (said.colour) parts.push(LOOK_WORDS.colour[said.colour]);
    const dealt = ["red", "green", "blue"].filter((name) => said[name]);
    if (dealt.length) parts.push(dealt.map((name) => `${name[0].toUpperCase()} ${said[name]}`).join(", "));
    if (said.q !== undefined) parts.push(`Q ${said.q}`);
    if (said.soft !== undefined) parts.push(`soft ${said.soft}`);
    if (this.shows("stretch")) parts.push(LOOK_WORDS.stretch[this.get("stretch")]);
    if (said.limits === "percentile") parts.push(`${this.get("percent")} %`);
    else if (said.limits === "fixed") parts.push(`${said.low} to ${said.high}`);
    else if (said.limits) parts.push(LOOK_WORDS.limits[said.limits]);
    if (said.map) parts.push(said.map);
    if (said.invert) parts.push("inverted");
    if (said.contrast !== undefined) parts.push(`contrast ${said.contrast}`);
    if (said.bias !== undefined) parts.push(`bias ${said.bias}`);
    if (said.residual) parts.push(LOOK_WORDS.residual[said.residual]);
    if (said.smooth) parts.push(`smoothed ${said.smooth} px`);
    return this.isDefault ? "" : parts.join(" · ");
  }

  get middleBand() {
    return this.bands[Math.floor(this.bands.length / 2)] ?? "";
  }

  // The next one, by key

  /** What has to change for a setting to show: the survey's own colours have no stretch. */
  showing(name) {
    if (this.shows(name)) return {};
    return { colour: name === "map" || this.bands.length < 2 ? "band" : "channels" };
  }

  _next(name) {
    const words = name === "map" ? this.mapNames : Object.keys(LOOK_WORDS[name]);
    const first = this.showing(name);
    // The first press shows the setting where it had no effect before, and goes on from there.
    const value = words[(words.indexOf(this.get(name)) + 1) % words.length];
    const called = name === "map" ? value : LOOK_WORDS[name][value];
    const title = { stretch: "Stretch", map: "Colour map", residual: "Residual" }[name];
    const also = first.colour ? `, ${LOOK_WORDS.colour[first.colour]}` : "";
    this.change({ ...first, [name]: value }, `${title}: ${called}${also}`);
  }

  /** Min max, DS9's percentiles from wide to narrow, zscale, the survey's; fixed ones need numbers. */
  nextLimits() {
    const steps = [
      { limits: "minmax" }, ...LOOK_PERCENTS.map((percent) => ({ limits: "percentile", percent })),
      { limits: "zscale" }, { limits: "survey" },
    ];
    if (this.get("low") !== null && this.get("high") !== null) steps.push({ limits: "fixed" });
    const now = steps.findIndex((step) => step.limits === this.get("limits")
      && (step.percent === undefined || step.percent === this.get("percent")));
    const next = steps[(now + 1) % steps.length];
    const first = this.showing("limits");
    const called = next.percent ? `${next.percent} %` : LOOK_WORDS.limits[next.limits];
    const also = first.colour ? `, ${LOOK_WORDS.colour[first.colour]}` : "";
    this.change({ ...first, ...next }, `Limits: ${called}${also}`);
  }

  /** The survey's colours, Lupton's, channels, then each band alone. */
  nextColour() {
    const steps = this.bands.map((band) => ({ colour: "band", band }));
    if (this.bands.length > 1) steps.unshift({ colour: "lupton" }, { colour: "channels" });
    steps.unshift({ colour: "survey", band: null });
    const band = this.get("band") ?? this.middleBand;
    const now = steps.findIndex((step) => step.colour === this.get("colour")
      && (!step.band || step.band === band));
    const next = steps[(now + 1) % steps.length];
    this.change(next, next.band ? `Band ${next.band}` : `Colours: ${LOOK_WORDS.colour[next.colour]}`);
  }

  // Colour maps

  /** The 256 colours of a map; null for grey, which needs no table. @returns {Promise<number[][]|null>} */
  colours(name) {
    if (name === "gray") return Promise.resolve(null);
    if (!this.maps.has(name)) {
      const table = this.page.get("colourmap", { map: name }).then((answer) => answer.rgb);
      table.catch(() => this.maps.delete(name)); // asked again the next time
      this.maps.set(name, table);
    }
    return this.maps.get(name);
  }
}
