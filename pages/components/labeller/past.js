/**
 * What happened to an object before: its history and the notes on it, in full.
 */

const PAST_DELAY_MS = 150;
const PAST_AGAIN_MS = 900; // after the person wrote something, once it is likely to be saved
const PAST_TAKEN_BACK = ["flag", "note", "mark"]; // an answer is by undo
const PAST_WORDS = {
  skip: "skipped", unsure: "cannot tell", flag: "flagged", note: "wrote a note", mark: "marked",
  undo: "took back an answer", redo: "gave it again", adjudicate: "settled it",
};

/** A moment as a person reads it, by the browser's own clock and zone. */
function pastMoment(at) {
  const when = new Date(at);
  if (Number.isNaN(when.getTime())) return String(at ?? "");
  const sameYear = when.getFullYear() === new Date().getFullYear();
  return when.toLocaleString("en-GB", {
    day: "numeric", month: "short", ...(sameYear ? {} : { year: "numeric" }), hour: "2-digit", minute: "2-digit",
  });
}

/** What an event did, in words. */
function pastDeed(event) {
  if (event.action === "label") return `answered ${event.class_name ?? "(no class)"}`;
  const said = PAST_WORDS[event.action] ?? event.action;
  return event.class_name ? `${said}: ${event.class_name}` : said;
}

/** Marks in words: "2 nuclei, 3.21″ apart, PA 124°, flux ratio 2.1; 1 arc". */
function marksInWords(marks) {
  const kinds = new Map();
  for (const mark of marks ?? []) {
    const kind = mark.kind ?? "mark";
    kinds.set(kind, [...(kinds.get(kind) ?? []), mark]);
  }
  const finite = (value) => typeof value === "number" && Number.isFinite(value);
  return [...kinds].map(([kind, list]) => {
    const many = { nucleus: "nuclei" }[kind] ?? `${kind}s`;
    const words = [`${list.length} ${list.length === 1 ? kind : many}`];
    const pair = list.find((mark) => finite(mark.separation_arcsec));
    if (pair) words.push(`${readable(pair.separation_arcsec)}″ apart`);
    else if (kind === "nucleus" && list.length === 2) {
      const apart = Math.hypot(list[0].x_px - list[1].x_px, list[0].y_px - list[1].y_px);
      if (finite(apart)) words.push(`${readable(apart)} px apart`);
    }
    const told = list.find((mark) => finite(mark.position_angle_deg));
    if (told) words.push(`PA ${turnInWords(told.position_angle_deg, 0)}°${markDirection(told)}`);
    const ratio = list.find((mark) => finite(mark.flux_ratio));
    if (ratio) words.push(`flux ratio ${readable(ratio.flux_ratio)}`);
    return words.join(", ");
  }).join("; ");
}

class Past {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.item = null;
    /** The events of `item`, oldest first; null while they are not there. */
    this.events = null;
    this.state = "";
    this.said = el("p", { class: "faint" });
    this.list = el("ol", { class: "past", tabindex: "0", "aria-label": "Events" });
    this.notes = el("ul", { class: "notes", tabindex: "-1" });
    this.fold = new Fold(page, "history", "History", [this.said, this.list], { open: false });
    this.notesFold = new Fold(page, "notes", "Notes", [this.notes]);
    /** What is known may not be all: something came or happened since it was fetched. */
    this.stale = false;
    for (const fold of [this.fold, this.notesFold]) fold.onopen = () => this._soon(0);
    this.drawn = new Drawn();
    this.draw(null);
  }

  /** Draw what is known of an item, and fetch the rest once it stays on screen, if it is looked at. */
  draw(item) {
    // What the person writes on this object shows here before it has come back from the server.
    const written = item && `${item.notes?.length} ${item.marks?.length} ${item.flagged} ${item.label}`;
    if (item?.object_id !== this.item?.object_id) {
      this.events = null;
      this.state = "";
      this.stale = Boolean(item);
      this.item = item;
      this._soon(PAST_DELAY_MS);
    } else if (item && written !== this.written) {
      this.stale = true;
      this.item = item;
      this._soon(PAST_AGAIN_MS);
    }
    this.written = written;
    this.item = item;
    this._write();
  }

  /** Who wrote a note and when is told by the history. */
  get _isLookedAt() {
    return this.fold.element.open || (this.notesFold.element.open && this.item?.notes?.length > 0);
  }

  _soon(delay) {
    clearTimeout(this.timer);
    if (this.stale && this._isLookedAt) this.timer = setTimeout(() => this._fetch(this.item.object_id), delay);
  }

  async _fetch(objectId) {
    const isStill = () => this.item?.object_id === objectId;
    if (!isStill() || !this.page.task) return;
    this.stale = false;
    try {
      const answer = await this.page.get("history", { object_id: objectId });
      if (!isStill()) return;
      this.events = answer.events ?? [];
      this.state = answer.state ?? "";
    } catch (error) {
      if (!isStill()) return;
      this.stale = true;
      this.state = `The history did not come. ${error.message}`;
    }
    this._write();
  }

  _write() {
    const { item, events } = this;
    this.fold.element.hidden = !item;
    this.fold.count(events?.length ?? null);
    this.said.textContent = this.state
      || (events === null ? "Being fetched" : events.length ? "" : "Nobody has answered or noted anything yet.");
    this.said.hidden = !this.said.textContent;
    const newest = this._known().reverse();
    this.drawn.fill(this.list, newest, () => newest.map((event) => this._line(event)));
    this._writeNotes();
  }

  /** The events, with what was taken back here and may not have reached the server yet. */
  _known() {
    const gone = this.page.answers?.remarks.gone;
    return (this.events ?? []).map((event) => ({
      ...event, undone: event.undone || Boolean(gone?.has(event.event_id)),
    }));
  }

  /** A button that takes back an event, for what stands and is this person's own. */
  _takeBack(event, list) {
    const mine = event.own && event.event_id && !event.undone;
    if (!mine || !PAST_TAKEN_BACK.includes(event.action) || !this.page.mayWrite()) return [];
    return [" ", el("button", {
      type: "button", class: "plain takeback", text: "Take back",
      "aria-label": `Take back: you ${pastDeed(event)}, ${pastMoment(event.at)}`,
      onclick: (click) => {
        const focused = click.currentTarget === this.page.shadow.activeElement;
        this.page.answers.remarks.takeBackAloud(event, this.item).then(() => this._write());
        this._write();
        if (focused) list.focus(); // the button is gone
      },
    })];
  }

  _who(event) {
    return event.own ? "you" : event.annotator ?? "somebody";
  }

  _when(event) {
    return el("time", { class: "faint", datetime: event.at, title: event.at, text: pastMoment(event.at) });
  }

  _line(event) {
    const told = [el("b", { text: this._who(event) }), ` ${pastDeed(event)}`];
    const detail = [event.action === "mark" || event.marks?.length ? marksInWords(event.marks) : "",
      event.note ? `“${event.note}”` : ""].filter(Boolean).join("; ");
    if (detail) told.push(": ", el("span", { class: "detail", text: detail }));
    const fate = event.undone ? " (taken back)" : event.late ? " (came late, not counted)" : "";
    return el("li", { class: event.undone ? "undone" : null }, [
      this._when(event),
      el("span", {}, [...told, fate && el("span", { class: "faint", text: fate }), ...this._takeBack(event, this.list)]),
    ]);
  }

  /** Every note in full; one that was just written has no event yet. */
  _writeNotes() {
    const told = this._known().filter((event) => event.note && !event.undone);
    const left = [...(this.item?.notes ?? [])];
    for (const event of told) {
      const place = left.indexOf(event.note);
      if (place >= 0) left.splice(place, 1);
    }
    this.notesFold.element.hidden = !told.length && !left.length;
    this.notesFold.count(told.length + left.length);
    this.drawn.fill(this.notes, [told, left], () => [
      ...told.map((event) => el("li", {}, [
        el("p", { text: event.note }),
        el("p", { class: "faint" }, [`${this._who(event)}, `, this._when(event), ...this._takeBack(event, this.notes)]),
      ])),
      ...left.map((note) => el("li", {}, [el("p", { text: note })])),
    ]);
  }
}
