/**
 * Taking back the confirmed pages of the grid, newest first.
 *
 * Each answer of a page is undone by its own event_id: what the person answered since, in another
 * tab or one at a time, stands.
 */

const GRID_PAGES_KEPT = 30; // to be undone

/**
 * An answer of a confirmed page; `post` ends with the server's answer, null if it was refused.
 * @typedef {{item: object, choice: object, post: Promise<{event_id: string}|null>}} GridAnswer
 */

class GridUndo {
  /** @param {Grid} grid */
  constructor(grid) {
    this.grid = grid;
    this.page = grid.page;
    this.reset();
  }

  reset() {
    /** Confirmed pages, newest last. @type {GridAnswer[][]} */
    this.pages = [];
    /** The page that is being taken back, null while none is. @type {GridAnswer[]|null} */
    this.under = null;
  }

  get busy() {
    return this.under !== null;
  }

  /** A page was confirmed. @param {GridAnswer[]} answers */
  confirmed(answers) {
    if (answers.length) this.pages.push(answers);
    if (this.pages.length > GRID_PAGES_KEPT) this.pages.shift();
  }

  /** The grid was left: what it answered is undone one at a time from here on. */
  forget() {
    this.pages = [];
  }

  /** The choice that an object was answered with; undefined if it was not answered here. */
  choiceOf(objectId) {
    return this.pages.flat().find((one) => one.item.object_id === objectId)?.choice;
  }

  /** An object was answered anew in another tab: it is not this page's to take back. */
  drop(objectId) {
    for (const answers of [...this.pages, this.under ?? []]) {
      takeOut(answers, answers.find((one) => one.item.object_id === objectId));
    }
    this._withoutEmpty();
  }

  _withoutEmpty() {
    this.pages = this.pages.filter((answers) => answers.length);
  }

  /** Take the last confirmed page back and show it with the choices as they were. */
  async undo() {
    const { grid, page } = this;
    if (this.busy || !page.mayWrite()) return;
    if (page.answers.undoing) {
      page.say("Waiting for the undo");
      return;
    }
    const last = this.pages.at(-1);
    if (!last) {
      page.say("No page of this grid is left to undo; leave the grid to undo earlier answers");
      return;
    }
    const { epoch } = page;
    this.under = last;
    page.answers.undoing = true;
    page.say(page.outbox.size ? "Undo waits for the unsaved answers" : "Undoing the page");
    const back = await this._all(last);
    if (epoch !== page.epoch) return; // another task came, and with it a new start
    page.answers.undoing = false;
    this.under = null;
    this._withoutEmpty();
    grid.bringBack(back);
  }

  /** Undo what is left of a page. @returns {Promise<GridAnswer[]>} what to show again, in order */
  async _all(answers) {
    const { queue } = this.page;
    const saved = new Map();
    for (const one of [...answers]) saved.set(one, (await one.post)?.event_id);
    // What was refused for good is no answer.
    for (const one of [...answers]) if (!saved.get(one)) takeOut(answers, one);
    // Nobody hands them out meanwhile: a new ranking may put what is undone first.
    const places = new Map(answers.map((one) => [one, { object_id: one.item.object_id }]));
    for (const place of places.values()) queue.taken.add(place);
    const back = [];
    while (answers.length) {
      const one = answers.at(-1);
      const undone = await this._one(one, saved.get(one));
      if (!undone) break;
      if (!takeOut(answers, one)) continue; // answered anew in another tab meanwhile
      if (undone.open) {
        queue.undone(one.item.object_id);
        queue.taken.delete(places.get(one));
        queue.taken.add(one.item); // under its lease again, which is renewed from now on
        back.unshift(one);
      }
      if (undone.event) this.page.tell("undone", undone.event);
    }
    for (const place of places.values()) queue.taken.delete(place);
    return back;
  }

  /**
   * Undo one answer.
   * @returns {Promise<{event: object|null, open: boolean}|null>} whether the object is open again,
   *   and what this undid; null if the answer stands, which is told
   */
  async _one({ item, choice }, undoes) {
    const { page } = this;
    const { object_id: objectId } = item;
    try {
      const { undone } = await page.answers.post("undo", {
        task: page.taskName, event_id: newUuid(), object_id: objectId, undoes,
        answered_at: new Date().toISOString(),
      });
      return { event: undone, open: true };
    } catch (error) {
      const dismiss = () => page.outbox.dismiss(objectId);
      const elsewhere = await this._undoneElsewhere(objectId, undoes);
      if (elsewhere) {
        dismiss();
        return elsewhere;
      }
      page.fail(`Not undone: ${actInWords(choice.action, choice)} for ${objectId}`, objectId,
        error.message, dismiss);
      return null;
    }
  }

  /** If the answer was undone before: whether another of this person has taken its place. */
  async _undoneElsewhere(objectId, eventId) {
    try {
      const { events } = await this.page.get("history", { object_id: objectId });
      if (!events.some((event) => event.event_id === eventId && event.undone)) return null;
      const stands = (event) => event.own && !event.undone && ANSWERING.includes(event.action);
      return { event: null, open: !events.some(stands) };
    } catch {
      return null;
    }
  }
}

/** Take one out of a list. @returns {boolean} true if it was in it */
function takeOut(list, one) {
  const at = list.indexOf(one);
  if (at >= 0) list.splice(at, 1);
  return at >= 0;
}
