/**
 * What a person set: kept on the server under their name, so that it is there on any machine.
 */

const PREFERENCES_DELAY_MS = 400;

class Preferences {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.forget();
  }

  /** Somebody else is here. */
  forget() {
    clearTimeout(this.timer);
    this.all = {};
    /** Changed and not yet acknowledged, by name. @type {Map<string, any>} */
    this.unsaved = new Map();
  }

  /** Fetch them; without the server everything is as it comes. */
  async load() {
    const { preferences } = await this.page.get("preferences");
    for (const [name, value] of this.unsaved) preferences[name] = value;
    this.all = preferences;
  }

  get(name, fallback = null) {
    return this.all[name] ?? fallback;
  }

  set(name, value) {
    this.all[name] = value;
    this.unsaved.set(name, value);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), PREFERENCES_DELAY_MS);
  }

  /**
   * Keep what changed; what cannot be kept now is tried again with the next poll.
   * @param {boolean} leaving the page goes away: nobody waits for the answer
   */
  async save(leaving = false) {
    clearTimeout(this.timer);
    await Promise.all([...this.unsaved].map(async ([name, value]) => {
      const done = () => this.unsaved.get(name) === value && this.unsaved.delete(name);
      try {
        await this.page.post("preferences", { name, value }, leaving ? { keepalive: true } : {});
        done();
      } catch (error) {
        if (error.passing) return;
        done();
        this.page.say(`Not kept for the next time: ${error.message}`);
      }
    }));
  }
}
