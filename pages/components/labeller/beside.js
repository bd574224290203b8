/**
 * What stands beside the picture, and the strip of the most alike under it. It is filled after
 * the picture is painted: nothing here may keep a person waiting for the next one.
 */

const BESIDE_NEIGHBOURS = 10;
const BESIDE_DELAY_MS = 150;

class Beside {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.drawn = new Drawn();
    /** What `explain` was last called with. */
    this.item = null;
    this.progress = el("div", { class: "progress" });
    this.why = el("div", { class: "why" });
    this.chances = el("div", { class: "chances" });
    this.guideline = el("div", {
      class: "guidelines", tabindex: "0", role: "group", "aria-label": "Guideline",
    });
    this.links = el("div", { class: "links" });
    this.near = el("div", { class: "strip" });
    this.nearNote = el("p", { class: "faint" });
    this.folds = {
      progress: new Fold(page, "progress", "Progress", [this.progress]),
      why: new Fold(page, "why", "Why this object", [this.why]),
      chances: new Fold(page, "chances", "Class probabilities", [this.chances]),
      guideline: new Fold(page, "guideline", "Guideline", [this.guideline]),
      links: new Fold(page, "links", "Look it up", [this.links]),
      near: new Fold(page, "neighbours", "Most alike", [this.near, this.nearNote], { extra: "neighbours" }),
    };
    this.folds.near.onopen = () => this._fetchNear();
    /** The object on screen, and of which one the most alike were asked for. */
    this.shown = null;
    this.nearAsked = null;
    this.spectrum = new SpectrumPanel(page);
    this.catalogue = new Catalogue(page);
    this.past = new Past(page);
    this.odd = new Odd(page);
    this.aladin = new AladinPanel(page);
    /** The strip under the picture, placed on its own. */
    this.strip = this.folds.near.element;
    this.element = el("aside", { class: "side", "aria-label": "Beside the picture" }, [
      // What has the same height for every object comes first, so that nothing in view jumps.
      this.spectrum, this.folds.progress, this.catalogue, this.folds.chances, this.folds.why, this.folds.guideline,
      this.odd, this.past.notesFold, this.folds.links, this.past.fold, this.aladin,
    ].map((one) => one.element));
    this.reset();
  }

  reset() {
    this.item = null;
    clearTimeout(this.nearTimer);
    this.catalogue.reset();
    this.odd.reset();
    this.guideline.replaceChildren();
    this.drawn = new Drawn();
    this.folds.guideline.element.hidden = true;
    this.alike([], "");
    this._draw();
  }

  preferences() {
    const { catalogue, past, spectrum } = this;
    for (const one of [...Object.values(this.folds), spectrum.fold, catalogue.fold, past.fold, past.notesFold, this.odd]) {
      one.preferences();
    }
    this.aladin.preferences();
    this._draw();
  }

  // The task

  /** The task's guideline, with what each class is and looks like. */
  task(task) {
    this.drawn.fill(this.guideline, [task.guideline, task.classes, task.survey_hash], () => {
      const parts = task.guideline ? [el("div", { class: "guideline" }, plainBlocks(task.guideline))] : [];
      task.classes.forEach((one, index) => {
        if (one.guideline || one.examples.length) parts.push(this._kind(one, index));
      });
      return parts;
    });
    this.folds.guideline.element.hidden = !this.guideline.childElementCount;
    this.counts(task);
  }

  _kind(one, index) {
    const part = el("div", { class: `kind c${index + 1}` }, [el("b", { text: one.name })]);
    if (one.colour) part.style.setProperty("--c", one.colour);
    if (one.guideline) part.append(el("div", { class: "guideline" }, plainBlocks(one.guideline)));
    part.append(el("div", { class: "examples" }, one.examples.map((id) => el("button", {
      type: "button", class: "near", title: `An example: ${id}`, "aria-label": `Open the example ${id}`,
      onclick: () => this.page.open(id),
    }, [this._small(id, 64, {})]))));
    return part;
  }

  _small(objectId, size, look) {
    const src = this.page.pictureAddress(objectId, size, look);
    return el("img", { src, alt: "", loading: "lazy", draggable: "false" });
  }

  /** How far the task is. */
  counts(task) {
    const { counts, n_answers: nAnswers, n_objects: nObjects, classes, targets } = task;
    this.drawn.fill(this.progress, [counts, nAnswers, nObjects, classes, targets], () => {
      // A blind task tells nobody but its owner how the others answer.
      const most = Math.max(1, ...Object.values(counts ?? {}));
      const finds = targets.reduce((n, name) => n + (counts?.[name] ?? 0), 0);
      const bars = !counts ? [] : classes.map((one, index) => {
        const n = counts[one.name] ?? 0;
        return barRow(one, index, n / most, n.toLocaleString("en-GB"));
      });
      return [
        el("p", { class: "totals" }, [
          counts
            ? el("span", {}, [el("b", { class: "finds", text: String(finds) }), ` ${finds === 1 ? "find" : "finds"}`])
            : el("span", { class: "faint", text: "How the others answer is not shown on this task." }),
          nAnswers === null ? "" : el("span", { class: "faint", text:
            `${nAnswers.toLocaleString("en-GB")} of ${nObjects.toLocaleString("en-GB")} seen` }),
        ]),
        nAnswers === null ? "" : el("progress", { max: nObjects, value: nAnswers, "aria-label": "Objects seen" }),
        el("ul", {}, bars),
      ];
    });
  }

  // The object

  /** Words about an object; null: there is none. Drawn after the picture is painted. */
  explain(item) {
    this.item = item;
    if (this.waiting) return;
    this.waiting = true;
    // A frame for the picture first. A hidden tab has no frames, but nobody who reads either.
    requestAnimationFrame(() => setTimeout(() => {
      this.waiting = false;
      this._draw();
    }));
  }

  /** A new object's picture is on screen, or null. */
  show(item) {
    this.explain(item);
    this.odd.show(item);
    clearTimeout(this.nearTimer);
    this.shown = item;
    this.nearAsked = null;
    if (!item || !this.strip.open) this.alike([], "");
    if (item) this.nearTimer = setTimeout(() => this._fetchNear(), BESIDE_DELAY_MS);
  }

  _draw() {
    const { item } = this;
    const { task } = this.page;
    for (const name of ["why", "chances", "links"]) this.folds[name].element.hidden = !item || !task;
    if (!task) {
      this.past.draw(null);
      this.spectrum.draw(null);
      this.catalogue.draw(null);
      this.aladin.show(null);
      return;
    }
    this.drawn.fill(this.why, whyLines(item, task), () => this._why(item, task));
    // Without an object it still says what the model is about.
    this.folds.why.element.hidden = !this.why.childElementCount;
    const told = item && [
      item.probabilities, item.hidden, item.probabilities_state, item.model_version, item.label,
      task.classes,
    ];
    this.drawn.fill(this.chances, told, () => (item ? this._chances(item, task) : []));
    const position = itemPosition(item, task);
    this.drawn.fill(this.links, [position, Boolean(item)], () => (item ? this._links(position) : []));
    this.spectrum.draw(item);
    this.catalogue.draw(item);
    this.past.draw(item);
    this.aladin.show(aladinTarget(position));
  }

  _why(item, task) {
    const { reason, score, models } = whyLines(item, task);
    const lines = reason ? [el("p", { text: reason })] : [];
    if (score) {
      lines.push(el("p", { class: "score" }, [
        el("span", { text: score.name }),
        score.isChance ? el("meter", { min: 0, max: 1, value: score.value, "aria-label": score.name }) : "",
        el("b", { text: score.value.toFixed(3) }),
      ]));
    }
    return [...lines, ...models.map((text) => el("p", { class: "faint", text }))];
  }

  _chances(item, task) {
    const chances = item.probabilities;
    if (!chances) return [el("p", { class: "faint", text: whyNoChances(item) })];
    const index = new Map(task.classes.map((one, place) => [one.name, place]));
    // In the task's order; a class that is no longer asked for comes last.
    const names = [...task.classes.map((one) => one.name).filter((name) => name in chances),
      ...Object.keys(chances).filter((name) => !index.has(name))];
    const rows = names.map((name) => {
      const place = index.get(name) ?? -1;
      const one = task.classes[place] ?? { name };
      const value = chances[name];
      const isNumber = typeof value === "number" && Number.isFinite(value);
      return barRow(one, place, isNumber ? value : 0, isNumber ? value.toFixed(3) : "–");
    });
    return [el("ul", {}, rows)];
  }

  _links(position) {
    if (!position) {
      return [el("p", { class: "faint", text: "The catalogue gives no position of it, so there is "
        + "nothing to look up: that needs the columns ra and dec, in degrees." })];
    }
    const links = skyLinks(position.ra, position.dec, position.sizeArcsec);
    return [
      el("ul", {}, links.map((one) => el("li", {}, [outwardLink(one.url, one.name, one.what)]))),
      el("p", { class: "faint", text: `At ${position.ra.toFixed(5)}, ${position.dec.toFixed(5)} `
        + "degrees. A service learns this position when you follow its link." }),
    ];
  }

  // The most alike

  /** Ask for them once, if anybody is looking. */
  async _fetchNear() {
    const item = this.shown;
    if (!item || !this.strip.open || this.nearAsked === item) return;
    this.nearAsked = item;
    const isStill = () => this.shown === item && this.page.current?.object_id === item.object_id;
    let answer;
    try {
      answer = await this.page.get("neighbours", { object_id: item.object_id, k: BESIDE_NEIGHBOURS });
    } catch (error) {
      answer = { items: [], state: error.message };
      if (this.nearAsked === item) this.nearAsked = null; // opened anew it asks again
    }
    if (isStill()) this.alike(answer.items, answer.state);
  }

  /** The nearest objects, each of which opens at a press; `note` where there are none. */
  alike(items, note) {
    const { task } = this.page;
    this.nearNote.textContent = note || "";
    this.nearNote.hidden = !note;
    // Closed it stays, to be opened.
    this.strip.hidden = !items.length && !note && (this.strip.open || !this.shown);
    const look = thumbnailLook(this.page.look?.value);
    this.drawn.fill(this.near, [items, look, task?.survey_hash], () => items.map((one) => {
      const index = task.classes.findIndex((kind) => kind.name === one.label);
      const tag = el("span", {
        class: one.label ? `tag c${index + 1}` : "tag none", text: one.label ?? "no answer",
      });
      if (task.classes[index]?.colour) tag.style.setProperty("--c", task.classes[index].colour);
      return el("button", {
        type: "button", class: "near", title: `${one.object_id}, distance ${one.distance.toFixed(3)}`,
        "aria-label": `Open ${one.object_id}, ${one.label ? `answered ${one.label}` : "no answer"}`,
        onclick: () => this.page.open(one.object_id),
      }, [this._small(one.object_id, 128, look), tag]);
    }));
  }
}

/** A look for many small pictures: a fit of a model to each would keep the server busy. */
function thumbnailLook(look) {
  const { residual, ...rest } = look ?? {};
  return rest;
}

/** A class with a bar of `share` (0..1) in its colour and a value in words. */
function barRow(one, index, share, text) {
  const bar = el("i", { class: index >= 0 ? `c${index + 1}` : null });
  if (one.colour) bar.style.setProperty("--c", one.colour);
  bar.style.width = `${100 * Math.min(Math.max(share, 0), 1)}%`;
  return el("li", {}, [
    el("span", { class: "word", text: one.name, title: one.name }),
    el("span", { class: "bar" }, [bar]), el("b", { text }),
  ]);
}

/** The cutout's centre and side: {ra, dec} in degrees, sizeArcsec; null if it is not known. */
function itemPosition(item, task) {
  const sky = item?.sky;
  if (!sky || !Number.isFinite(sky.ra_deg) || !Number.isFinite(sky.dec_deg)) return null;
  const side = task.cutout_size_px;
  let [ra, dec] = [sky.ra_deg, sky.dec_deg];
  if (side && sky.cd) ({ ra, dec } = skyOf(sky, (side - 1) / 2, (side - 1) / 2) ?? { ra, dec });
  const sizeArcsec = side && sky.scale_arcsec ? side * sky.scale_arcsec : LINKS_SIZE_ARCSEC;
  return { ra, dec, sizeArcsec };
}

/** Why an object is on screen, in words; null while the server does not know the words yet. */
function whyShown(item, task) {
  if (item.hidden) return "This task does not say why an object is shown, so that nothing sways the answer.";
  const words = task.samplers?.[item.sampler] ?? null;
  if (item.opened || (!item.lease && "label" in item)) { // the server's answer for one object, not the queue's
    const called = "You called it up, or came back to it; it is not its turn in the queue.";
    if (!item.sampler) return called;
    return words && `When it was shown to you before: ${words[0].toLowerCase()}${words.slice(1)}`;
  }
  if (item.asked) return `${item.asked}: you asked for it.`;
  if (!item.sampler) return item.lease ? "Somebody has begun this one, and more answers are wanted." : null;
  return words;
}

/** Why an object is shown and by which model, in words: {reason, score, models}. */
function whyLines(item, task) {
  const newest = task.model;
  const models = [];
  let reason = null;
  let score = null;
  if (item) {
    reason = whyShown(item, task);
    if (typeof item.score === "number" && Number.isFinite(item.score)) {
      const isChance = item.score_kind === "P(target)";
      const isDistance = item.sampler === "like_this" && !item.opened; // the score is minus that
      const name = isChance ? `P(${task.targets.join(" or ")})`
        : isDistance ? "distance" : item.score_kind ?? "score";
      const value = isDistance ? -item.score : item.score;
      score = { name: item.opened ? `${name} now` : name, isChance, value };
    }
    const by = item.model_version;
    if (by && newest && newest.version > by) {
      models.push(`Ranked by model ${by}; newer ones rank what follows.`);
    }
  }
  if (newest?.state) models.push(newest.state);
  return { reason, score, models };
}

/** Why there are no class probabilities, in words. */
function whyNoChances(item) {
  if (item.probabilities_state) return item.probabilities_state;
  if (item.hidden) {
    return item.label ? "This task keeps what the model thinks to itself."
      : "Hidden, so that what the model thinks does not sway the answer.";
  }
  return "None yet: the model gives them once it has learnt from answers of at least two classes.";
}
