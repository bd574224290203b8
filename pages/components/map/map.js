/**
 * The map page: the survey in two dimensions, to be looked at and selected from.
 *
 * One controller lives on `window` and moves its elements to wherever Streamlit mounts it:
 * Streamlit runs the default export again at every change of the data. Places and colours come as
 * binary over routes; a selection goes to the server as a polygon and comes back as an id, which
 * is all that Streamlit is told.
 */

const MAP_LEVELS = 250; // steps of a scale; this code is "no value"
const MAP_NO_VALUE = "#8b94a3";
const MAP_TIMEOUT_MS = 120000; // eight megabytes over a slow line
const MAP_PAN_PX = 80;
const MAP_LOSSES = 3; // of the graphics card in a row, before the server draws
const MAP_STEADY_MS = 30000; // without a loss, after which they are counted anew
const MAP_LIGHT = 384; // of 765: ink darker than this stands on a light ground
const MAP_KEYS = "Arrow keys move, plus and minus zoom, 0 shows all, P L B choose what dragging does,"
  + " V selects the view, Escape closes.";

class SkyMap {
  constructor() {
    this.base = "";
    this.taskName = null;
    this.epoch = 0; // raised when task or map change: what was asked before then is dropped
    this.mode = "pan";
    this.losses = 0;
    this.steady = -1;
    this.isLight = false;
    this.placesOf = null; // the map whose places the chart has
    this._build();
  }

  _build() {
    this.plot = el("div", {
      class: "plot", tabindex: "0", role: "application", "data-mode": "pan",
      "aria-label": `Map of the survey. ${MAP_KEYS}`,
      onkeydown: (event) => this._key(event),
    });
    this.kept = new Kept(this);
    this.over = new Over(this);
    this.following = new Following(this);
    this.chart = new Chart(this.plot, () => this._viewed(), () => this._lost());
    this.drawing = new Drawing(this);
    this.hover = new Hover(this);
    this.fingers = new Fingers(this);
    this.legend = new Legend(this);
    this.filtering = new Filtering(this);
    this.selecting = new Selecting(this);
    this.finding = new Finding(this);
    this.bar = new Bar(this);
    this.message = el("div", { class: "message", hidden: true });
    this.status = el("p", { class: "status", role: "status" });
    this.counts = el("p", { class: "faint counts" });
    this.setMode("pan");
    this.plot.append(this.over.element, this.hover.element, this.message);
    this.root = el("div", { class: "skymap" }, [
      this.bar.element,
      el("div", { class: "main" }, [this.plot, this.legend.element]),
      el("div", { class: "foot" }, [this.counts, this.status]),
    ]);
  }

  // Mounting

  /** Put the map into `parent` and follow `data` ({api, task, selection, filter, of, chosen}). */
  attach(parent, data, tell) {
    this.tell = tell;
    const host = parent.querySelector?.(".mount") ?? parent;
    const isMoved = this.root.parentNode !== host;
    if (isMoved) host.replaceChildren(this.root);
    const base = location.origin + (data.api || "");
    const other = base !== this.base || data.task !== this.taskName || data.of !== this.of;
    Object.assign(this, { base, taskName: data.task, of: data.of, chosen: data.chosen });
    if (other) {
      this.filtering.text = data.filter;
      this.selecting.id = data.selection;
      this._start();
      return;
    }
    if (!this.chart.isOpen && this.hasPlaces) this._open();
    if (isMoved && this.hasPlaces) this.tellAgain();
    this.selecting.use(data.selection);
    this.filtering.use(data.filter);
  }

  async _start() {
    this.epoch += 1;
    const { epoch } = this;
    Object.assign(this, { told: null, placesOf: null, codes: null, answers: null, shown: null });
    this.following.reset();
    this.filtering.reset();
    delete this.root.dataset.ready;
    this.drawing.stop();
    this.chart.clear();
    this.hover.leave();
    this.hover.forget();
    this.legend.reset();
    Object.assign(this.over, { rings: { points: [], classes: [] }, trail: [], found: -1 });
    this.over.selected = { outline: null, points: [] };
    this._message("Fetching the map");
    try {
      const [told] = await Promise.all([
        this._tell(), this.kept.load().catch(() => {}),
      ]);
      if (epoch !== this.epoch) return;
      this._take(told);
      this._theme();
      const [places, library] = await Promise.all([
        this._binary("map_points", { hash: told.survey_hash }),
        import(`${this.base}/api/map_engine?v=${told.engine}`),
      ]);
      if (epoch !== this.epoch) return;
      this.library = library;
      this.chart.place(new Float32Array(places));
      this.placesOf = told.map;
      this.bar.tell(told);
      await this.filtering.load();
      if (epoch === this.epoch) await this._open();
    } catch (error) {
      if (epoch === this.epoch) this._message("The map cannot be shown", error.message, () => this._start());
    }
  }

  /** Which map it is and what may be chosen: of the one that somebody chose, else of the newest. */
  _tell() {
    const query = new URLSearchParams({ task: this.taskName });
    if (this.chosen) query.set("map", this.chosen);
    return fetchJson(`${this.base}/api/map?${query}`);
  }

  /** Whether the points that the chart has are those of the map that was told of. */
  get hasPlaces() {
    return Boolean(this.told) && this.placesOf === this.told.map;
  }

  _take(told) {
    this.told = told;
    this.classes = told.classes;
    this.targets = told.targets;
  }

  /** Ask anew what may be chosen: classes, targets, columns, what the model has. */
  async tellAgain() {
    const { epoch } = this;
    try {
      const told = await this._tell();
      if (epoch !== this.epoch || told.map !== this.told.map) return;
      if (told.offer === this.told.offer) return;
      this._take(told);
    } catch {
      return; // the next look at what changed asks again
    }
    this.bar.tell(this.told);
    this.hover.forget();
    this.following.anew(); // rings and colours count classes by their places
  }

  /** Begin to draw; without WebGL the page is told, and the server draws. */
  async _open() {
    const { epoch } = this;
    if (!this.chart.n) {
      this._message("No object has a place on this map", "The encoder had nothing to see in any of them.");
      return;
    }
    delete this.root.dataset.ready; // or the view that was left would be written over
    this.chart.close();
    try {
      this.chart.open(this.library);
    } catch {
      this.chart.close();
      this._message("This browser has no WebGL", "The server draws the map instead.");
      this.tell("webgl", "missing");
      return;
    }
    clearTimeout(this.steady);
    this.steady = setTimeout(() => {
      this.losses = 0;
    }, MAP_STEADY_MS);
    await this.recolour();
    if (epoch !== this.epoch || !this.chart.isOpen) return;
    const { view } = this.kept;
    if (view) await this.chart.look(view.centre, view.distance, false);
    else await this.chart.fit(false);
    this._message();
    this.root.dataset.ready = "true";
    this.selecting.show();
    this.following.poll();
  }

  /** WebGL may be taken away at any time: by the driver, another tab, a sleeping machine. */
  _lost() {
    if (!this.root.isConnected) return;
    this.losses += 1;
    clearTimeout(this.steady);
    this.chart.close();
    if (this.losses > MAP_LOSSES) {
      this._message("The graphics card keeps failing", "The server draws the map instead.");
      this.tell("webgl", "lost");
      return;
    }
    this._message("The graphics card took its memory back", "The map is drawn again.");
    setTimeout(() => this.hasPlaces && !this.chart.isOpen && this._open(), 300 * this.losses);
  }

  _theme() {
    const ink = getComputedStyle(this.root).color.match(/[\d.]+/g) ?? ["255", "255", "255"];
    this.isLight = ink.slice(0, 3).reduce((sum, one) => sum + Number(one), 0) < MAP_LIGHT;
  }

  // Talking to the server

  /** GET JSON about this task and map; `parameters` may hold lists. */
  get(path, parameters = {}) {
    return fetchJson(this._address(path, parameters));
  }

  post(path, body, options = {}) {
    return postJson(`${this.base}/api/${path}`, body, this.told?.user ?? null, options);
  }

  async _binary(path, parameters) {
    const signal = AbortSignal.timeout(MAP_TIMEOUT_MS);
    const response = await fetchOk(this._address(path, parameters), { signal });
    try {
      return await response.arrayBuffer();
    } catch {
      throw new ApiError(0, "The server's answer was cut short.");
    }
  }

  /** An answer of JSON and, behind it, a byte or a bit for each point. */
  async headed(path, parameters) {
    const content = await this._binary(path, parameters);
    const length = new DataView(content).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(content, 4, length)));
    return { head, bytes: new Uint8Array(content, 4 + length) };
  }

  _address(path, parameters) {
    const query = new URLSearchParams({ task: this.taskName, map: this.told.map });
    for (const [name, value] of Object.entries(parameters)) {
      for (const one of [value].flat()) query.append(name, one);
    }
    return `${this.base}/api/${path}?${query}`;
  }

  pictureAddress(objectId, size) {
    const { told } = this;
    const query = new URLSearchParams({
      survey: told.survey, version: told.survey_version, hash: told.survey_hash,
      object_id: objectId, size, ...(told.drawn && this.isLight ? { theme: "light" } : {}),
    });
    return `${this.base}/api/image?${query}`;
  }

  // Colours

  /** The colouring in use: the one that was chosen, if it is still there. */
  get colouring() {
    const { colourings } = this.told;
    return colourings.find((one) => one.by === this.kept.by) ?? colourings[0];
  }

  async _colours(by, log) {
    const { head, bytes } = await this.headed("map_colours", { by, log: log ? 1 : 0 });
    return { legend: head, codes: bytes };
  }

  /** What is to be fetched for the colouring in use. */
  get _wish() {
    const { by, kind } = this.colouring;
    return { by, log: kind === "numbers" && this.kept.log };
  }

  /** Fetch the colours of the colouring in use, and draw. */
  async recolour() {
    if (!this.hasPlaces) return;
    const { epoch } = this;
    const { by, log } = this._wish;
    const { offer } = this.told;
    this.following.due.fetch = false;
    try {
      const made = await this._colours(by, log);
      const answers = by === "class" ? made : await this._colours("class", false);
      if (epoch !== this.epoch || by !== this._wish.by || log !== this._wish.log) return;
      if (offer !== this.told.offer) return; // fetched again for it
      this.following.coloured(answers.legend.seq);
      Object.assign(this, { codes: made.codes, answers: answers.codes });
      this.shown = { by, log };
      this.legend.show(made.legend);
      await this.repaint();
    } catch (error) {
      if (epoch === this.epoch) this.say(error.message);
    }
  }

  /** Draw with what is hidden now. */
  async repaint() {
    const { codes, answers, chart, legend } = this;
    if (!codes || !chart.isOpen) return;
    this.following.painted();
    const hidden = new Uint8Array(256);
    for (const code of legend.hiddenCodes) hidden[code] = 1;
    const onlyNew = this.kept.unlabelled;
    const { filtering } = this;
    const alone = filtering.isOn && this.kept.passing;
    const isAll = !onlyNew && !legend.hiddenCodes.size && !alone;
    const seen = isAll ? null : (point) => (
      !hidden[codes[point]] && !(onlyNew && answers[point]) && (!alone || filtering.passes(point))
    );
    this.hover.leave();
    const lit = filtering.isOn && !alone ? (point) => filtering.passes(point) : null;
    const painted = chart.paint(codes, legend.colours, seen, lit, lit && filtering.dim);
    this._count();
    const { drawn: total } = chart.cells;
    if (total) this._message();
    else this._message("Every object is hidden", "The legend and the switches above say what is shown.");
    this.over.again();
    await painted;
  }

  /** Say how many objects are shown, and why not all are. */
  _count() {
    const { chart, filtering } = this;
    const { total } = chart.cells;
    const words = (n) => n.toLocaleString("en-GB");
    const lost = this.told.n_objects - chart.n;
    const parts = [];
    if (filtering.isOn) parts.push(`${words(total)} of ${words(chart.n)} objects pass the filter and are shown`);
    else parts.push(total < chart.n ? `${words(total)} of ${words(chart.n)} objects shown` : `${words(total)} objects`);
    if (lost) parts.push(`${words(lost)} without a place on it`);
    if (filtering.trouble) parts.push(filtering.trouble);
    this.counts.textContent = parts.join(", ");
  }

  get cardColumns() {
    const { told, kept } = this;
    const chosen = kept.columns(told.survey) ?? told.columns.slice(0, told.shown_columns);
    return chosen.filter((name) => told.columns.includes(name));
  }

  chooseColumns(names) {
    if (!this.told) return;
    const columns = { ...this.kept.value.columns, [this.told.survey]: names };
    this.kept.set({ columns });
    this.hover.forget();
  }

  /** The survey has another map by now. */
  isOutdated(sentence) {
    this._message("There is a newer map", sentence, () => this._start(), "Show it");
  }

  // Looking

  flyTo(point, place) {
    this.over.found = point;
    // About a hundred objects around it, were they spread evenly.
    const near = Math.min(Math.max(10 / Math.sqrt(this.chart.n), 0.01), 0.5);
    this.chart.look(place, Math.min(this.chart.lens.distance, near));
    this.over.again();
  }

  _viewed() {
    this.over.again();
    this.hover.viewed();
    const { centre, distance } = this.chart.lens;
    if (this.root.dataset.ready) this.kept.keepView({ centre, distance });
  }

  setMode(mode) {
    this.mode = mode;
    this.plot.dataset.mode = mode;
    this.bar.mode(mode);
  }

  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.plot) {
      if (event.key === "Escape") this._escape();
      return;
    }
    const acts = {
      ArrowLeft: () => this.chart.pan(-MAP_PAN_PX, 0), ArrowRight: () => this.chart.pan(MAP_PAN_PX, 0),
      ArrowUp: () => this.chart.pan(0, -MAP_PAN_PX), ArrowDown: () => this.chart.pan(0, MAP_PAN_PX),
      "+": () => this.chart.zoom(1.6), "=": () => this.chart.zoom(1.6), "-": () => this.chart.zoom(1 / 1.6),
      0: () => this.chart.fit(), p: () => this.setMode("pan"), l: () => this.setMode("lasso"),
      b: () => this.setMode("box"), v: () => this.selecting.view(), Escape: () => this._escape(),
    };
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    if (this.chart.isOpen) act();
  }

  _escape() {
    this.drawing.stop();
    this.hover.leave();
    this.plot.focus({ preventScroll: true });
  }

  // Words and places

  /** Whether a press is meant for the map, and not for the card or a message on it. */
  isOnPlot(event) {
    const [first] = event.composedPath();
    return this.chart.isOpen && (first === this.plot || first === this.chart.canvas || first === this.over.element);
  }

  /** Pixels from the left and top of what is drawn: inside the plot's border. */
  pixelOf(event) {
    const { left, top } = this.over.element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  say(sentence) {
    this.status.textContent = sentence;
  }

  /** Something to read in place of the map, until there is one; without words: it goes. */
  _message(title = "", text = "", act = null, name = "Try again") {
    this.message.hidden = !title;
    this.message.replaceChildren(
      el("p", { class: "title", text: title }), el("p", { text }),
      ...(act ? [el("button", { class: "tool", type: "button", text: name, onclick: act })] : []),
    );
  }
}

/** Called by Streamlit at every mount and at every change of the data. */
export default function mount({ parentElement, data, setStateValue }) {
  window.skysiftMap ??= new SkyMap();
  window.skysiftMap.attach(parentElement, data, setStateValue);
}
