/**
 * Which object is on trial and whose picture is on screen: no answer is taken for a picture that
 * the person does not see.
 */

const AHEAD = 10; // pictures decoded ahead
const PICTURE_AGAIN_MS = 1000;

class Showing {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.reset();
  }

  reset() {
    /** Object on trial, and the object whose picture is really on screen. */
    this.current = null;
    this.visible = null;
    /** True if the object on trial turned out to have no picture. */
    this.isWithout = false;
    clearTimeout(this.timer);
  }

  /** The look has changed: the pictures of this and the next objects are drawn anew. */
  lookChanged() {
    if (!this.page.task) return;
    if (this.current && this.page.mode !== "blink") this._redraw(this.current);
    this._decodeAhead();
  }

  async _redraw(item) {
    const picture = this.page.pictures.get(item.object_id);
    await picture.done;
    if (this.current !== item || !this.page.pictures.isPresent(picture)) return;
    if (this.visible !== item.object_id) this._reveal(item, picture);
    else if (picture.state === "ready") this._put(item, picture);
    else this.page.say(`The picture cannot be drawn so: ${picture.error}`);
  }

  /** True if a person waits for objects. */
  isStarved() {
    return this.page.mode === "grid" ? this.page.grid.starved?.() ?? false : !this.current;
  }

  /** The queue was asked: show the first of it, or say why there is nothing. */
  queueCame(answer, failure) {
    this._decodeAhead();
    if (this.page.mode === "grid") {
      if (this.isStarved()) this.page.grid.empty?.(answer, failure);
      return;
    }
    if (this.current) return;
    if (this.page.queue.items.length) this.advance();
    else if (failure) this.page.stage.message("No object can be fetched", failure.message);
    else this._nothing(answer);
  }

  _nothing(answer) {
    const { title, sentence } = Showing.whyEmpty(answer);
    this.page.stage.message(title, sentence, answer.fraction, false,
      answer.condition === "failed" ? () => this._retry() : null);
    this._none();
  }

  /** Why the queue is empty, in words. */
  static whyEmpty(answer) {
    const titles = {
      preparing: "Preparing the survey", waiting: "Ranking", failed: "No ranking",
      dry: "Every object has an answer", leased: "All in other hands",
      nothing_left: "Nothing left for you",
    };
    return {
      title: titles[answer.condition] ?? "Nothing left in the queue",
      sentence: answer.condition === "dry"
        ? "Look at the candidates, or undo to go back to an object."
        : answer.state || "More objects come with the next ranking.",
    };
  }

  async _retry() {
    try {
      await this.page.post("prepare", {});
    } catch (error) {
      this.page.say(error.message);
    }
    this.page.queue.fetch(false);
  }

  _decodeAhead() {
    if (!this.page.task || this.page.mode === "grid") return;
    for (const item of this.page.queue.items.slice(0, AHEAD)) this.page.pictures.get(item.object_id);
  }

  _none() {
    this.current = null;
    this.visible = null;
    this.page.view.enable(false);
    this.describe(null);
    this.page.tell("show", null);
  }

  /** A mode that shows many takes over: the object on trial comes first when it ends. */
  putAway() {
    if (!this.current) return;
    this.page.queue.putBack(this.current);
    this._none();
  }

  /** The next object. */
  advance() {
    if (this.page.mode === "grid") return;
    const item = this.page.queue.next();
    if (item) {
      this._show(item);
      return;
    }
    this.page.stage.message("Fetching more objects", "", null, true);
    this._none();
    this.page.queue.fetch(false);
  }

  _show(item) {
    this.page.view.finishNote();
    this.current = item;
    this.visible = null;
    this.isWithout = false;
    this.page.answers.restart();
    const picture = this.page.pictures.get(item.object_id);
    if (picture.state === "loading") {
      this.page.view.enable(false);
      this.page.stage.message("", `Loading the picture of ${item.object_id}`, null, true);
      picture.done.then(() => {
        const isWaited = this.current === item && this.visible !== item.object_id;
        if (isWaited && this.page.pictures.isPresent(picture)) this._reveal(item, picture);
        this._decodeAhead();
      });
    } else {
      this._reveal(item, picture);
      this._decodeAhead();
    }
  }

  _put(item, picture) {
    this.page.stage.picture(picture.img, item);
    if (picture.note) this.page.say(picture.note);
    this.visible = item.object_id;
  }

  _reveal(item, picture) {
    item.shownAt = new Date().toISOString();
    if (picture.state === "ready") {
      this._put(item, picture);
      this.page.view.enable(this.page.mayWrite());
    } else {
      this.isWithout = !picture.passing;
      this.page.pictures.forget(picture); // another try when it comes up again
      this.page.stage.message(`No picture of ${item.object_id}`,
        `${picture.error} It cannot be answered unseen; skip it, flag it or leave a note.`);
      this.page.view.enable(false);
      if (picture.passing) this._tryAgain(item);
    }
    this.describe(item);
    this.page.tell("show", item);
  }

  /** The server was away: show the picture as soon as it is back. */
  _tryAgain(item) {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      if (this.current !== item || this.visible === item.object_id) return;
      const picture = this.page.pictures.get(item.object_id);
      await picture.done;
      if (this.current === item && this.visible !== item.object_id) this._reveal(item, picture);
    }, PICTURE_AGAIN_MS);
  }

  /** Words about the object, without its picture. */
  describe(item) {
    if (!this.page.task) return;
    this.page.view.caption(item, this.page.task);
    this.page.beside.explain(item, this.page.task);
  }

  /** Show an object by its id; the one on screen waits behind it. */
  async open(objectId) {
    const { epoch } = this.page;
    const before = this.current;
    let item;
    try {
      item = await this._fetch(objectId);
    } catch (error) {
      if (epoch === this.page.epoch) this.page.fail(`Not opened: ${objectId}`, objectId, error.message);
      return;
    }
    if (epoch !== this.page.epoch) return;
    if (this.page.mode === "grid") this.page.setMode("one", false);
    if (this.current !== before) this.page.answers.guard(); // it comes late, to somebody at work
    this.bringBack({ ...item, opened: true });
  }

  async _fetch(objectId) {
    try {
      return await this.page.get("object", { object_id: objectId });
    } catch (error) {
      // In an address that was written by hand a plus means a space; ids of SDSS have pluses.
      if (error.status !== 404 || !objectId.includes(" ")) throw error;
      return this.page.get("object", { object_id: objectId.replaceAll(" ", "+") });
    }
  }

  /** Show `item` now; the one on screen waits behind it. */
  bringBack(item) {
    if (this.page.mode === "grid") {
      this.page.queue.putBack(item);
      return;
    }
    const behind = this.current;
    if (behind) this.page.tell("leave", behind);
    this.page.queue.drop(item.object_id);
    // What was only opened to be looked at does not wait.
    const waits = behind && !behind.opened && behind.object_id !== item.object_id;
    if (waits) this.page.queue.putBack(behind);
    this._show(item);
  }
}
