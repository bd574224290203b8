/**
 * The legend: what the colours mean, how many objects each has; a click hides and shows them, a
 * double click (or a click with Shift) shows one alone.
 */

class Legend {
  /** @param {SkyMap} map */
  constructor(map) {
    this.map = map;
    this.element = el("section", { class: "legend", "aria-label": "Legend" });
    this.hidden = new Set();
    this.legend = null;
  }

  /** Another colouring hides nothing of the one before. */
  reset() {
    this.hidden.clear();
  }

  /** @param {object} legend of /api/map_colours */
  show(legend) {
    this.legend = legend;
    // Names that are gone hide nothing any more.
    this.hidden = new Set([...this.hidden].filter((name) => legend.names.includes(name)));
    this._draw();
  }

  /** Count points whose answers changed, as [code before, code now]; false: one has no entry. */
  move(pairs) {
    const { counts } = this.legend;
    if (pairs.some(([, now]) => now >= counts.length)) return false;
    for (const [before, now] of pairs) {
      counts[before] -= 1;
      counts[now] += 1;
    }
    this._draw();
    return true;
  }

  /** Codes of `/api/map_colours` that are hidden. */
  get hiddenCodes() {
    const first = this.legend?.kind === "numbers" ? MAP_LEVELS : 0;
    return new Set([...this.hidden].map((name) => first + this.legend.names.indexOf(name)));
  }

  /** One colour for each code. */
  get colours() {
    const { legend } = this;
    if (legend.kind !== "numbers") return legend.colours;
    const scale = this.map.isLight ? [...legend.colours].reverse() : legend.colours;
    return [...scale, MAP_NO_VALUE];
  }

  _draw() {
    const { legend, hidden } = this;
    const parts = [el("h2", { text: legend.title })];
    if (legend.kind === "numbers") parts.push(this._scale());
    const isNumbers = legend.kind === "numbers";
    const rows = legend.names.map((name, i) => [
      name, legend.counts[i], isNumbers ? MAP_NO_VALUE : legend.colours[i],
    ]).filter(([, count]) => count || !isNumbers);
    const list = el("ul", {}, rows.map(([name, count, colour]) => this._entry(name, count, colour)));
    parts.push(list);
    if (hidden.size) {
      parts.push(el("button", { class: "tool", type: "button", text: "Show all", onclick: () => {
        hidden.clear();
        this._changed();
      } }));
    }
    const focused = this.element.getRootNode().activeElement?.dataset?.name;
    this.element.replaceChildren(...parts);
    if (focused !== undefined) {
      [...this.element.querySelectorAll("button")].find((one) => one.dataset.name === focused)?.focus();
    }
  }

  _entry(name, count, colour) {
    const isShown = !this.hidden.has(name);
    const swatch = el("i", { "aria-hidden": "true" });
    swatch.style.background = colour;
    const button = el("button", {
      type: "button", "aria-pressed": String(isShown), "data-name": name,
      title: `${name}: click to ${isShown ? "hide" : "show"}, double click or Shift and click for it alone`,
    }, [swatch, el("span", { text: name }), el("b", { text: count.toLocaleString("en-GB") })]);
    button.addEventListener("click", (event) => (event.shiftKey ? this._only(name) : this._toggle(name)));
    button.addEventListener("dblclick", (event) => event.shiftKey || this._only(name));
    return el("li", {}, [button]);
  }

  _toggle(name) {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    this._changed();
  }

  _only(name) {
    this.hidden = new Set(this.legend.names.filter((one) => one !== name));
    this._changed();
  }

  _changed() {
    this._draw();
    this.map.repaint();
  }

  _scale() {
    const { legend } = this;
    const bar = el("div", { class: "scale", "aria-hidden": "true" });
    const steps = this.colours.slice(0, -1).filter((_, i) => i % 10 === 0 || i === MAP_LEVELS - 1);
    bar.style.background = `linear-gradient(90deg, ${steps.join(", ")})`;
    const beyond = [];
    if (legend.n_below) beyond.push(`${legend.n_below.toLocaleString("en-GB")} below`);
    if (legend.n_above) beyond.push(`${legend.n_above.toLocaleString("en-GB")} above`);
    return el("div", {}, [
      bar,
      el("div", { class: "ends" }, [
        el("span", { text: readable(legend.low) }),
        el("span", { text: legend.log ? "log" : "" }),
        el("span", { text: readable(legend.high) }),
      ]),
      ...(beyond.length ? [el("p", { class: "faint", text: `The scale ends there: ${beyond.join(", ")}` })] : []),
    ]);
  }
}
