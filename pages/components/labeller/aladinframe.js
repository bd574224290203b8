/**
 * The frame that Aladin Lite runs in. It is a program of another site: in a sandboxed frame it has
 * an origin of its own, without this page's cookies, storage and addresses, and all that passes
 * between the two is messages: {survey, ra, dec, fov} in, {kind, why} out.
 */

// A version of its own, so that what was tried out is what comes.
const ALADIN_SCRIPT = "https://aladin.cds.unistra.fr/AladinLite/api/v3/3.8.2/aladin.js";
const ALADIN_BASE = "https://aladin.cds.unistra.fr/"; // else what it names by half is asked for here
const ALADIN_RULES = [
  "default-src 'none'",
  "script-src 'unsafe-inline' 'wasm-unsafe-eval' blob: https://aladin.cds.unistra.fr",
  "worker-src blob:", "style-src 'unsafe-inline' https:",
  "connect-src https: data: blob:", "img-src https: data: blob:", "font-src https: data:",
  "upgrade-insecure-requests",
].join("; ");
const ALADIN_STYLE = "html, body, #sky { margin: 0; width: 100%; height: 100%; overflow: hidden; background: #05070a }"
  + " #sky { position: relative }";

/**
 * What runs inside: it is handed over as text, and can use nothing of this file. It tells
 * "came" (the program is there), "ready", "failed" (with why) and "released" (the pointer).
 */
function aladinInside(script) {
  const tell = (kind, why = "") => window.parent.postMessage({ kind, why: String(why?.message ?? why) }, "*");
  // A frame of its own origin has no storage, and Aladin Lite looks into it.
  const kept = new Map();
  Object.defineProperty(window, "localStorage", { value: {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => kept.set(name, String(value)),
    removeItem: (name) => kept.delete(name),
  } });
  let sky = null;
  let shown = {};

  function show({ survey, ra, dec, fov }) {
    if (!sky) {
      sky = window.A.aladin(document.getElementById("sky"), {
        survey, target: `${ra} ${dec}`, fov, cooFrame: "ICRSd", projection: "TAN",
        showReticle: true, showLayersControl: false, showGotoControl: false, showFrame: false,
        showProjectionControl: false, showFullscreenControl: false, showCooGridControl: false, log: false,
      });
      shown = { survey, at: "" };
    }
    const at = `${ra} ${dec} ${fov}`;
    if (shown.survey !== survey) sky.setImageSurvey(survey);
    if (shown.at !== at) {
      sky.gotoRaDec(ra, dec);
      sky.setFoV(fov);
    }
    shown = { survey, at };
  }

  window.addEventListener("message", ({ source, data }) => {
    if (source !== window.parent) return;
    try {
      show(data);
    } catch (error) {
      tell("failed", error);
    }
  });
  window.addEventListener("pointerup", () => tell("released"));
  const tag = document.createElement("script");
  tag.src = script;
  tag.charset = "utf-8";
  tag.onerror = () => tell("failed", "It cannot be reached from here (no internet, or blocked).");
  tag.onload = async () => {
    if (!window.A?.aladin) return tell("failed", "Something else came in its place.");
    tell("came");
    try {
      await window.A.init;
      tell("ready");
    } catch (error) {
      tell("failed", error);
    }
  };
  document.head.append(tag);
}

/** A frame that loads Aladin Lite as soon as it stands in the page. */
function aladinFrame() {
  const srcdoc = `<!doctype html><html><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${ALADIN_RULES}">
<meta name="referrer" content="no-referrer"><base href="${ALADIN_BASE}"><title>Aladin Lite</title>
<style>${ALADIN_STYLE}</style></head><body><div id="sky"></div>
<script>(${aladinInside})(${JSON.stringify(ALADIN_SCRIPT)});</script></body></html>`;
  return el("iframe", { title: "Aladin Lite", sandbox: "allow-scripts", referrerpolicy: "no-referrer", srcdoc });
}
