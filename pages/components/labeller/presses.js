/**
 * Key presses: who takes one, and when none is taken.
 */

const PRESSES_REPEATED = new Set([ // while a key is held down; of all others it is one press
  "panLeft", "panRight", "panUp", "panDown", "zoomIn", "zoomOut",
]);

class Presses {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
  }

  /** Do what a key press means, if it means anything here. */
  take(event) {
    const { page } = this;
    if (!page.root.isConnected || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.composedPath()[0];
    if (event.isComposing || typing(target)) return;
    // Another dialog of the page (a new task, say) is in front.
    if (this.blocked()) return;
    const meaning = page.keymap.meaning(event, this._scopes());
    const dialog = page.view.openDialog();
    if (dialog) {
      if (meaning?.action !== "help" || !dialog.contains(page.sheet.element)) return;
    } else if (page.parts.some((part) => typeof part.key === "function" && part.key(event))) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (!meaning) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has keys of its own
    if (event.repeat && !PRESSES_REPEATED.has(meaning.action)) return; // a key held down is one answer
    if (meaning.answer !== undefined) page.answers.label(meaning.answer);
    else if (meaning.tag !== undefined) page.answers.tag(meaning.tag);
    else page.act(meaning.action);
  }

  _scopes() {
    const { mode, stage, marking } = this.page;
    return [mode, stage.zoomed && "zoomed", marking.on && "marking"].filter(Boolean);
  }

  /**
   * True if a dialog is in front. Streamlit's own "Connection error" is put away: answers are
   * taken and kept while the server is gone, and this page says so itself.
   */
  blocked() {
    const dialogs = [...document.querySelectorAll('[role="dialog"]')];
    return dialogs.some((dialog) => {
      const lost = dialog.querySelector("h2")?.textContent === "Connection error";
      if (lost) dialog.querySelector('button[aria-label="Close"]')?.click();
      return !lost;
    });
  }
}
