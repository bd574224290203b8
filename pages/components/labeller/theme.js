/**
 * Whether the page is light or dark, for what the server draws: spectra, and rows of a table.
 */

const THEME_LIGHT = 384; // of 765: ink darker than this stands on a light ground

class Theme {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    this.isLight = false;
  }

  /** What an address says of it; dark drawings, and surveys of pictures alone, need no word. */
  get query() {
    const draws = !this.page.hasPictures || this.page.task?.has_spectra;
    return draws && this.isLight ? { theme: "light" } : {};
  }

  /** Look at the page; drawings are made anew if it changed. */
  look() {
    const { page } = this;
    const ink = page.root.isConnected ? getComputedStyle(page.root).color.match(/[\d.]+/g) : null;
    if (!ink) return;
    const isLight = ink.slice(0, 3).reduce((sum, one) => sum + Number(one), 0) < THEME_LIGHT;
    if (isLight === this.isLight) return;
    this.isLight = isLight;
    if (page.task && !page.hasPictures) page.lookChanged();
  }
}
