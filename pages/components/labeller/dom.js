/**
 * Elements and words that every part of the page needs.
 *
 * Names of classes, ids and notes come from people: they are set by textContent only.
 */

/** Make an element: el("p", {class: "x", text: "hello", onclick: f}, [children]). */
function el(tag, options = {}, children = []) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** A number as a person reads it. */
function readable(value) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en-GB");
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

/** "3 s ago" from seconds. */
function ago(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 1) return "just now";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}

/** True if keys pressed in this element write text or choose from a list. */
function typing(node) {
  if (!(node instanceof Element)) return false;
  if (node.isContentEditable || ["TEXTAREA", "SELECT"].includes(node.tagName)) return true;
  if (node.tagName === "INPUT") return !["button", "checkbox", "radio", "range"].includes(node.type);
  return Boolean(node.closest('[role="combobox"], [role="listbox"], [role="textbox"]'));
}
