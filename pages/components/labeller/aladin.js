/**
 * Aladin Lite beside the picture: the sky around the object in other surveys.
 *
 * Off until a person switches it on, because it is a program of another site, which then learns
 * the positions that are looked at. Where it cannot be loaded the page goes on without it.
 */

const ALADIN_PATIENCE_MS = 20000;
const ALADIN_DELAY_MS = 250; // somebody who sorts fast does not look at the sky around each object
const ALADIN_FIELDS = 2; // the field is this many cutouts wide
const ALADIN_FIELD_ARCSEC = [20, 7200];
const ALADIN_SURVEYS = [
  ["DSS2", "CDS/P/DSS2/color"],
  ["SDSS9", "CDS/P/SDSS9/color"],
  ["PanSTARRS", "CDS/P/PanSTARRS/DR1/color-i-r-g"],
  ["DESI Legacy DR10", "CDS/P/DESI-Legacy-Surveys/DR10/color"],
];

class AladinPanel {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.isOn = false;
    this.survey = ALADIN_SURVEYS[0][0];
    /** Position and field that are wanted: {ra, dec, fov} in degrees, or null. */
    this.wanted = null;
    this.frame = null;
    /** "none", "loading", "ready" or "failed". */
    this.state = "none";
    this.why = ""; // it failed
    window.addEventListener("message", (event) => this._heard(event));
    this._build();
  }

  _build() {
    this.toggle = el("input", {
      type: "checkbox", role: "switch", onchange: () => this._switched(this.toggle.checked),
    });
    this.choice = ALADIN_SURVEYS.map(([name]) => el("button", {
      type: "button", class: "pick", text: name, "aria-pressed": "false", onclick: () => this._choose(name),
    }));
    this.surveys = el("div", { class: "picks", role: "group", "aria-label": "Survey shown by Aladin Lite" },
      this.choice);
    this.host = el("div", { class: "aladin-sky" });
    this.sentence = el("p", { class: "faint", role: "status" });
    this.retry = el("button", {
      type: "button", class: "tool", text: "Try again", onclick: () => this._again(),
    });
    this.body = [
      el("label", { class: "aladin-switch" }, [this.toggle, el("span", { text: "Show it" })]),
      this.surveys, this.host, this.sentence, this.retry,
    ];
    this.fold = new Fold(this.page, "sky", "Sky around it", this.body, { extra: "aladin" });
    this.fold.onopen = () => this._follow();
    this.element = this.fold.element;
    this._draw();
  }

  preferences() {
    const kept = this.page.preference("panels", {}) ?? {};
    const isNamed = ALADIN_SURVEYS.some(([name]) => name === kept.aladin_survey);
    this.survey = isNamed ? kept.aladin_survey : ALADIN_SURVEYS[0][0];
    this.isOn = kept.aladin === true;
    this.fold.preferences();
    this._follow();
  }

  /** Follow an object. @param {{ra: number, dec: number, fov: number}|null} target in degrees */
  show(target) {
    const same = JSON.stringify(target) === JSON.stringify(this.wanted);
    if (same) return;
    this.wanted = target;
    clearTimeout(this.timer);
    if (this.isOn) this.timer = setTimeout(() => this._follow(), ALADIN_DELAY_MS);
  }

  _switched(on) {
    this.isOn = on;
    if (this.state === "failed") this.state = "none";
    keepPanels(this.page, { aladin: on });
    this._follow();
  }

  _choose(name) {
    this.survey = name;
    keepPanels(this.page, { aladin_survey: name });
    this._follow();
  }

  get _id() {
    return ALADIN_SURVEYS.find(([name]) => name === this.survey)[1];
  }

  /** Bring what is shown to what is wanted; the only place from which Aladin is asked for anything. */
  _follow() {
    clearTimeout(this.timer);
    if (this.isOn && this.wanted && this.element.open) {
      if (this.state === "none") this._load();
      if (this.state === "ready") this._point();
    }
    this._draw();
  }

  _again() {
    this.state = "none";
    this._follow();
  }

  _load() {
    this.state = "loading";
    this._waitFor(`It did not come within ${ALADIN_PATIENCE_MS / 1000} s.`);
    this.frame = aladinFrame();
    this.host.replaceChildren(this.frame);
  }

  _waitFor(sentence) {
    clearTimeout(this.patience);
    this.patience = setTimeout(() => this._failed(sentence), ALADIN_PATIENCE_MS);
  }

  _failed(why) {
    clearTimeout(this.patience);
    this.state = "failed";
    this.why = String(why).slice(0, 300);
    this.frame = null;
    this.host.replaceChildren();
    this._draw();
  }

  /** A message came; only those of the frame count, and none of them can do more than this. */
  _heard({ source, data }) {
    if (!this.frame || source !== this.frame.contentWindow) return;
    if (data?.kind === "came" && this.state === "loading") this._waitFor("It came, but did not start.");
    else if (data?.kind === "failed") this._failed(data.why);
    else if (data?.kind === "ready") { // once more if the frame was moved, which starts it anew
      clearTimeout(this.patience);
      this.state = "ready";
      this._follow();
    } else if (data?.kind === "released") this._takeKeysBack();
  }

  /** After a drag in the frame the keys would go there. */
  _takeKeysBack() {
    if (this.page.shadow.activeElement !== this.frame) return;
    this.frame.blur();
    window.focus();
  }

  _point() {
    this.host.hidden = false; // it measures its place as it begins
    const { ra, dec, fov } = this.wanted;
    // The frame's origin is opaque and cannot be named; what is sent is what it shows anyway.
    this.frame.contentWindow.postMessage({ survey: this._id, ra, dec, fov }, "*");
  }

  _draw() {
    const failed = this.isOn && this.state === "failed";
    this.toggle.checked = this.isOn;
    this.surveys.hidden = !this.isOn;
    this.host.hidden = !this.isOn || !this.frame || !this.wanted;
    this.choice.forEach((button, index) =>
      button.setAttribute("aria-pressed", String(ALADIN_SURVEYS[index][0] === this.survey)));
    this.retry.hidden = !failed;
    this.sentence.textContent = this._words(failed);
    this.sentence.hidden = !this.sentence.textContent;
  }

  _words(failed) {
    if (!this.isOn) return "Off. Aladin Lite comes from cds.unistra.fr, which learns the positions you look at.";
    if (failed) return `Aladin Lite is not here. ${this.why}`;
    if (!this.wanted) return "The catalogue gives no position of this object.";
    return this.state === "loading" ? "Loading Aladin Lite" : "";
  }
}

/** What Aladin is to show of an item: its position and a field of twice the cutout, in degrees. */
function aladinTarget(position) {
  if (!position) return null;
  const [least, most] = ALADIN_FIELD_ARCSEC;
  const field = Math.min(Math.max(position.sizeArcsec * ALADIN_FIELDS, least), most);
  return { ra: position.ra, dec: position.dec, fov: field / 3600 };
}
