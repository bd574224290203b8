/**
 * A panel that can be folded away, which stays so for this person, and a guard against drawing
 * anew what has not changed: a list that is replaced while somebody reads it loses the focus.
 */

/** Change some of what is kept about the panels. */
function keepPanels(page, changes) {
  page.prefer("panels", { ...(page.preference("panels", {}) ?? {}), ...changes });
}

class Fold {
  /**
   * @param {Labeller} page
   * @param {string} name under which it is kept whether it is open
   * @param {string} title
   * @param {Node[]} body
   * @param {{open?: boolean, extra?: string}} how `open` until the person says otherwise
   */
  constructor(page, name, title, body, { open = true, extra = "" } = {}) {
    this.page = page;
    this.name = name;
    this.openAtFirst = open;
    /** Called when it is opened. */
    this.onopen = () => {};
    this.number = el("span", { class: "count" });
    this.element = el("details", { class: `panel fold ${extra}`.trim(), open, ontoggle: () => this._toggled() }, [
      el("summary", {}, [el("h2", { text: title }), this.number]),
      el("div", { class: "within" }, body),
    ]);
  }

  /** Beside the title: how many are inside; null where that is not known. */
  count(n) {
    this.number.textContent = n === null ? "" : n.toLocaleString("en-GB");
  }

  /** Open or closed as the person left it. */
  preferences() {
    const kept = this.page.preference("panels", {}) ?? {};
    const open = typeof kept[this.name] === "boolean" ? kept[this.name] : this.openAtFirst;
    this.settled = open;
    if (this.element.open !== open) this.element.open = open;
  }

  _toggled() {
    const { open } = this.element;
    // The event comes as well when the page itself opens or closes it.
    if (open !== (this.settled ?? this.openAtFirst)) {
      this.settled = open;
      keepPanels(this.page, { [this.name]: open });
    }
    if (open) this.onopen();
  }
}

class Drawn {
  constructor() {
    this.keys = new WeakMap();
  }

  /** Fill `node` with what `make()` gives, if `what` (JSON) is not what it was filled from before. */
  fill(node, what, make) {
    const key = JSON.stringify(what) ?? "";
    if (this.keys.get(node) === key) return;
    this.keys.set(node, key);
    node.replaceChildren(...make());
  }
}
