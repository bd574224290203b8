/**
 * The selection: made of what a polygon encloses, and shown where it lies.
 */

class Selecting {
  /** @param {SkyMap} map */
  constructor(map) {
    this.map = map;
    this.id = null; // of the selection in use
  }

  /** Have the objects inside a polygon of map coordinates selected; of a filter what passes it. */
  async select(polygon) {
    const { map } = this;
    const { epoch, shown, legend, kept, filtering } = map;
    map.say("Selecting");
    try {
      const answer = await map.post("map_select", {
        task: map.taskName, map_run: map.told.map, polygon,
        filter: {
          ...shown, hidden: [...legend.hidden], only_unlabelled: kept.unlabelled,
          conditions: filtering.text,
        },
      });
      if (epoch !== map.epoch) return;
      if (!answer.selection) {
        map.say(filtering.text
          ? "Nothing in there passes the filter; the selection stays as it is"
          : "No object lies in there; the selection stays as it is");
        return;
      }
      this.id = answer.selection;
      map.over.selected = { outline: polygon, points: [] };
      map.over.again();
      map.say(`${answer.n.toLocaleString("en-GB")} objects selected`);
      map.root.dataset.selected = answer.selection;
      map.tell("selection", answer.selection);
      if (!answer.is_all) this.show(answer.selection, polygon);
    } catch (error) {
      if (epoch === map.epoch) map.say(error.message);
    }
  }

  view() {
    if (!this.map.chart.isOpen) return;
    const [x0, y0, x1, y1] = this.map.chart.lens.box;
    this.select([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]);
  }

  /** Another selection of the page: show where it lies. */
  use(selection) {
    if (selection !== this.id) this.show(selection);
    this.id = selection;
  }

  /** Draw a selection over the points; `outline` until the server says where it lies. */
  async show(selection = this.id, outline = null) {
    const { map } = this;
    this.id = selection;
    map.over.selected = { outline, points: [] };
    map.over.again();
    if (!selection || !map.hasPlaces) return;
    const { epoch } = map;
    try {
      const found = await map.get("map_selection", { selection });
      if (epoch !== map.epoch || selection !== this.id) return;
      map.over.selected = { outline: found.outline, points: found.points };
      map.over.again();
      const n = found.points.length;
      if (n && n < found.n_placed) {
        map.say(`${n.toLocaleString("en-GB")} of the ${found.n_placed.toLocaleString("en-GB")} selected objects are marked on the map`);
      }
    } catch {
      // The panel below says what is wrong with it.
    }
  }
}
