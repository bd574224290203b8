/**
 * Pictures, fetched and decoded ahead of being shown.
 *
 * A picture is fetched rather than given to <img src>, so that the object it belongs to can be
 * read from the answer: it is never shown under another object_id.
 */

const PICTURES_BYTES = 256 * 1024 * 1024; // decoded, beyond which the longest unused go
const PICTURE_ATTEMPTS = 4;
const PICTURE_RETRY_MS = 300;

class Pictures {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    /** By address. @type {Map<string, Picture>} */
    this.kept = new Map();
    this.bytes = 0;
  }

  /**
   * The picture of an object; at the size of the frame and in the present look unless told.
   * @returns {{state: "loading"|"ready"|"failed", objectId: string, img: HTMLImageElement|null,
   *   error: string, passing: boolean, note: string, done: Promise<void>}}
   */
  get(objectId, look = this.page.look.value, size = null) {
    const url = this._address(objectId, look, size);
    let picture = this.kept.get(url);
    // What failed because the server was away is fetched anew.
    if (picture && !(picture.state === "failed" && picture.passing)) {
      this.kept.delete(url); // put at the end: most recently wanted
    } else {
      picture = {
        url, objectId, state: "loading", img: null, error: "", passing: false, note: "", done: null,
      };
      picture.done = this._load(picture);
    }
    this.kept.set(url, picture);
    return picture;
  }

  /** True while `picture` is drawn as its object would be now: in the present look and size. */
  isPresent(picture) {
    return picture.url === this._address(picture.objectId);
  }

  _address(objectId, look = this.page.look.value, size = null) {
    const { page } = this;
    const wide = size === null && page.stage.asksWide ? { wide: 1 } : {};
    return page.pictureAddress(objectId, size ?? page.pictureSize(), look, wide);
  }

  forget(picture) {
    if (this.kept.get(picture.url) !== picture) return;
    this.kept.delete(picture.url);
    this.bytes -= pictureBytes(picture);
  }

  clear() {
    for (const picture of [...this.kept.values()]) this.forget(picture);
  }

  _evict() {
    for (const picture of [...this.kept.values()]) {
      if (this.bytes <= PICTURES_BYTES) return;
      if (picture.state !== "loading" && !picture.img?.isConnected) this.forget(picture);
    }
  }

  async _load(picture) {
    for (let attempt = 0; ; attempt++) {
      try {
        picture.img = await this._fetch(picture);
        picture.state = "ready";
        if (this.kept.get(picture.url) === picture) this.bytes += pictureBytes(picture);
        this._evict();
        return;
      } catch (error) {
        const passing = error instanceof ApiError ? error.passing : false;
        if (!passing || attempt + 1 >= PICTURE_ATTEMPTS) {
          picture.error = error.message || "The picture cannot be decoded.";
          picture.passing = passing;
          picture.state = "failed";
          return;
        }
        const wait = Math.max(error.retryAfter ?? 0, PICTURE_RETRY_MS * 2 ** attempt);
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  async _fetch(picture) {
    const response = await fetchOk(picture.url);
    const shown = decodeURIComponent(response.headers.get("x-object-id") ?? "");
    if (shown !== picture.objectId) {
      throw new Error(`The server sent the picture of ${shown || "an unnamed object"} instead.`);
    }
    picture.note = decodeURIComponent(response.headers.get("x-note") ?? "");
    const img = new Image();
    const blob = await response.blob().catch(() => {
      throw new ApiError(0, "The picture was cut short.");
    });
    const url = URL.createObjectURL(blob);
    img.src = url;
    img.alt = `Object ${picture.objectId}`;
    img.draggable = false;
    img.dataset.objectId = picture.objectId;
    try {
      await img.decode();
    } finally {
      URL.revokeObjectURL(url); // the element keeps what it has read
    }
    return img;
  }
}

/** What a decoded picture takes. */
function pictureBytes(picture) {
  return picture.img ? 4 * picture.img.naturalWidth * picture.img.naturalHeight : 0;
}
