/**
 * Aladin Lite beside the picture: the sky around the object in other surveys.
 *
 * Off until a person switches it on, because it is a program of another site, which then learns
 * the positions that are looked at. Where it cannot be loaded the page goes on without it.
 */

const ALADIN_SCRIPT = "https://aladin.cds.unistra.fr/AladinLite/api/v3/latest/aladin.js";
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

/** Wait for a promise, but not for ever. */
function aladinWithin(promise, sentence) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(sentence)), ALADIN_PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Load Aladin Lite and wait until it can draw; once it is there it stays. */
async function aladinLoaded() {
  if (!window.A?.aladin) {
    const script = document.createElement("script");
    script.src = ALADIN_SCRIPT;
    script.charset = "utf-8";
    script.referrerPolicy = "no-referrer";
    try {
      await aladinWithin(new Promise((done, fail) => {
        script.onload = done;
        script.onerror = () => fail(new Error("It cannot be reached from here (no internet, or blocked)."));
        document.head.append(script);
      }), `It did not come within ${ALADIN_PATIENCE_MS / 1000} s.`);
    } catch (error) {
      script.remove();
      throw error;
    }
  }
  if (!window.A?.aladin) throw new Error("Something else came in its place.");
  await aladinWithin(Promise.resolve(window.A.init), "It came, but did not start.");
}

class AladinPanel {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.isOn = false;
    this.survey = ALADIN_SURVEYS[0][0];
    /** Position and field that are wanted: {ra, dec, fov} in degrees, or null. */
    this.wanted = null;
    this.sky = null; // Aladin's own object, once there
    this.starting = false;
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
    this.host = el("div", { class: "aladin-sky", role: "group", "aria-label": "Aladin Lite" });
    this.sentence = el("p", { class: "faint", role: "status" });
    this.retry = el("button", {
      type: "button", class: "tool", text: "Try again", onclick: () => this._follow(),
    });
    this.body = [
      el("label", { class: "aladin-switch" }, [this.toggle, el("span", { text: "Show it" })]),
      this.surveys, this.host, this.sentence, this.retry,
    ];
    this.fold = new Fold(this.page, "sky", "Sky around it", this.body, { extra: "aladin" });
    this.fold.onopen = () => this._follow();
    this.element = this.fold.element;
    this._draw("");
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
  async _follow() {
    clearTimeout(this.timer);
    if (!this.isOn) return this._draw("");
    if (!this.wanted) return this._draw("The catalogue gives no position of this object.");
    if (this.starting) return this._draw("Loading Aladin Lite");
    if (!this.element.open) return this._draw("");
    this.starting = true;
    try {
      if (!this.sky) {
        this._draw("Loading Aladin Lite");
        await aladinLoaded();
        // Meanwhile it may have been switched off, or closed: it cannot begin without a place.
        if (this.isOn && this.element.open) this._start();
      }
      if (this.isOn && this.sky && this.wanted) this._point();
      this.starting = false;
      this._draw(this.isOn && !this.wanted ? "The catalogue gives no position of this object." : "");
    } catch (error) {
      this.starting = false;
      this._draw(`Aladin Lite is not here. ${error?.message ?? error}`, true);
    }
  }

  _start() {
    const { ra, dec, fov } = this.wanted ?? { ra: 0, dec: 0, fov: 1 };
    this.host.hidden = false; // it measures its place as it begins
    const place = el("div", { class: "aladin-place" });
    this.host.replaceChildren(place);
    this.sky = window.A.aladin(place, {
      survey: this._id, target: `${ra} ${dec}`, fov, cooFrame: "ICRSd", projection: "TAN",
      showReticle: true, showLayersControl: false, showGotoControl: false, showFrame: false,
      showProjectionControl: false, showFullscreenControl: false, showCooGridControl: false, log: false,
    });
    this.shown = { id: this._id, at: "" };
  }

  _point() {
    const { ra, dec, fov } = this.wanted;
    const at = `${ra} ${dec} ${fov}`;
    if (this.shown.id !== this._id) this.sky.setImageSurvey(this._id);
    if (this.shown.at !== at) {
      this.sky.gotoRaDec(ra, dec);
      this.sky.setFoV(fov);
    }
    this.shown = { id: this._id, at };
  }

  _draw(sentence, failed = false) {
    this.toggle.checked = this.isOn;
    this.surveys.hidden = !this.isOn;
    this.host.hidden = !this.isOn || !this.sky || !this.wanted;
    this.choice.forEach((button, index) =>
      button.setAttribute("aria-pressed", String(ALADIN_SURVEYS[index][0] === this.survey)));
    this.retry.hidden = !this.isOn || !failed;
    this.sentence.textContent = this.isOn ? sentence
      : "Off. Aladin Lite comes from cds.unistra.fr, which learns the positions you look at.";
    this.sentence.hidden = !this.sentence.textContent;
  }
}

/** What Aladin is to show of an item: its position and a field of twice the cutout, in degrees. */
function aladinTarget(position) {
  if (!position) return null;
  const [least, most] = ALADIN_FIELD_ARCSEC;
  const field = Math.min(Math.max(position.sizeArcsec * ALADIN_FIELDS, least), most);
  return { ra: position.ra, dec: position.dec, fov: field / 3600 };
}
