/**
 * Choosing in the grid: what a cell's object will be answered with, once the page is confirmed.
 */

class GridChoosing {
  /** @param {Grid} grid */
  constructor(grid) {
    this.grid = grid;
    this.page = grid.page;
  }

  /** A press on a cell: common and the targets take turns; with Shift the next class. */
  press(cell, event) {
    if (!cell.item) return;
    this.grid.point(cell);
    const { classes, targets } = this.page.task;
    const names = classes.map((one) => one.name);
    const common = this.grid.common.class_name;
    const sought = targets.filter((name) => name !== common && names.includes(name));
    const round = [common, ...(sought.length ? sought : names.filter((name) => name !== common).slice(0, 1))];
    const at = cell.choice.action === "label" ? round.indexOf(cell.choice.class_name) : -1;
    const next = event.shiftKey
      ? names[(names.indexOf(cell.choice.class_name) + 1) % names.length] : round[(at + 1) % round.length];
    this._set(cell, { action: "label", class_name: next });
  }

  /** Choose for the outlined cell. */
  choose(choice) {
    const cell = this.grid.cells[this.grid.at];
    if (!this.may() || !cell?.item) return;
    this._set(cell, choice);
  }

  /** What more is wanted of: the objects chosen as a target, else the outlined one. */
  likened() {
    const { targets } = this.page.task;
    const chosen = this.grid.cells.filter(({ item, choice }) => item && targets.includes(choice?.class_name));
    const cells = chosen.length ? chosen : [this.grid.cells[this.grid.at]];
    return cells.map((cell) => cell?.item).filter(Boolean);
  }

  /** True if this person may answer; otherwise it says why not. */
  may() {
    if (this.page.mayWrite()) return true;
    this.page.say("You are here to look; ask the owner to be made an annotator");
    return false;
  }

  /** True if the object came unasked a moment ago: a press on its way was meant for another. */
  _guarded(cell) {
    if (performance.now() >= cell.guardedUntil) return false;
    this.page.say("Not taken: this object has just come on screen unasked");
    return true;
  }

  _set(cell, choice) {
    if (!this.may() || this._guarded(cell)) return;
    cell.choice = choice;
    this.page.say(`${cell.item.object_id}: ${choiceInWords(choice)}`);
    this.grid.changed();
  }

  /** Flag the outlined object, or take its flag back. */
  async flag() {
    const cell = this.grid.cells[this.grid.at];
    const item = cell?.item;
    if (!item || !this.may() || this._guarded(cell)) return;
    const done = this.page.answers.remarks.toggleFlag(item);
    this.grid.changed();
    await done;
    this.grid.changed();
  }
}
