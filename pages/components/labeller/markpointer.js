/**
 * Mouse, pen and fingers while marking: a click adds, a drag moves a mark or pans a zoomed
 * picture. The stage calls it before anything else (see `Stage.claim`).
 */

const MARK_REACH_PX = 9; // frame px within which a press takes hold of a mark
const MARK_REACH_TOUCH_PX = 16;
const MARK_DRAG_PX = 3;

class MarkPointer {
  /** @param {Marking} marking */
  constructor(marking) {
    this.marking = marking;
    this.press = null;
  }

  /** The mark that is being dragged, or null. */
  get held() {
    return this.press?.held ?? null;
  }

  /** Forget a press: its mark may be gone. */
  let() {
    this.press = null;
  }

  down(pixel, event) {
    const reach = event.pointerType === "touch" ? MARK_REACH_TOUCH_PX : MARK_REACH_PX;
    const { magnification } = this.marking.page.stage;
    let held = null;
    let nearest = reach;
    for (const mark of this.marking.marks) {
      const distance = Math.hypot(mark.x - pixel.x, mark.y - pixel.y) * magnification;
      if (distance <= nearest) [held, nearest] = [mark, distance];
    }
    this.press = { held, from: pixel, start: { x: event.clientX, y: event.clientY }, last: event, moved: false };
    return true;
  }

  move(pixel, event) {
    const { press } = this;
    if (!press) return;
    const far = Math.hypot(event.clientX - press.start.x, event.clientY - press.start.y) > MARK_DRAG_PX;
    if (!press.moved && !far) return;
    press.moved = true;
    const { stage } = this.marking.page;
    if (press.held) {
      if (this.marking.isInside(pixel)) Object.assign(press.held, { x: pixel.x, y: pixel.y, snapped: false });
      this.marking.drawing.draw();
    } else if (stage.zoomed) {
      stage.drag(event.clientX - press.last.clientX, event.clientY - press.last.clientY);
    }
    press.last = event;
  }

  up(pixel, event) {
    const { press } = this;
    this.press = null;
    if (!press) return;
    if (!press.held) {
      if (!press.moved) this.marking.add(press.from, this.marking.snapping && !event.shiftKey);
      return;
    }
    if (!press.moved) {
      this.marking.page.say("Drag a mark to move it; zoom in to put another close to it");
      return;
    }
    const { held } = press;
    held.at = { x: held.x, y: held.y };
    held.snap = this.marking.snapping && !event.shiftKey;
    this.marking.changed();
    if (held.kind === "nucleus") this.marking.measure();
  }

  cancel() {
    if (this.press?.held) Object.assign(this.press.held, this.press.held.at);
    this.press = null;
    this.marking.changed();
  }
}
