/**
 * One cell of the grid: an object, its picture, and the answer it will get.
 *
 * It knows whether its picture was really seen: decoded, painted, and for the most part inside the
 * window. A cell that was not seen is not answered.
 */

const CELL_SEEN_SHARE = 0.5; // of a cell inside the window
const CELL_AGAIN_MS = 1000;

/** Call `then` once what is drawn now has been painted; a page that is hidden paints nothing. */
function afterPaint(then) {
  requestAnimationFrame(() => requestAnimationFrame(then));
}

/** A choice: what is recorded for a cell. @typedef {{action: string, class_name: string|null}} */
function sameChoice(one, other) {
  return one.action === other.action && one.class_name === other.class_name;
}

class GridCell {
  /**
   * @param {Labeller} page
   * @param {{pressed: (cell: GridCell, event: Event) => void, pointed: (cell: GridCell) => void,
   *   changed: () => void}} told
   */
  constructor(page, told) {
    this.page = page;
    this.told = told;
    this.inWindow = false;
    /** No choice is taken before this time: its object has come unasked. */
    this.guardedUntil = 0;
    // The cell has the name; the picture keeps its own, for it may go back on the stage.
    this.holder = el("span", { class: "cellpicture", "aria-hidden": "true" });
    this.word = el("span", { class: "cellword" });
    this.mark = el("span", { class: "cellflag", text: "⚑", hidden: true });
    this.node = el("div", {
      class: "cell", role: "gridcell", tabindex: -1,
      onclick: (event) => this.told.pressed(this, event),
      onfocus: () => this.told.pointed(this),
      onpointermove: (event) => this._hover(event),
    }, [this.holder, this.word, this.mark]);
    this.empty();
  }

  /** A cell that comes to lie under a mouse at rest is not pointed at. */
  _hover(event) {
    const place = `${event.screenX},${event.screenY}`;
    if (place === GridCell.pointer) return;
    GridCell.pointer = place;
    this.told.pointed(this);
  }

  /** Nothing to show yet. */
  empty() {
    clearTimeout(this.timer);
    this.item = null;
    this.choice = null;
    this.picture = null;
    this.painted = false;
    this.holder.replaceChildren();
    this.draw(null);
  }

  /**
   * Show `item`, to be answered by `choice`.
   * @param {number} size of the picture to ask for, px
   */
  place(item, choice, size) {
    clearTimeout(this.timer);
    this.item = item;
    this.choice = choice;
    this.load(size);
  }

  /** Fetch and show the picture; what was seen before counts no more. */
  load(size) {
    const { item } = this;
    this.size = size;
    this.painted = false;
    item.shownAt = null;
    const picture = this.page.pictures.get(item.object_id, this.page.look.value, size);
    this.picture = picture;
    if (picture.state === "loading") {
      this.holder.replaceChildren();
      picture.done.then(() => this.picture === picture && this._came());
    } else {
      this._came();
    }
  }

  _came() {
    const { picture } = this;
    if (picture.state === "ready") {
      this.holder.replaceChildren(picture.img);
      afterPaint(() => {
        if (this.picture !== picture) return;
        this.painted = true;
        this._seen();
      });
    } else {
      this.page.pictures.forget(picture); // another try when it comes up again
      this.holder.replaceChildren(el("span", { class: "cellfault", text: "No picture" }));
      this.timer = picture.passing ? setTimeout(() => this.load(this.size), CELL_AGAIN_MS) : null;
    }
    this.told.changed();
  }

  /** The window shows this cell, or does no more. */
  window(inside) {
    this.inWindow = inside;
    this._seen();
  }

  _seen() {
    if (!this.item || this.item.shownAt || !this.painted || !this.inWindow) return;
    this.item.shownAt = new Date().toISOString();
    this.told.changed();
  }

  /** True if this cell cannot be answered, however long one waits for its picture. */
  get faulty() {
    return !this.ready && this.picture?.state === "failed" && !this.picture.passing;
  }

  /** True if the page's confirmation answers this cell. A skip that was chosen needs no picture. */
  get ready() {
    if (!this.item) return false;
    return Boolean(this.item.shownAt) || this.choice.action === "skip";
  }

  /** Draw the answer, in the colour of its class. @param {object|null} common choice of the page */
  draw(common) {
    const { item, choice, node } = this;
    const classes = this.page.task?.classes ?? [];
    const index = choice ? classes.findIndex((one) => one.name === choice.class_name) : -1;
    const off = item && common && !sameChoice(choice, common);
    node.className = `cell ${index >= 0 ? `c${index % 9 + 1}` : ""} ${off ? "exception" : ""}`;
    node.classList.toggle("vacant", !item);
    node.classList.toggle("faulty", this.picture?.state === "failed");
    node.style.setProperty("--c", classes[index]?.colour ?? "");
    this.word.textContent = item ? choiceInWords(choice) : "";
    this.mark.hidden = !item?.flagged;
    node.title = item?.object_id ?? "";
    node.setAttribute("aria-label", this._label());
    node.setAttribute("aria-disabled", String(!item));
  }

  _label() {
    if (!this.item) return "No object yet";
    const parts = [this.item.object_id, choiceInWords(this.choice)];
    if (this.item.flagged) parts.push("flagged");
    if (this.picture?.state === "failed") parts.push(`no picture: ${this.picture.error}`);
    return parts.join(", ");
  }
}

/** A choice as it stands on a cell. */
function choiceInWords(choice) {
  return { unsure: "don't know", skip: "skip" }[choice.action] ?? choice.class_name;
}
