/**
 * The sheet of look-alikes: pictures with what is known of them, to be picked and to search on by.
 *
 * Picks live here and are told to Streamlit as the state `picked` ({of, ids}: of which search, and
 * object_ids in the order shown); a sheet that is mounted anew begins with what was told. "more
 * like" and "less like" are told as the trigger `act`. One sheet belongs to one element: Streamlit
 * runs the default export again at every change of the data.
 */

class AlikeSheet {
  constructor(root) {
    this.root = root;
    this.picked = new Set();
    this.of = null;
    this.last = null; // the cell that was picked last, where a range begins
    this.list = el("ol", { class: "sheet" });
    this.tally = el("span", { class: "tally", role: "status" });
    this.bar = el("div", { class: "bar" }, [
      el("button", { class: "plain", type: "button", text: "Pick all", onclick: () => this._all(true) }),
      el("button", { class: "plain", type: "button", text: "Pick none", onclick: () => this._all(false) }),
      this.tally,
    ]);
    root.classList.add("alike");
    root.replaceChildren(this.bar, this.list);
  }

  /** Draw what came; picks of another search, or no longer shown, are gone. */
  show(data, setState, setTrigger) {
    this.setState = setState;
    this.setTrigger = setTrigger;
    const isNew = data.of !== this.of;
    const told = this.of === null ? data.picked : { of: this.of, ids: [...this.picked] };
    const shown = new Set(data.cells.map((cell) => cell.id));
    this.picked = new Set(told.of === data.of ? told.ids.filter((id) => shown.has(id)) : []);
    const drawn = JSON.stringify(data.cells);
    if (isNew || drawn !== this.drawn) {
      this.last = null;
      this.boxes = data.cells.map((cell, place) => this._box(cell, place));
      this.cells = data.cells;
      this.list.replaceChildren(...data.cells.map((cell, place) => this._cell(cell, this.boxes[place])));
    }
    this.of = data.of;
    this.drawn = drawn;
    this.bar.hidden = !data.cells.length;
    if (this.picked.size < told.ids.length) this._tell();
    else this._count();
  }

  _box(cell, place) {
    const box = el("input", {
      type: "checkbox", "aria-label": `Pick ${cell.id}`,
      onclick: (event) => this._pick(place, box.checked, event.shiftKey),
    });
    box.checked = this.picked.has(cell.id);
    return box;
  }

  _cell(cell, box) {
    const picture = el("img", { src: cell.src, alt: "", loading: "lazy", width: 256, height: 256 });
    picture.addEventListener("error", () => {
      picture.replaceWith(el("span", { class: "lost", text: "Its picture could not be fetched" }));
    });
    const words = [el("p", { class: "near" }, [
      el("span", { text: cell.distance, title: cell.standing }),
      ...(cell.selected ? [el("span", { class: "chosen", text: "selected", title: "It is in the selection in use." })] : []),
      ...(cell.twin ? [el("span", { class: "twin", text: "same picture", title: "Its pixels are those of the picture you gave." })] : []),
    ])];
    if (cell.label) {
      const dot = el("i");
      dot.style.background = cell.colour;
      words.push(el("p", { class: "label" }, [dot, el("span", { text: cell.label })]));
    }
    if (cell.known) words.push(el("p", { class: "known", text: cell.known, title: cell.known }));
    for (const [name, value] of cell.columns) {
      words.push(el("p", { class: "column", title: name }, [el("span", { text: name }), ` ${readable(value)}`]));
    }
    const act = (kind, sign, title) => el("button", {
      type: "button", text: sign, title, "aria-label": `${title}: ${cell.id}`,
      onclick: () => this.setTrigger("act", { kind, id: cell.id }),
    });
    const item = el("li", { "data-id": cell.id }, [
      el("label", {}, [box, picture]),
      el("a", { class: "id", href: cell.href, target: "_self", text: cell.id, title: `Open ${cell.id} on the label page` }),
      ...words,
      el("div", { class: "acts" }, [
        act("like", "+", "Like this one too"), act("unlike", "\u2212", "Not like this one"),
        act("only", "\u2192", "Look-alikes of this one"),
      ]),
    ]);
    item.classList.toggle("picked", box.checked);
    item.classList.toggle("selected", Boolean(cell.selected));
    return item;
  }

  /** A click with shift takes all between this cell and the one before along. */
  _pick(place, isOn, isRange) {
    const from = isRange && this.last !== null ? this.last : place;
    for (let at = Math.min(from, place); at <= Math.max(from, place); at += 1) this._set(at, isOn);
    this.last = place;
    this._tell();
  }

  _all(isOn) {
    this.cells.forEach((_cell, place) => this._set(place, isOn));
    this._tell();
  }

  _set(place, isOn) {
    const { id } = this.cells[place];
    this.boxes[place].checked = isOn;
    this.list.children[place].classList.toggle("picked", isOn);
    if (isOn) this.picked.add(id);
    else this.picked.delete(id);
  }

  _tell() {
    this._count();
    const ids = this.cells.map((cell) => cell.id).filter((id) => this.picked.has(id));
    this.setState("picked", { of: this.of, ids });
  }

  _count() {
    const n = this.picked.size;
    this.tally.textContent = n ? `${n} picked` : "Click a picture to pick it, with Shift for all between";
  }
}

/** Called by Streamlit at every mount and at every change of the data. */
export default function mount({ parentElement, data, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".mount");
  root.alikeSheet ??= new AlikeSheet(root);
  root.alikeSheet.show(data, setStateValue, setTriggerValue);
}
