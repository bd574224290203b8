/**
 * Text in which people use a little Markdown, as elements: headings, lists, **bold** and `code`.
 * Nothing in it becomes HTML; what is not one of these stays as it was written.
 */

const PLAIN_INLINE = /\*\*(\S(?:.*?\S)?)\*\*|`([^`]+)`/g;
const PLAIN_ITEM = /^\s*(?:[-*+]|(\d{1,3})[.)])\s+(.*)$/;
const PLAIN_HEADING = /^\s*#{1,6}\s+(.*?)\s*#*$/;

/** The words of one line: strings and elements. */
function plainInline(text) {
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(PLAIN_INLINE)) {
    const [whole, bold, code] = found;
    parts.push(text.slice(from, found.index), bold ? el("b", { text: bold }) : el("code", { text: code }));
    from = found.index + whole.length;
  }
  return [...parts, text.slice(from)].filter((part) => part !== "");
}

/** A heading, a list or a paragraph for each block of `text`. @returns {HTMLElement[]} */
function plainBlocks(text) {
  const blocks = [];
  let open = null; // the list or paragraph that the next line may belong to
  const begin = (tag, options = {}) => {
    open = el(tag, options);
    blocks.push(open);
  };
  for (const line of text.split(/\r\n?|\n/)) {
    const heading = PLAIN_HEADING.exec(line);
    const item = PLAIN_ITEM.exec(line);
    if (!line.trim()) open = null;
    else if (heading) {
      begin("p", { class: "heading" });
      open.append(...plainInline(heading[1]));
      open = null;
    } else if (item) {
      const tag = item[1] ? "OL" : "UL";
      if (open?.tagName !== tag) begin(tag, item[1] ? { start: item[1] } : {});
      open.append(el("li", {}, plainInline(item[2])));
    } else {
      // An indented line goes on with the item before it.
      const goesOn = open && open.tagName !== "P" && /^\s/.test(line);
      if (!goesOn && open?.tagName !== "P") begin("p");
      const within = goesOn ? open.lastElementChild : open;
      if (within.childNodes.length) within.append("\n");
      within.append(...plainInline(line.trim()));
    }
  }
  return blocks;
}
