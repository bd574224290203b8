/**
 * What a person set: kept on the server under their name, so that it is there on any machine.
 */

const PREFERENCES_DELAY_MS = 400;

class Preferences {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.all = {};
    /** Names changed and not yet kept. */
    this.unsaved = new Set();
  }

  /** Fetch them; without the server everything is as it comes. */
  async load() {
    const { preferences } = await this.page.get("preferences");
    for (const name of this.unsaved) preferences[name] = this.all[name];
    this.all = preferences;
  }

  get(name, fallback = null) {
    return this.all[name] ?? fallback;
  }

  set(name, value) {
    this.all[name] = value;
    this.unsaved.add(name);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), PREFERENCES_DELAY_MS);
  }

  /** Keep what changed; what cannot be kept now is tried again with the next poll. */
  async save() {
    for (const name of [...this.unsaved]) {
      const value = this.all[name];
      this.unsaved.delete(name);
      try {
        await this.page.post("preferences", { name, value });
      } catch (error) {
        if (error.passing) this.unsaved.add(name);
        else this.page.say(`Not kept for the next time: ${error.message}`);
      }
    }
  }
}
