/**
 * Flags, notes and marks: put on an object, and taken back.
 *
 * Each is an event of its own, and what takes it back is another that names it. Both go through
 * the outbox, so that what is taken back at once still comes after what it takes back, and both
 * show at once on everything the page holds of the object.
 */

const REMARK_TAKEN = { flag: "Flag taken back", note: "Note taken back", mark: "Marks taken back" };

/**
 * What stands on an object, in the form of the history's events.
 * @typedef {{event_id: string, action: "flag"|"note"|"mark", note?: string, marks?: object[],
 *   at?: string}} Remark
 */

class Remarks {
  /** @param {Answers} answers */
  constructor(answers) {
    this.answers = answers;
    this.page = answers.page;
    /** Taken back here, which the server may not know yet: event_ids. */
    this.gone = new Set();
    /** Refused for good: there is nothing to take back. */
    this.refused = new Set();
  }

  // Putting

  /** Flag an object, or take back the flags that this person has on it. */
  async toggleFlag(item) {
    const { page } = this;
    const own = item.flags ?? [];
    if (!own.length) {
      if (await this._make({ action: "flag" }, {}, item)) page.say(`${item.object_id} flagged`);
      return;
    }
    const took = await Promise.all(own.map((id) => this.takeBack({ event_id: id, action: "flag" }, item)));
    if (!took.every(Boolean)) return;
    page.say(item.flagged ? `${item.object_id}: your flag is taken back, that of somebody else stands`
      : `${item.object_id}: flag taken back`);
  }

  async note(text, item) {
    if (await this._make({ action: "note", note: text }, { note: text }, item)) this.page.say("Note saved");
  }

  /** @returns {Promise<{saved: boolean, unwanted: boolean}>} unwanted: taken back meanwhile */
  async mark(marks, item) {
    const remark = { action: "mark", marks, at: new Date().toISOString() };
    const answer = await this._make(remark, { payload: { marks } }, item);
    return { saved: Boolean(answer), unwanted: this.gone.has(remark.event_id) };
  }

  async _make(remark, more, item) {
    remark.event_id = newUuid();
    this._put(remark, item);
    const answer = await this.answers.record(remark.action, { ...more, event_id: remark.event_id }, item);
    if (!answer) { // which the page has told
      this.refused.add(remark.event_id);
      this._drop(remark, item);
    }
    return answer;
  }

  // Taking back

  /**
   * Take back one of this person's own.
   * @param {Remark} remark
   * @returns {Promise<boolean>} true if it is gone; otherwise the page has told why
   */
  async takeBack(remark, item) {
    const { page } = this;
    const { event_id: undoes } = remark;
    if (this.gone.has(undoes) || !page.mayWrite()) return false;
    this.gone.add(undoes);
    this._drop(remark, item);
    try {
      await this.answers.post("undo", {
        task: page.taskName, event_id: newUuid(), object_id: item.object_id, undoes,
        answered_at: new Date().toISOString(),
      });
      return true;
    } catch (error) {
      const dismiss = () => page.outbox.dismiss(item.object_id);
      if (this.refused.has(undoes) || await this._wasTakenBack(undoes, item)) {
        dismiss();
        return true;
      }
      this.gone.delete(undoes);
      this._put(remark, item);
      page.fail(`Not taken back: ${actInWords(remark.action, remark)} for ${item.object_id}`,
        item.object_id, error.message, dismiss);
      return false;
    }
  }

  /** Take back and say so. */
  async takeBackAloud(remark, item) {
    if (await this.takeBack(remark, item)) this.page.say(`${REMARK_TAKEN[remark.action]}: ${item.object_id}`);
  }

  /** Whether another tab was first. */
  async _wasTakenBack(eventId, item) {
    try {
      const { events } = await this.page.get("history", { object_id: item.object_id });
      return events.some((event) => event.event_id === eventId && event.undone);
    } catch {
      return false;
    }
  }

  // What the page holds of the object

  /** An object that was answered and came back is held twice. */
  _records(item) {
    const { page } = this;
    const all = [item, ...page.queue.held, this.answers.recent.get(item.object_id)];
    return new Set(all.filter((one) => one?.object_id === item.object_id));
  }

  _put(remark, item) {
    const { event_id, action, note, marks, at } = remark;
    for (const one of this._records(item)) {
      if (action === "flag") one.flags = [...(one.flags ?? []), event_id];
      else if (action === "note") one.notes = [...(one.notes ?? []), note];
      else one.marks = [...(one.marks ?? []), { event_id, annotator: "", own: true, at, marks }];
    }
    this._changed(item);
  }

  _drop(remark, item) {
    const { event_id: eventId, action, note } = remark;
    for (const one of this._records(item)) {
      if (action === "flag") one.flags = (one.flags ?? []).filter((id) => id !== eventId);
      else if (action === "mark") one.marks = (one.marks ?? []).filter((kept) => kept.event_id !== eventId);
      else {
        const at = (one.notes ?? []).indexOf(note);
        one.notes = (one.notes ?? []).filter((_, index) => index !== at);
      }
    }
    this._changed(item);
  }

  _changed(item) {
    const { page } = this;
    for (const one of this._records(item)) {
      one.flagged = Boolean(one.flags?.length || one.flagged_by_others);
    }
    if (page.current?.object_id !== item.object_id) return;
    page.describe(page.current);
    page.marking.changed();
  }
}
