/**
 * What each key does. Pure: it reads no page and draws nothing.
 *
 * A key is a string: a lower-case letter or another character ("s", "?", ";"), a named key
 * ("Enter", "Space", "ArrowLeft", "F2"), and with Shift "Shift+s" where Shift does not already
 * make another character. The task's class keys always win; an action whose key a class has goes
 * without one.
 *
 * An action with a `scope` is meant only while that scope is given to `meaning`: "grid", "blink",
 * "zoomed" (the picture is larger than its frame), "marking". `fixed` ones cannot be changed;
 * those that need pictures mean nothing in a survey of spectra or columns.
 */

/** Every action, in the order of the help sheet: {name, key, text, help, group, also?, scope?, fixed?,
 * needsPictures?}. */
const ACTIONS = [
  { name: "unsure", key: "d", text: "Don't know", group: "Answers", help: "You looked and cannot tell" },
  { name: "skip", key: "s", text: "Skip", group: "Answers", help: "No answer; it goes to somebody else" },
  { name: "undo", key: "u", text: "Undo", group: "Answers", help: "Take back the last answer and bring its object back" },
  { name: "redo", key: "r", text: "Redo", group: "Answers", help: "Give the answer again that was undone" },
  { name: "back", key: "Backspace", text: "Back", group: "Answers", help: "One question back, where a task asks several" },
  { name: "flag", key: "f", text: "Flag", group: "Answers", help: "Mark for later, once more takes it back; the object stays on screen" },
  { name: "note", key: "n", text: "Note", group: "Answers", help: "Write a note; Enter saves it, Esc leaves it" },
  { name: "confidence", key: ";", text: "Confidence", group: "Answers", help: "How sure the next answer is" },
  { name: "help", key: "?", text: "Keys", group: "This page", help: "Open and close this sheet" },
  { name: "settings", key: ",", text: "Settings", group: "This page", help: "Rest reminder and other habits" },
  { name: "summary", key: "q", text: "Summary", group: "This page", help: "What this session has brought so far" },
  { name: "grid", key: "g", text: "Grid", group: "Modes", help: "Many objects at once; press the exceptions" },
  { name: "compare", key: "c", text: "Compare", group: "Modes", help: "Beside the nearest labelled examples of each class" },
  { name: "blink", key: "b", text: "Blink", group: "Modes", help: "Alternate bands, stretches or residuals", needsPictures: true },
  { name: "confirmPage", key: "Enter", text: "Confirm", group: "Modes", help: "In the grid: answer the whole page", scope: "grid", fixed: true },
  { name: "pauseBlink", key: "Space", text: "Pause", group: "Modes", help: "While blinking: pause and go on", scope: "blink", fixed: true, needsPictures: true },
  { name: "stepBlink", key: ".", text: "Step", group: "Modes", help: "While blinking: the next frame", scope: "blink", needsPictures: true },
  { name: "panel", key: "p", text: "Picture", group: "Picture", help: "Open and close the panel of stretches, limits and colours", needsPictures: true },
  { name: "stretch", key: "x", text: "Stretch", group: "Picture", help: "The next stretch: linear, log, asinh ...", needsPictures: true },
  { name: "limits", key: "l", text: "Limits", group: "Picture", help: "The next limits: min max, percentile, zscale ...", needsPictures: true },
  { name: "colour", key: "v", text: "Colour", group: "Picture", help: "The next colour view, or band", needsPictures: true },
  { name: "map", key: "k", text: "Map", group: "Picture", help: "The next colour map", needsPictures: true },
  { name: "invert", key: "i", text: "Invert", group: "Picture", help: "Dark on light and back", needsPictures: true },
  { name: "residual", key: "e", text: "Residual", group: "Picture", help: "Take a smooth model off, to bring out second nuclei", needsPictures: true },
  { name: "resetLook", key: "z", text: "Reset", group: "Picture", help: "The picture as the survey draws it", needsPictures: true },
  { name: "zoomIn", key: "+", also: ["="], text: "Zoom in", group: "Picture", help: "Larger" },
  { name: "zoomOut", key: "-", text: "Zoom out", group: "Picture", help: "Smaller" },
  { name: "zoomFit", key: "0", text: "Fit", group: "Picture", help: "The whole picture" },
  { name: "panLeft", key: "ArrowLeft", text: "Left", group: "Picture", help: "Move left, when zoomed", scope: "zoomed" },
  { name: "panRight", key: "ArrowRight", text: "Right", group: "Picture", help: "Move right, when zoomed", scope: "zoomed" },
  { name: "panUp", key: "ArrowUp", text: "Up", group: "Picture", help: "Move up, when zoomed", scope: "zoomed" },
  { name: "panDown", key: "ArrowDown", text: "Down", group: "Picture", help: "Move down, when zoomed", scope: "zoomed" },
  { name: "crosshair", key: "h", text: "Crosshair", group: "Picture", help: "Lines through the cursor, on and off", needsPictures: true },
  { name: "pixels", key: "o", text: "Pixels", group: "Picture", help: "Real pixels or a smooth picture", needsPictures: true },
  { name: "mark", key: "m", text: "Mark", group: "Marking", help: "Mark nuclei, arcs, companions, artefacts", needsPictures: true },
  { name: "suggest", key: "a", text: "Suggest", group: "Marking", help: "Suggested nuclei; once more accepts them", needsPictures: true },
  { name: "saveMarks", key: "Enter", text: "Save marks", group: "Marking", help: "While marking: save; Esc leaves", scope: "marking", fixed: true, needsPictures: true },
  { name: "jump", key: "j", text: "Jump", group: "Going places", help: "To an object by its id or its place on the sky" },
  { name: "random", key: "t", text: "Random", group: "Going places", help: "To an object that nobody has answered" },
  { name: "revisit", key: "w", text: "Revisit", group: "Going places", help: "Walk through the objects you skipped" },
  { name: "moreLike", key: "Shift+m", text: "More like this", group: "Going places", help: "The objects most like this one come next; Esc goes back to the queue" },
  { name: "copyLink", key: "y", text: "Copy link", group: "Going places", help: "A link that opens this object for a colleague" },
];

const ACTION_BY_NAME = new Map(ACTIONS.map((one) => [one.name, one]));
const KEY_SYMBOLS = {
  Backspace: "⌫", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Delete: "Del",
  PageUp: "PgUp", PageDown: "PgDn",
};
const KEY_NAMES = new Set([
  "Enter", "Space", "Backspace", "Delete", "Insert", "Home", "End", "PageUp", "PageDown",
  "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "F2", "F3", "F4", "F6", "F7", "F8", "F9", "F10",
]);
const BROWSER_KEYS = new Set(["Tab", "Escape", "F1", "F5", "F11", "F12", "ContextMenu", "Meta"]);
const DIGIT_CODE = /^(?:Digit|Numpad)([0-9])$/;

/** The key of a keyboard event as a string (see above); "" for one that names no key. */
function keyFrom(event) {
  const key = event.key === " " ? "Space" : event.key ?? "";
  if (["Dead", "Unidentified", "Process", "Shift", "CapsLock", "AltGraph"].includes(key)) return "";
  if ([...key].length > 1) return event.shiftKey ? `Shift+${key}` : key;
  const lower = key.toLowerCase();
  const isLetter = lower !== key.toUpperCase();
  return event.shiftKey && isLetter ? `Shift+${lower}` : lower;
}

/** A key as it stands on a button: "S", "⇧S", "←". */
function keyLabel(key) {
  if (!key) return "";
  if (key.startsWith("Shift+")) return `⇧${keyLabel(key.slice(6))}`;
  return KEY_SYMBOLS[key] ?? ([...key].length === 1 ? key.toUpperCase() : key);
}

/** True where Enter and Space belong to the element that has the focus. */
function pressedByEnter(event) {
  const node = event.composedPath?.()[0] ?? event.target;
  return node instanceof Element
    && Boolean(node.closest('button, a[href], summary, input, select, [role="button"]'));
}

class Keymap {
  constructor() {
    this.overrides = {};
    this.classKeys = [];
    this.nTags = 0;
    this.given = null;
    this.use({}, []);
  }

  /**
   * Take a user's changes and what the task has.
   * @param {Record<string, string>} overrides action -> key; "" takes the key away
   * @param {string[]} classKeys key of each answer that can be given now, "" where it has none
   * @param {number} nTags how many tags the task has: they sit on Shift and the digits
   */
  use(overrides, classKeys, nTags = this.nTags) {
    const given = JSON.stringify([overrides ?? {}, classKeys, nTags]);
    if (given === this.given) return; // it is called at every object
    this.given = given;
    this.classKeys = classKeys.map((key) => (key ?? "").toLowerCase());
    this.nTags = nTags;
    this.overrides = {};
    // Kept by an older version, or by hand: what cannot be a key any more is passed over.
    for (const [name, key] of Object.entries(overrides ?? {})) {
      const action = ACTION_BY_NAME.get(name);
      if (action && !action.fixed && (key === "" || Keymap.refusal(key) === null)) this.overrides[name] = key;
    }
    this._deal();
  }

  /** Deal the keys: to classes, fixed acts, what the user chose, then what is left of the defaults. */
  _deal() {
    this.taken = new Map(); // key -> actions, those of different scopes may share one
    this.keys = new Map(ACTIONS.map((one) => [one.name, ""]));
    this.clashes = [];
    const chosen = (one) => Object.hasOwn(this.overrides, one.name);
    const order = (one) => (one.fixed ? 0 : chosen(one) ? 1 : 2);
    for (const one of ACTIONS.toSorted((a, b) => order(a) - order(b))) {
      const key = chosen(one) ? this.overrides[one.name] : one.key;
      if (!key) continue;
      const index = this.classKeys.indexOf(key);
      const rival = (this.taken.get(key) ?? []).find((other) => sameScope(other, one));
      if (index >= 0) this.clashes.push({ key, names: [one.name], answer: index });
      else if (rival) this.clashes.push({ key, names: [rival.name, one.name] });
      else this._give(one, key);
    }
    for (const one of ACTIONS) {
      if (chosen(one)) continue;
      for (const key of one.also ?? []) {
        if (!this.classKeys.includes(key) && !this.taken.has(key)) this._give(one, key, false);
      }
    }
  }

  _give(action, key, shown = true) {
    this.taken.set(key, [...(this.taken.get(key) ?? []), action]);
    if (shown) this.keys.set(action.name, key);
  }

  /** The key of an action as it stands on its button, "" if it has none. */
  keyOf(name) {
    return keyLabel(this.keys.get(name) ?? "");
  }

  /** The key of an action for aria-keyshortcuts, null if it has none. */
  shortcut(name) {
    const key = this.keys.get(name);
    return key ? key.replace(/^(Shift\+)?(.)$/u, (_, shift, one) => (shift ?? "") + one.toUpperCase()) : null;
  }

  /**
   * What a key press means now: {answer: index}, {tag: index}, {action: name} or null.
   * Presses with Ctrl, Alt or Meta, held-down keys and typing are the caller's to leave out.
   * @param {KeyboardEvent} event
   * @param {string[]} scopes which of "grid", "blink", "zoomed", "marking" hold now
   */
  meaning(event, scopes = []) {
    const digit = DIGIT_CODE.exec(event.code ?? "")?.[1];
    if (event.shiftKey && digit && digit !== "0" && Number(digit) <= this.nTags) {
      return { tag: Number(digit) - 1 };
    }
    const key = keyFrom(event);
    if (["Enter", "Space"].includes(key) && pressedByEnter(event)) return null;
    for (const one of this._readings(key, event, digit)) {
      const index = this.classKeys.indexOf(one);
      if (one && index >= 0) return { answer: index };
      const actions = this.taken.get(one) ?? [];
      const action = actions.find((a) => a.scope && scopes.includes(a.scope))
        ?? actions.find((a) => !a.scope);
      if (action) return { action: action.name };
    }
    return null;
  }

  /** The keys that a press may stand for, most literal first. */
  _readings(key, event, digit) {
    const readings = [key];
    if (key.startsWith("Shift+")) readings.push(key.slice(6)); // with Caps Lock or a heavy hand
    // By position as well: on a French keyboard the digit row gives letters and signs.
    if (digit && !event.shiftKey) readings.push(digit);
    // And on a Greek or Russian one the letters are others.
    const letter = /^Key([A-Z])$/.exec(event.code ?? "")?.[1];
    if (letter && /[^\x00-\x7f]/.test(event.key)) readings.push(letter.toLowerCase());
    return readings;
  }

  /**
   * Actions that go without a key, and why.
   * @returns {{key: string, names: string[], answer?: number}[]} the last of `names` is the one
   * without; `answer` is the index of the class that has the key
   */
  collisions() {
    return this.clashes;
  }

  /** Why a key cannot be anybody's, or null. */
  static refusal(key) {
    const bare = String(key).replace(/^Shift\+/, "");
    if (!bare) return "That key has no name here; press another.";
    if (BROWSER_KEYS.has(bare)) return `${bare} belongs to the browser; press another key.`;
    if (/^[0-9]$/.test(bare)) return "Digits are kept for the answers; press another key.";
    if ([...bare].length === 1 && !/\s|\p{C}/u.test(bare)) return null;
    return KEY_NAMES.has(bare) ? null : `${bare} cannot be used; press a letter, a sign or a named key.`;
  }

  /**
   * The changes that give `key` to the action `name`; "" takes its key away.
   * @returns {{overrides: Record<string, string>, problem: string|null, rival?: string,
   *   swapped?: Record<string, string>}} with a problem, `overrides` are those of before; where
   *   another action has the key, `rival` is its name and `swapped` the changes that swap the two
   */
  withChange(name, key) {
    const refuse = (problem, more = {}) => ({ overrides: { ...this.overrides }, problem, ...more });
    const action = ACTION_BY_NAME.get(name);
    if (!action) return refuse(`No act is called ${name}.`);
    if (action.fixed) return refuse(`The key of “${action.text}” cannot be changed.`);
    if (key === action.key) {
      const back = { ...this.overrides };
      delete back[name];
      return this._checked(action, key, back, refuse);
    }
    const problem = key === "" ? null : Keymap.refusal(key);
    if (problem) return refuse(problem);
    return this._checked(action, key, { ...this.overrides, [name]: key }, refuse);
  }

  _checked(action, key, overrides, refuse) {
    if (key && this.classKeys.includes(key)) {
      return refuse(`${keyLabel(key)} answers with a class of this task; press another key.`);
    }
    const rival = (this.taken.get(key) ?? []).find(
      (other) => other.name !== action.name && this.keys.get(other.name) === key && sameScope(other, action));
    if (!rival) return { overrides, problem: null };
    if (rival.fixed) return refuse(`${keyLabel(key)} is kept for “${rival.text}”; press another key.`);
    const old = this.keys.get(action.name);
    const swapped = { ...overrides, [rival.name]: old };
    if (old === rival.key) delete swapped[rival.name];
    return refuse(`${keyLabel(key)} is the key of “${rival.text}”.`, { rival: rival.name, swapped });
  }
}

/** True if two actions could both be meant at one time. */
function sameScope(one, other) {
  return !one.scope || !other.scope || one.scope === other.scope;
}
