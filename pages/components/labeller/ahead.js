/**
 * What comes ahead of the queue for this person: more like an object, or a selection that was sent
 * here. It changes no answer and no target, and lasts until it is answered or left.
 */

const AHEAD_OBJECTS = 24;
const AHEAD_TIMEOUT_MS = 60000; // the first search of a survey of a million reads all of it
const AHEAD_NEWS_MS = 2000; // so long after an act of ours an older answer may still come in

class Ahead {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.words = el("span", {});
    this.way = el("button", { type: "button", class: "tool", onclick: () => this.back() }, [
      el("kbd", { text: "Esc" }), el("span", { text: "Back to the queue" }),
    ]);
    this.element = el("div", { class: "ahead", role: "status", hidden: true }, [this.words, this.way]);
    page.register({ moreLike: () => this.moreLike() });
    this.reset();
  }

  reset() {
    /** {reason, sampler, n_left, at} as the server last said; null for nothing. */
    this.now = null;
    this.busy = false;
    this.quietUntil = 0;
    this._draw();
  }

  /** The task or an acknowledgement came: what is ahead, and how much of it is left. */
  counts(task) {
    const before = this.now;
    const isOther = task.ahead?.at !== before?.at;
    if (isOther && (this.busy || performance.now() < this.quietUntil)) return;
    this.now = task.ahead ?? null;
    this._draw();
    if (before && !this.now) this.page.say(`That was all. ${before.reason}: done, the queue goes on`);
    // Put there on another page or in another tab: what was fetched before comes after it.
    if (this.now && isOther && this.page.queue.items.length) this.page.queue.startAnew();
  }

  /** Say of new objects which of them this person asked for: the sampler may be a strategy's too. */
  came(items) {
    if (this.now?.sampler !== "like_this") return;
    for (const item of items) {
      if (item.sampler === "like_this" && !item.model_version) item.asked = this.now.reason;
    }
  }

  /** Escape goes back to the queue, unless somebody else takes it. */
  key(event) {
    if (event.key !== "Escape" || event.repeat || !this.now) return false;
    this.back();
    return true;
  }

  /** Those most like the object on screen come next; in the grid, like those that were chosen. */
  async moreLike() {
    const { page } = this;
    if (!page.task || this.busy) return;
    if (!page.mayWrite()) {
      page.say("You are here to look; ask the owner to be made an annotator");
      return;
    }
    const given = page.mode === "grid" ? page.grid.choosing.likened() : [page.current].filter(Boolean);
    if (!given.length) {
      page.say("There is no object on screen to be like");
      return;
    }
    const answer = await this._ask("more_like", {
      object_ids: given.map((item) => item.object_id), n: AHEAD_OBJECTS,
    });
    if (!answer) return;
    page.say(`${answer.n} more like ${answer.like} ${answer.n === 1 ? "comes" : "come"} next`);
    // What was called up only to be looked at, and has its answer, is not waited for.
    if (page.current?.opened && page.current.label) {
      page.leaving(page.current);
      page.advance();
    }
  }

  async back() {
    if (this.now && await this._ask("back_to_queue", {})) this.page.say("Back to the queue");
  }

  /** Post it, take what is ahead now, and fetch the objects anew; null if it was refused. */
  async _ask(path, body) {
    const { page } = this;
    const { epoch } = page;
    this.busy = true;
    let answer = null;
    try {
      answer = await page.post(path, body, { signal: AbortSignal.timeout(AHEAD_TIMEOUT_MS) });
    } catch (error) {
      if (epoch === page.epoch) page.say(error.message);
    }
    if (epoch !== page.epoch) return null; // `reset` has ended it
    this.busy = false;
    if (!answer) return null;
    this.quietUntil = performance.now() + AHEAD_NEWS_MS;
    page.task.ahead = answer.ahead;
    this.now = answer.ahead;
    this._draw();
    page.queue.startAnew();
    return answer;
  }

  _draw() {
    this.element.hidden = !this.now;
    const said = this.now ? `${this.now.reason}: ${this.now.n_left.toLocaleString("en-GB")} left` : "";
    if (this.words.textContent !== said) this.words.textContent = said;
  }
}
