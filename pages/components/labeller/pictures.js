/**
 * Pictures, fetched and decoded ahead of being shown.
 *
 * A picture is fetched rather than given to <img src>, so that the object it belongs to can be
 * read from the answer: it is never shown under another object_id.
 */

const PICTURES_KEPT = 48;
const PICTURE_ATTEMPTS = 4;

class Pictures {
  /** @param {(objectId: string) => string} address */
  constructor(address) {
    this.address = address;
    /** @type {Map<string, {state: string, img: HTMLImageElement|null, error: string, done: Promise<void>}>} */
    this.kept = new Map();
  }

  /** The picture of an object: {state: "loading" | "ready" | "failed", img, error, done}. */
  get(objectId) {
    let picture = this.kept.get(objectId);
    // What failed because the server was away is fetched anew.
    if (picture && !(picture.state === "failed" && picture.passing)) {
      this.kept.delete(objectId); // put at the end: most recently wanted
    } else {
      picture = { state: "loading", img: null, error: "", passing: false, done: null };
      picture.done = this._load(objectId, picture);
    }
    this.kept.set(objectId, picture);
    this._evict();
    return picture;
  }

  forget(objectId) {
    const picture = this.kept.get(objectId);
    this.kept.delete(objectId);
    if (picture?.img && !picture.img.isConnected) URL.revokeObjectURL(picture.img.src);
  }

  clear() {
    for (const objectId of [...this.kept.keys()]) this.forget(objectId);
  }

  _evict() {
    for (const [objectId, picture] of this.kept) {
      if (this.kept.size <= PICTURES_KEPT) return;
      if (!picture.img?.isConnected) this.forget(objectId);
    }
  }

  async _load(objectId, picture) {
    for (let attempt = 0; ; attempt++) {
      try {
        picture.img = await this._fetch(objectId);
        picture.state = "ready";
        return;
      } catch (error) {
        const passing = error instanceof ApiError ? error.passing : false;
        if (!passing || attempt + 1 >= PICTURE_ATTEMPTS) {
          picture.error = error.message || "The picture cannot be decoded.";
          picture.passing = passing;
          picture.state = "failed";
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 300 * 2 ** attempt));
      }
    }
  }

  async _fetch(objectId) {
    let response;
    try {
      response = await fetch(this.address(objectId), { credentials: "same-origin" });
    } catch {
      throw new ApiError(0, "The server is not answering.");
    }
    if (!response.ok) {
      const body = await response.json().catch(() => null);
      throw new ApiError(response.status, body?.error ?? `The server answered ${response.status}.`);
    }
    const shown = decodeURIComponent(response.headers.get("x-object-id") ?? "");
    if (shown !== objectId) {
      throw new Error(`The server sent the picture of ${shown || "an unnamed object"} instead.`);
    }
    const img = new Image();
    img.src = URL.createObjectURL(await response.blob());
    img.alt = `Object ${objectId}`;
    img.draggable = false;
    img.dataset.objectId = objectId;
    await img.decode();
    return img;
  }
}
