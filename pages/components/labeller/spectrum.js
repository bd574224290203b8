/**
 * The spectrum of an object that has a picture as well: a chart beside it, large at a press.
 * Without a picture the spectrum is on the stage itself.
 */

const SPECTRUM_WIDTHS = [320, 480, 640, 960, 1280, 1920];
const SPECTRUM_SIDES = { width: 5, height: 3 };

class SpectrumPanel {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.item = null;
    this.address = "";
    this.button = el("button", { type: "button", class: "chart", onclick: () => this._enlarge() });
    this.note = el("p", { class: "faint", role: "status" });
    this.modal = new Modal("largechart", "Spectrum");
    this.fold = new Fold(page, "spectrum", "Spectrum", [this.button, this.note, this.modal.element]);
    this.fold.onopen = () => this._fetch();
    this.element = this.fold.element;
    this.draw(null);
  }

  /** Show the spectrum of `item`, if it has one; null: there is no object. */
  draw(item) {
    this.item = item;
    this.element.hidden = !item?.has_spectrum || item.has_picture === false;
    if (this.element.hidden) this._put("", []);
    else this._fetch();
  }

  _put(address, parts) {
    this.address = address;
    this.note.textContent = "";
    this.button.hidden = false;
    this.button.replaceChildren(...parts);
    if (!parts.length) this.modal.close();
  }

  _fetch() {
    if (this.element.hidden || !this.element.open) return;
    const address = this._addressOf(this.item, this._width());
    if (address === this.address) return;
    const name = this.item.object_id;
    this.modal.close(); // it is another object's
    // A new element: the last object's chart is gone at once, whenever this one comes.
    const img = this._img(address, "");
    this._put(address, [img]);
    this.button.title = `The spectrum of ${name}, large`;
    this.button.setAttribute("aria-label", `Spectrum of ${name}: open it large`);
    img.addEventListener("error", () => {
      if (this.address !== address) return;
      this.button.hidden = true;
      this.note.textContent = "The spectrum could not be fetched; open this panel again to try once more.";
      this.address = "";
    });
    img.addEventListener("load", () => this.address === address && this._ahead());
  }

  /** The next object's chart, so that it is there with its picture. */
  _ahead() {
    const [next] = this.page.queue.items;
    if (next?.has_spectrum && next.has_picture !== false) {
      new Image().src = this._addressOf(next, this._width());
    }
  }

  _enlarge() {
    const { item } = this;
    this.modal.heading.textContent = `Spectrum of ${item.object_id}`;
    this.modal.open();
    this.modal.body.replaceChildren(this._img(
      this._addressOf(item, this._width(this.modal.body)), `Spectrum of ${item.object_id}`));
  }

  /** The width to ask for: as shown in `node`, so that the numbers at the axes can be read. */
  _width(node = this.element) {
    const wanted = node.clientWidth * (window.devicePixelRatio || 1);
    return SPECTRUM_WIDTHS.find((width) => width >= wanted) ?? SPECTRUM_WIDTHS.at(-1);
  }

  _addressOf(item, width) {
    return this.page.objectUrl("spectrum", item.object_id, { width, ...this.page.theme.query });
  }

  _img(src, alt) {
    return el("img", { src, alt, draggable: "false", ...SPECTRUM_SIDES });
  }
}
