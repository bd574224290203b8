/**
 * Finding an object by its id, the beginning of one, or a sky position: the map flies there.
 */

const FINDING_PAUSE_MS = 200;
let findingLists = 0; // each list of suggestions has an id of its own

class Finding {
  /** @param {SkyMap} map */
  constructor(map) {
    this.map = map;
    findingLists += 1;
    const list = `finding-${findingLists}`;
    this.list = el("datalist", { id: list });
    this.input = el("input", {
      type: "search", list, placeholder: "Find an id or position", "aria-label": "Find an object",
      autocomplete: "off", spellcheck: "false", maxlength: 256,
      oninput: () => this._typed(),
    });
    this.element = el("form", {
      class: "finding", role: "search",
      onsubmit: (event) => {
        event.preventDefault();
        this._go();
      },
    }, [this.input, this.list]);
    this.timer = -1;
  }

  _typed() {
    clearTimeout(this.timer);
    const text = this.input.value.trim();
    if (text) this.timer = setTimeout(() => this._suggest(text), FINDING_PAUSE_MS);
    else this.map.over.found = -1;
  }

  async _suggest(text) {
    try {
      const { items } = await this.map.get("find", { q: text });
      if (this.input.value.trim() !== text) return;
      this.list.replaceChildren(...items.map((one) => el("option", { value: one.object_id })));
    } catch {
      // Nobody pressed Enter: what is wrong with it is said then.
    }
  }

  async _go() {
    clearTimeout(this.timer);
    const { map } = this;
    const text = this.input.value.trim();
    if (!text || !map.told) return;
    const { epoch } = map;
    try {
      const { items, state } = await map.get("find", { q: text });
      if (epoch !== map.epoch) return;
      if (!items.length) {
        map.say(state);
        return;
      }
      const place = await map.get("map_place", { object_id: items[0].object_id });
      if (epoch !== map.epoch) return;
      map.flyTo(place.point, [place.x, place.y]);
      map.say(state || `${place.object_id} is in the middle`);
    } catch (error) {
      if (epoch === map.epoch) map.say(error.message);
    }
  }
}
