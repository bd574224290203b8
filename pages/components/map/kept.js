/**
 * How this person likes the map, kept on the server with their other settings; and where they
 * looked, kept in this tab, so that coming back from the label page finds the place again.
 */

const KEPT_NAME = "map";
const KEPT_PAUSE_MS = 800;

class Kept {
  /** @param {SkyMap} map */
  constructor(map) {
    this.map = map;
    this.value = {};
    this.timer = -1;
  }

  async load() {
    const { preferences } = await fetchJson(`${this.map.base}/api/preferences`);
    this.value = preferences[KEPT_NAME] ?? {};
  }

  get by() {
    return this.value.by ?? "class";
  }

  get log() {
    return Boolean(this.value.log);
  }

  get trail() {
    return this.value.trail !== false;
  }

  get unlabelled() {
    return Boolean(this.value.unlabelled);
  }

  get passing() {
    return Boolean(this.value.passing);
  }

  /** Columns of the card, by survey; null: nobody chose. */
  columns(survey) {
    return this.value.columns?.[survey] ?? null;
  }

  set(changes) {
    Object.assign(this.value, changes);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this._save(), KEPT_PAUSE_MS);
  }

  async _save() {
    try {
      await this.map.post("preferences", { name: KEPT_NAME, value: this.value });
    } catch (error) {
      if (!error.passing) this.map.say(error.message);
    }
  }

  // The view of this tab

  get _key() {
    return `skysift map ${this.map.taskName}`;
  }

  keepView(view) {
    try {
      sessionStorage.setItem(this._key, JSON.stringify({ map: this.map.told.map, ...view }));
    } catch {
      // Private windows have none: the map opens as a whole there.
    }
  }

  /** The view that was left in this tab on this very map, or null. */
  get view() {
    try {
      const view = JSON.parse(sessionStorage.getItem(this._key) ?? "null");
      return view?.map === this.map.told.map ? view : null;
    } catch {
      return null;
    }
  }
}
