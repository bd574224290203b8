/**
 * Mouse, pen and fingers on the stage: wheel and pinch zoom, dragging pans a zoomed picture, the
 * right button (or the contrast tool) changes brightness and contrast as in DS9, and a tool that
 * claimed the pointer comes first.
 */

const GESTURE_DRAG_PX = 3; // a press that moves less is a click
const GESTURE_WHEEL = 0.003; // natural logarithm of the zoom a wheel px
const GESTURE_TRACKPAD = 0.012; // a trackpad's pinch comes as a wheel with ctrl, in small steps

class Gestures {
  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    this.tool = null;
    /** Where each finger or button that is down is, in frame px. @type {Map<number, object>} */
    this.down = new Map();
    this.gesture = null;
    const on = (name, act, options) => stage.element.addEventListener(name, act, options);
    on("pointerdown", (event) => this._down(event));
    on("pointermove", (event) => this._move(event));
    on("pointerup", (event) => this._up(event, false));
    on("pointercancel", (event) => this._up(event, true));
    on("pointerleave", () => stage.pointAt(null));
    on("contextmenu", (event) => stage.item && event.preventDefault());
    on("dblclick", () => stage.item && !this.tool && !stage.contrastTool && stage.fit());
    on("wheel", (event) => this._wheel(event), { passive: false });
  }

  /** Give a tool the pointer first; null ends that. */
  claim(tool) {
    this.tool = tool;
    if (this.gesture?.kind === "tool") this.gesture = null;
  }

  _tell(what, event) {
    return this.tool?.[what]?.(this.stage.toPixel(event), event);
  }

  _wheel(event) {
    const { stage } = this;
    if (!stage.item || event.deltaY === 0) return;
    if (!stage.zoomed && event.deltaY > 0 && !event.ctrlKey) return; // the page scrolls
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const amount = Math.min(Math.max(event.deltaY * lines, -240), 240);
    const rate = event.ctrlKey ? GESTURE_TRACKPAD : GESTURE_WHEEL;
    stage.zoomBy(Math.exp(-amount * rate), stage.frameOf(event));
  }

  _down(event) {
    const { stage } = this;
    if (!stage.item) return;
    const place = stage.frameOf(event);
    this.down.set(event.pointerId, place);
    if (this.down.size > 1) {
      this._startPinch(event);
      return;
    }
    if (event.button === 1) event.preventDefault(); // the browser's own scrolling
    this.gesture = { kind: this._kind(event), id: event.pointerId, from: place, last: place, moved: false };
    stage.element.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") stage.pointAt({ ...place, touch: true });
  }

  _kind(event) {
    if (!this.stage.hasPixels) return "pan";
    if (event.button === 2) return "contrast";
    if (event.button !== 0) return "pan";
    if (this.tool) return this._tell("down", event) === false ? "pan" : "tool";
    return this.stage.contrastTool ? "contrast" : "pan";
  }

  _startPinch(event) {
    if (this.gesture?.kind === "tool") this._tell("cancel", event);
    if (this.gesture?.kind === "contrast") this.stage.contrast.cancel();
    this.gesture = { kind: "pinch", ...this._spread() };
  }

  /** Distance and middle of the first two fingers. */
  _spread() {
    const [a, b] = [...this.down.values()];
    return {
      distance: Math.max(Math.hypot(a.x - b.x, a.y - b.y), 1),
      centre: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 },
    };
  }

  _move(event) {
    const { stage, gesture } = this;
    if (!stage.item) return;
    const place = stage.frameOf(event);
    if (this.down.has(event.pointerId)) this.down.set(event.pointerId, place);
    if (gesture?.kind === "pinch") {
      this._pinch(gesture);
      return;
    }
    stage.pointAt({ ...place, touch: event.pointerType === "touch" });
    if (gesture?.id !== event.pointerId || gesture.kind === "tool") {
      this._tell("move", event);
      return;
    }
    const far = Math.hypot(place.x - gesture.from.x, place.y - gesture.from.y) > GESTURE_DRAG_PX;
    if (!gesture.moved && !far) return;
    if (gesture.kind === "contrast") this._adjust(gesture, place);
    else if (stage.zoomed) stage.drag(place.x - gesture.last.x, place.y - gesture.last.y);
    gesture.moved = true;
    gesture.last = place;
  }

  _adjust(gesture, place) {
    const { contrast, fitted, item } = this.stage;
    if (!gesture.moved) contrast.begin(item);
    contrast.move((place.x - gesture.from.x) / fitted, (place.y - gesture.from.y) / fitted);
  }

  _pinch(gesture) {
    if (this.down.size < 2) return;
    const now = this._spread();
    this.stage.zoomBy(now.distance / gesture.distance, gesture.centre);
    this.stage.drag(now.centre.x - gesture.centre.x, now.centre.y - gesture.centre.y);
    Object.assign(gesture, now);
  }

  _up(event, cancelled) {
    this.down.delete(event.pointerId);
    if (event.pointerType === "touch") this.stage.pointAt(null); // a finger that is gone reads nothing
    const { gesture } = this;
    if (!gesture) return;
    if (gesture.kind === "pinch") {
      if (!this.down.size) this.gesture = null; // a finger left over does not pan
      return;
    }
    if (gesture.id !== event.pointerId) return;
    this.gesture = null;
    if (gesture.kind === "tool") this._tell(cancelled ? "cancel" : "up", event);
    else if (gesture.kind === "contrast" && gesture.moved) this.stage.contrast.end();
  }
}
