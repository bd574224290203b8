/**
 * What can be answered now: the task's classes, or the answers to one question of its tree.
 */

class Questions {
  constructor(task) {
    this.task = task;
    this.byId = new Map((task.tree?.questions ?? []).map((one) => [one.id, one]));
    this.restart();
  }

  /** Back to the first question, for a new object. */
  restart() {
    this.path = [];
    this.at = this.task.tree ? this.byId.get(this.task.tree.start) : null;
  }

  /** The question on screen. */
  get text() {
    return this.at?.text ?? this.task.question ?? this.task.task;
  }

  /** What the keys mean: {name, key, colour, note, target}. */
  get choices() {
    if (!this.at) {
      return this.task.classes.map((one) => ({ ...one, target: this.task.targets.includes(one.name) }));
    }
    return this.at.answers.map((one, index) => ({
      name: one.text, key: String(index + 1), colour: "", guideline: "",
      target: this.task.targets.includes(one.class),
    }));
  }

  /**
   * Take the answer at `index`.
   * @returns {{class_name: string, path: string[][]}|null} the label, or null if a question follows
   */
  take(index) {
    if (!this.at) return { class_name: this.task.classes[index].name, path: null };
    const answer = this.at.answers[index];
    this.path.push([this.at.id, answer.text]);
    if (answer.class !== undefined) return { class_name: answer.class, path: this.path.slice() };
    this.at = this.byId.get(answer.next);
    return null;
  }

  /** One question back; false at the first. */
  back() {
    const last = this.path.pop();
    if (!last) return false;
    this.at = this.byId.get(last[0]);
    return true;
  }
}
