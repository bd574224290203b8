/**
 * The address of the page: a link to the object on screen, and the object that a link named.
 */

class Addressing {
  /** @param {Labeller} page */
  constructor(page) {
    this.page = page;
    page.register({ copyLink: () => this.copy() });
  }

  /** What the address named has been dealt with: a reload goes on instead of opening it again. */
  forget(objectId) {
    const address = new URL(location.href);
    if (address.searchParams.get("object") !== objectId) return;
    address.searchParams.delete("object");
    history.replaceState(history.state, "", address);
  }

  async copy() {
    const { current, taskName } = this.page;
    if (!current) return;
    const link = new URL(location.href);
    link.search = new URLSearchParams({ task: taskName, object: current.object_id });
    link.hash = "";
    try {
      await navigator.clipboard.writeText(link.href);
      this.page.say("Link copied");
    } catch {
      this.page.say(link.href); // no clipboard without https: show it to be copied by hand
    }
  }
}
