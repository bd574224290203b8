/**
 * Blinking: frames of one object take turns on the stage, so that the eye sees what differs.
 *
 * The first picture is the page's own and can be answered at once; frames take turns when all are
 * decoded. An answer is for the object, whichever frame is on screen.
 */

const BLINK_MS = 700;
const BLINK_LEAST_MS = 350; // below three flashes a second
const BLINK_MOST_MS = 3000;
const BLINK_CUSTOM_MOST = 8;
const BLINK_AHEAD_MS = 200;
const BLINK_STRETCHES = ["linear", "log", "asinh", "histogram"];
const BLINK_RESIDUALS = ["none", "unsharp", "symmetric", "sersic"];
const BLINK_SETS = {
  bands: "Bands", stretches: "Stretches", residuals: "Residuals", custom: "Own looks",
};

class Blink {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.on = false;
    /** What the person set; `looks` are those they added to this survey: {name, look}. */
    this.set = null;
    this.interval = BLINK_MS;
    this.looks = [];
    /** Names of looks that this survey cannot be drawn in. @type {string[]} */
    this.unfit = [];
    this.calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.paused = this.calm;
    /** Frames of the object on the stage: {name, picture}. */
    this.frames = [];
    /** Why frames are left out. @type {string[]} */
    this.lost = [];
    this.at = 0;
    this.item = null;
    page.register({ pauseBlink: () => this.pause(), stepBlink: () => this.step(1) });
    document.addEventListener("visibilitychange", () => this._wait());
    this._build();
  }

  _build() {
    this.badge = el("div", { class: "blinkname", "aria-hidden": "true" });
    this.setChoice = el("select", {
      "aria-label": "What takes turns", onchange: () => this.choose({ set: this.setChoice.value }),
    }, Object.entries(BLINK_SETS).map(([value, text]) => el("option", { value, text })));
    this.speed = el("input", {
      type: "range", min: BLINK_LEAST_MS, max: BLINK_MOST_MS, step: 50, "aria-label": "Seconds a frame",
      oninput: () => this.choose({ interval: Number(this.speed.value) }),
    });
    this.seconds = el("output", {});
    this.pauseKey = el("kbd");
    this.pauseWord = el("span");
    this.stepKey = el("kbd");
    const button = (key, word, act) => el("button", { type: "button", class: "tool", onclick: act }, [key, word]);
    this.pauseButton = button(this.pauseKey, this.pauseWord, () => this.pause());
    this.stepButton = button(this.stepKey, el("span", { text: "Step" }), () => this.step(1));
    this.list = el("ol", { class: "blinkframes", "aria-label": "Frames" });
    this.add = el("button", {
      type: "button", class: "tool", text: "Add the present look", onclick: () => this.addLook(),
    });
    this.note = el("p", { class: "faint", role: "status" });
    this.element = el("section", {
      class: "blink", "aria-label": "Blink", hidden: true,
      // After a click the space bar is for pausing again, not for the button that was clicked.
      onclick: (event) => event.detail && event.target.closest("button")?.blur(),
    }, [
      el("div", { class: "blinkbar" }, [
        this.pauseButton, this.stepButton,
        el("label", {}, [el("span", { text: "Of" }), this.setChoice]),
        el("label", {}, [el("span", { text: "Every" }), this.speed, this.seconds]),
      ]),
      el("div", { class: "blinkrow" }, [this.list, this.add]), this.note,
    ]);
  }

  // What the page tells

  reset() {
    this._stop();
    this.item = null;
    this.frames = [];
    this.looks = [];
    this.unfit = [];
  }

  task(task) {
    this._takeLooks();
    this.set ??= this._kept() ?? ((task.bands?.length ?? 1) > 1 ? "bands" : "stretches");
    if (this.on) this._begin(this.page.current);
  }

  _kept() {
    const kept = this.page.preference("blink", {})?.set;
    return Object.hasOwn(BLINK_SETS, kept ?? "") ? kept : null;
  }

  preferences(all) {
    const kept = all?.blink ?? {};
    this.set = this._kept() ?? this.set;
    if (kept.interval >= BLINK_LEAST_MS && kept.interval <= BLINK_MOST_MS) this.interval = kept.interval;
    this._takeLooks();
    this._drawBar();
  }

  /** Where the looks of a survey are kept: its bands and limits mean nothing in another. */
  get _looksName() {
    return `blink:${this.page.task.survey}`;
  }

  /** The looks kept of this survey. One that names what it has no more is left out, not drawn otherwise. */
  _takeLooks() {
    if (!this.page.task) return;
    const kept = this.page.preference(this._looksName, []);
    const looks = (Array.isArray(kept) ? kept : [])
      .filter((one) => typeof one?.name === "string" && one.look && typeof one.look === "object")
      .slice(0, BLINK_CUSTOM_MOST);
    const fits = ({ look }) => (
      Object.keys(this.page.look._checked(look)).length === Object.keys(blinkLook(look)).length);
    this.looks = looks.filter(fits);
    this.unfit = looks.filter((one) => !fits(one)).map((one) => one.name);
  }

  keysChanged() {
    this._drawBar();
  }

  mode(name) {
    const was = this.on;
    this.on = name === "blink";
    this.element.hidden = !this.on;
    if (this.on) {
      this.paused = this.calm;
      this._drawBar();
      this._begin(this.page.current);
    } else if (was) {
      this._stop();
      this.badge.remove();
      this.page.lookChanged(); // the page's own picture again
    }
  }

  show(item) {
    if (this.on) this._begin(item);
  }

  leave() {
    this._stop();
  }

  lookChanged() {
    if (this.on) this._begin(this.page.current);
  }

  // Frames

  /** The frames of a set: {name, look}. */
  plan() {
    const { look, task } = this.page;
    const base = look.value;
    const colour = base.colour ?? "survey";
    // A stretch shows in single bands and in channels stretched each on its own.
    const stretched = ["band", "channels"].includes(colour) ? base
      : { ...base, colour: (task?.bands?.length ?? 1) >= 3 ? "channels" : "band" };
    const words = LOOK_WORDS;
    switch (this.set) {
      case "stretches":
        return BLINK_STRETCHES.map((stretch) => ({
          name: words.stretch[stretch], look: { ...stretched, residual: "none", stretch },
        }));
      case "residuals":
        return BLINK_RESIDUALS.map((residual) => ({
          name: residual === "none" ? "image" : words.residual[residual], look: { ...base, residual },
        }));
      case "custom":
        return this.looks;
      default:
        return (task?.bands ?? []).map((band) => ({
          name: band, look: { ...base, colour: "band", residual: "none", band },
        }));
    }
  }

  _picture(objectId, look) {
    return this.page.pictures.get(objectId, blinkLook(look));
  }

  /** Have the frames of `item` decoded, then let them take turns. */
  async _begin(item) {
    this._stop();
    this.item = item && this.page.visible === item.object_id ? item : null;
    this.frames = [];
    this.lost = [];
    this.at = 0;
    if (!this.item) {
      this.badge.remove();
      this._drawFrames();
      return;
    }
    const turn = this.turn;
    this.frames = this.plan().map(({ name, look }) => ({ name, picture: this._picture(item.object_id, look) }));
    this._drawFrames();
    this._draw();
    await Promise.all(this.frames.map((frame) => frame.picture.done.then(() => turn === this.turn && this._draw())));
    if (turn !== this.turn) return;
    const lost = this.frames.filter((frame) => frame.picture.state !== "ready");
    this.frames = this.frames.filter((frame) => frame.picture.state === "ready");
    this.lost = lost.map((frame) => `${frame.name}: ${frame.picture.error}`);
    this.ready = this.frames.length > 0;
    this._drawFrames();
    if (this.ready) this._put();
    else this._draw();
    this._wait();
    this.aheadTimer = setTimeout(() => this._ahead(), BLINK_AHEAD_MS);
  }

  _ahead() {
    const [next] = this.page.queue.items;
    if (next) for (const { look } of this.plan()) this._picture(next.object_id, look);
  }

  _stop() {
    this.turn = Symbol("frames");
    this.ready = false;
    clearTimeout(this.timer);
    clearTimeout(this.aheadTimer);
  }

  /** Let the next frame come when its time is there. */
  _wait() {
    clearTimeout(this.timer);
    if (!this.on || !this.ready || this.paused || document.hidden || this.frames.length < 2) return;
    this.timer = setTimeout(() => {
      this._turnTo(this.at + 1);
      this._wait();
    }, this.interval);
  }

  _turnTo(index) {
    if (!this.ready) return;
    this.at = (index + this.frames.length) % this.frames.length;
    this._put();
  }

  /** Put the present frame on the stage, unless another object is there by now. */
  _put() {
    const { page, item } = this;
    if (!item || page.current !== item || page.visible !== item.object_id) return;
    page.stage.picture(this.frames[this.at].picture.img, item);
    this._draw();
  }

  // What the person does

  pause() {
    this.paused = !this.paused;
    this._drawBar();
    this._wait();
    this.page.say(this.paused ? "Paused" : "Going on");
  }

  /** One frame on or back; whoever steps wants to look, so the turns rest. */
  step(by) {
    if (!this.paused) {
      this.paused = true;
      this._drawBar();
      this._wait();
    }
    this._turnTo(this.at + by);
    if (this.ready) this.page.say(`Frame ${this.frames[this.at].name}`);
  }

  /** Show one frame and stay with it. */
  go(index) {
    this.step(index - this.at);
  }

  /** @returns {boolean} true if the key was for blinking */
  key(event) {
    if (!this.on) return false;
    const target = event.composedPath()[0];
    const own = this.element.contains(target);
    // Elsewhere a button that was pressed last must not be pressed again by the space bar.
    if (event.key === " " && !own) {
      if (!event.repeat) this.pause();
      return true;
    }
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !this.paused || this.page.stage.zoomed || target.closest?.("input, select")) return false;
    this.step(by);
    return true;
  }

  /** Change what takes turns and how fast, and keep it. */
  choose(changes) {
    const other = changes.set !== undefined && changes.set !== this.set;
    Object.assign(this, changes);
    this.page.prefer("blink", { set: this.set, interval: this.interval });
    if (changes.looks) {
      this.unfit = [];
      this.page.prefer(this._looksName, this.looks.length ? this.looks : null);
    }
    this._drawBar();
    if (other || changes.looks) this._begin(this.page.current);
    else this._wait();
  }

  addLook() {
    if (this.looks.length >= BLINK_CUSTOM_MOST) {
      this.page.say(`At most ${BLINK_CUSTOM_MOST} looks; take one away first`);
      return;
    }
    const { look } = this.page;
    const name = look.words || "as the survey draws it";
    if (this.looks.some((one) => one.name === name)) {
      this.page.say("This look is among the frames already; change the look first");
      return;
    }
    this.choose({ set: "custom", looks: [...this.looks, { name, look: { ...look.value } }] });
  }

  removeLook(name) {
    this.choose({ looks: this.looks.filter((one) => one.name !== name) });
    this.add.focus();
  }

  // Drawing

  _drawBar() {
    const { keymap } = this.page;
    this.pauseKey.textContent = keymap.keyOf("pauseBlink") || "Space";
    this.stepKey.textContent = keymap.keyOf("stepBlink");
    this.stepKey.hidden = !this.stepKey.textContent;
    this.pauseWord.textContent = this.paused ? "Go on" : "Pause";
    this.setChoice.value = this.set ?? "bands";
    this.speed.value = String(this.interval);
    this.seconds.textContent = `${(this.interval / 1000).toFixed(2)} s`;
    this.speed.setAttribute("aria-valuetext", this.seconds.textContent);
  }

  _drawFrames() {
    this.buttons = this.frames.map((frame, index) => el("button", {
      type: "button", class: "frameword", onclick: () => this.go(index),
    }, [el("span", { text: frame.name })]));
    this.list.replaceChildren(...this.buttons.map((button, index) => el("li", {}, [
      button, this.set !== "custom" ? "" : el("button", {
        type: "button", class: "plain", text: "×", "aria-label": `Take away ${this.frames[index].name}`,
        onclick: () => this.removeLook(this.frames[index].name),
      }),
    ])));
    this._tell();
  }

  /** What keeps frames from taking turns. */
  _tell() {
    let said = "";
    if (this.item && !this.frames.length && this.set === "custom" && !this.looks.length) {
      said = "Set a look under Picture and add it here; two or more take turns.";
    } else if (this.item && this.set === "bands" && this.plan().length < 2) {
      said = "This survey has one band only; let stretches or residuals take turns.";
    } else if (this.lost.length) said = `Left out. ${this.lost.join(" ")}`;
    if (this.item && this.set === "custom" && this.unfit.length) {
      said = `Left out, for this survey cannot be drawn so: ${this.unfit.join("; ")}. ${said}`.trim();
    }
    if (this.note.textContent !== said) this.note.textContent = said;
  }

  /** The frame's name on the picture, or how far decoding is. */
  _draw() {
    const { stage } = this.page;
    if (this.page.visible !== this.item?.object_id) return;
    if (this.badge.parentNode !== stage.element) stage.element.append(this.badge);
    const decoded = this.frames.filter((frame) => frame.picture.state !== "loading").length;
    this.badge.textContent = this.ready ? this.frames[this.at].name
      : this.frames.length ? `${decoded} of ${this.frames.length} frames` : "";
    this.badge.hidden = !this.badge.textContent;
    this.badge.dataset.frame = this.ready ? this.at : "";
    this.buttons?.forEach((button, index) =>
      button.setAttribute("aria-pressed", String(this.ready && index === this.at)));
  }
}

/** A look without what says nothing, so that equal looks have one address. */
function blinkLook(look) {
  return Object.fromEntries(Object.entries(look).filter(
    ([name, value]) => value !== null && value !== LOOK_DEFAULTS[name]));
}
