/**
 * What the person does to an object: answers, flags, notes, undo and redo.
 */

const GUARD_MS = 700; // a press on its way when an object comes back unasked was meant for another
const RECENT_KEPT = 200;
const ANSWERING = ["label", "skip", "unsure"];
const CONFIDENCES = [["low", 0.25], ["medium", 0.5], ["high", 0.75], ["certain", 1]];

class Answers {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.remarks = new Remarks(this);
    this.reset();
    page.register({
      unsure: () => this.unsure(), skip: () => this.skip(), undo: () => this.undo(),
      redo: () => this.redo(), flag: () => this.flag(), back: () => this.back(),
      confidence: () => this.sayHowSure(),
    });
  }

  reset() {
    /** Which question is asked, the tags that are on, and how sure the next answer is. */
    this.questions = null;
    this.tags = new Set();
    this.confidence = -1;
    this.recent = new Map();
    /** Answers given here that stand, oldest first: {event_id, action, class_name, item}. */
    this.steps = [];
    this.undoing = false;
    this.guardedUntil = 0;
  }

  task(task) {
    this.questions = new Questions(task);
    this.tags.clear();
    this.ask();
  }

  /** A new object is on trial. */
  restart() {
    this.tags.clear();
    this.confidence = -1;
    this.questions?.restart();
    this.ask();
  }

  /** Draw what can be answered now. */
  ask() {
    const { page } = this;
    if (!this.questions) return;
    page.view.ask(this.questions.text, this.questions.choices, this.questions.path.length > 0);
    page.view.tagged(this.tags);
    page.view.confidence(CONFIDENCES[this.confidence]?.[0] ?? null);
    page.view.enable(Boolean(page.current) && page.visible === page.current?.object_id && page.mayWrite());
    page.keysChanged(false);
  }

  // Posting

  _event(action, more, item) {
    return {
      event_id: newUuid(), task: this.page.taskName, object_id: item.object_id, action,
      shown_at: item.shownAt ?? null, answered_at: new Date().toISOString(),
      lease: item.lease ?? null, ...more,
    };
  }

  /**
   * Post one act on an object. Never rejects: the answer of the server, or null if it was refused
   * for good, which is then told and, for an answer, brings the object back.
   */
  async record(action, more, item) {
    const { page } = this;
    const body = this._event(action, more, item);
    const answers = ANSWERING.includes(action);
    if (answers) {
      page.queue.done(item);
      this.recent.set(item.object_id, item);
      this.steps.push({ event_id: body.event_id, action, class_name: more.class_name ?? null, item });
      if (this.steps.length > RECENT_KEPT) this.steps.shift();
      if (this.recent.size > RECENT_KEPT) this.recent.delete(this.recent.keys().next().value);
      page.settled(item.object_id);
      page.tell("answered", action, item, more);
    }
    try {
      const answer = await this.post("events", body);
      if (answer.late) {
        page.fail(`Kept, not counted: ${actInWords(action, more)} for ${item.object_id}`, item.object_id,
          "Its time had run out and somebody else had it; it counts once somebody settles it on the Review page.");
      }
      return answer;
    } catch (error) {
      page.fail(`Not saved: ${actInWords(action, more)} for ${item.object_id}`, item.object_id,
        error.message, () => page.outbox.dismiss(item.object_id));
      if (answers) {
        this._forget(body.event_id);
        page.queue.undone(item.object_id);
        page.tell("unanswered", item);
        this.guard();
        page.bringBack(item);
      }
      return null;
    }
  }

  /** Post in order; the promise fails only for good, and only while this task is open. */
  async post(path, body) {
    const { page } = this;
    const epoch = page.epoch;
    let answer;
    try {
      answer = await page.outbox.add(`${page.base}/api/${path}`, body, page.task.user);
    } catch (error) {
      if (epoch === page.epoch) throw error;
      page.fail(`Not saved in the task ${body.task}: ${body.object_id ?? "an undo"}`, null, error.message);
      return new Promise(() => {});
    }
    if (epoch !== page.epoch) return new Promise(() => {});
    page.acknowledged(answer);
    return answer;
  }

  // Acts

  /** Answer with the choice at `index` of the present question. */
  label(index) {
    const { page } = this;
    const chosen = this.questions?.choices[index];
    if (!chosen || !this.ready(true)) return;
    page.view.flash(index);
    const label = this.questions.take(index);
    if (label === null) {
      this.ask();
      return;
    }
    const more = { class_name: label.class_name };
    const payload = {};
    if (label.path) payload.path = label.path;
    if (this.tags.size) payload.tags = [...this.tags];
    if (Object.keys(payload).length) more.payload = payload;
    if (this.confidence >= 0) more.confidence = CONFIDENCES[this.confidence][1];
    this._answer("label", more, `${page.current.object_id}: ${label.class_name}`);
  }

  unsure() {
    if (!this.ready(true)) return;
    const more = this.tags.size ? { payload: { tags: [...this.tags] } } : {};
    this._answer("unsure", more, `${this.page.current.object_id}: cannot tell`);
  }

  /** Skip; what was only opened to be looked at is left as it is, without an event. */
  skip() {
    const { page } = this;
    if (!this.ready(false)) return;
    const item = page.current;
    if (!item.opened) {
      this._answer("skip", {}, `${item.object_id} skipped`);
      return;
    }
    page.leaving(item);
    page.advance();
    page.say(`${item.object_id} is left as it is`);
  }

  _answer(action, more, said) {
    const { page } = this;
    const item = page.current;
    page.leaving(item); // unsaved marks and a note that was begun go first
    const recorded = this.record(action, more, item);
    page.advance();
    page.say(said);
    return recorded;
  }

  /** Take no answer for a moment: the object on screen has changed unasked. */
  guard() {
    this.guardedUntil = performance.now() + GUARD_MS;
  }

  /** One question back in a decision tree. */
  back() {
    if (this.questions?.back()) this.ask();
  }

  tag(index) {
    const name = this.page.task?.tags[index];
    if (!name || !this.ready(false)) return;
    if (!this.tags.delete(name)) this.tags.add(name);
    this.page.view.tagged(this.tags);
  }

  /** How sure the next answer is: unsaid, low ... certain, and round again. */
  sayHowSure() {
    if (!this.ready(false)) return;
    this.confidence = this.confidence + 1 < CONFIDENCES.length ? this.confidence + 1 : -1;
    const word = CONFIDENCES[this.confidence]?.[0] ?? null;
    this.page.view.confidence(word);
    this.page.say(word ? `Confidence of the next answer: ${word}` : "Confidence not said");
  }

  /** True if an answer may be taken now; otherwise it says why not. */
  ready(needsPicture) {
    const { page } = this;
    if (!page.current) return false;
    if (!page.mayWrite()) {
      page.say("You are here to look; ask the owner to be made an annotator");
      return false;
    }
    if (performance.now() < this.guardedUntil) {
      page.say("Not taken: this object has just come on screen unasked");
      return false;
    }
    if (needsPicture && page.visible !== page.current.object_id) {
      page.say(page.showing.isWithout ? "Not taken: this object has no picture; skip it"
        : "Not taken: the picture is not on screen yet");
      return false;
    }
    return true;
  }

  flag() {
    if (this.ready(false)) this.remarks.toggleFlag(this.page.current);
  }

  note(text, item) {
    this.remarks.note(text, item);
  }

  // Back and forth

  /**
   * Undo the newest answer that stands. What was answered in this tab comes back at once, its undo
   * goes behind the answer; what an earlier page answered is the server's to say.
   */
  undo() {
    const { page } = this;
    if (!page.task || !page.mayWrite()) return;
    const step = this.steps.at(-1);
    if (step) this._undoStep(step);
    else this._undoLatest();
  }

  async _undoStep(step) {
    const { page } = this;
    const { item } = step;
    const undone = { object_id: item.object_id, action: step.action, class_name: step.class_name };
    page.queue.undone(item.object_id);
    page.tell("undone", undone); // which takes it off the steps as well
    page.bringBack(item);
    page.say(`Undone: ${step.class_name ?? step.action}`);
    try {
      await this.post("undo", {
        task: page.taskName, event_id: newUuid(), object_id: item.object_id, undoes: step.event_id,
        answered_at: new Date().toISOString(),
      });
    } catch (error) {
      page.fail(`Not undone: ${actInWords(step.action, step)} for ${item.object_id}`, item.object_id,
        error.message, () => page.outbox.dismiss(item.object_id));
    }
  }

  async _undoLatest() {
    const { page } = this;
    if (this.undoing) return;
    const { epoch } = page;
    this.undoing = true;
    page.say(page.outbox.size ? "Undo waits for the unsaved answers" : "Undoing");
    try {
      const { undone } = await this.post("undo", { task: page.taskName, event_id: newUuid() });
      page.queue.undone(undone.object_id);
      page.tell("undone", undone);
      const item = await page.get("object", { object_id: undone.object_id });
      if (epoch !== page.epoch) return;
      this.guard();
      page.bringBack(item);
      page.say(`Undone: ${undone.class_name ?? undone.action}`);
    } catch (error) {
      if (epoch === page.epoch) page.say(error.message);
    } finally {
      if (epoch === page.epoch) this.undoing = false;
    }
  }

  /** Its answer was taken back, here or in another tab. */
  undone(answer) {
    const at = this.steps.findLastIndex((step) => step.item.object_id === answer.object_id);
    if (at >= 0) this.steps.splice(at, 1);
  }

  _forget(eventId) {
    this.steps = this.steps.filter((step) => step.event_id !== eventId);
  }

  /** Give the last undone answer again. */
  async redo() {
    const { page } = this;
    if (!page.task || this.undoing || !page.mayWrite()) return;
    const { epoch } = page;
    this.undoing = true;
    const eventId = newUuid();
    try {
      const { redone } = await this.post("redo", { task: page.taskName, event_id: eventId });
      page.queue.answered.add(redone.object_id);
      page.queue.drop(redone.object_id);
      page.tell("redone", redone);
      const item = this.recent.get(redone.object_id);
      if (item) this.steps.push({ ...redone, event_id: eventId, item });
      if (page.current?.object_id === redone.object_id) {
        this.guard();
        page.advance();
      }
      page.say(`Redone: ${redone.object_id}, ${redone.class_name ?? redone.action}`);
    } catch (error) {
      if (epoch === page.epoch) page.say(error.message);
    } finally {
      if (epoch === page.epoch) this.undoing = false;
    }
  }
}

/** An act as the banner names it. */
function actInWords(action, more) {
  if (action === "label") return `the answer “${more.class_name}”`;
  if (action === "unsure") return "the “cannot tell”";
  if (action === "note") return `the note “${more.note}”`;
  return { skip: "the skip", flag: "the flag", mark: "the marks" }[action] ?? `the ${action}`;
}
