/**
 * Labels and finds over time: two steps of lines, one above the other, on one axis of minutes.
 */

const PLOT = { width: 260, left: 32, right: 8, top: 16, height: 58, gap: 24, foot: 26 };
const PLOT_POINTS = 300; // drawn at most

/** An SVG element, as `el` makes HTML ones. */
function plotPart(tag, options = {}, children = []) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") node.textContent = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** The smallest of 1, 2, 5, 10, 20, 50 ... so that `most` takes at most `n` steps of it. */
function plotStep(most, n) {
  for (let ten = 1; ; ten *= 10) {
    for (const one of [1, 2, 5]) if (one * ten * n >= most) return one * ten;
  }
}

class SessionPlot {
  constructor() {
    const { top, height, gap, foot, width } = PLOT;
    this.full = top + 2 * height + gap + foot;
    this.element = plotPart("svg", {
      class: "sessionplot", role: "img", viewBox: `0 0 ${width} ${this.full}`, "aria-label": "No labels yet",
    });
  }

  /**
   * @param {number[][]} points [seconds, labels, finds], in the order of time
   * @param {string} labels "37 labels"
   * @param {string} finds "5 finds"
   */
  draw(points, labels, finds) {
    const { top, height, gap } = PLOT;
    const minutes = Math.max(1, (points.at(-1)?.[0] ?? 0) / 60);
    this.element.setAttribute("aria-label", `${labels} and ${finds} over ${many(Math.round(minutes), "minute")}`);
    this.element.replaceChildren(
      ...this._chart(top, "Labels", "plotlabels", points, 1, minutes),
      ...this._chart(top + height + gap, "Finds", "plotfinds", points, 2, minutes),
      ...this._minutes(minutes),
    );
  }

  _x(minute, minutes) {
    return PLOT.left + ((PLOT.width - PLOT.left - PLOT.right) * minute) / minutes;
  }

  _chart(top, title, name, points, column, minutes) {
    const { left, right, width, height } = PLOT;
    const most = Math.max(1, ...points.map((one) => one[column]));
    const step = plotStep(most, 3);
    const high = Math.ceil(most / step) * step;
    const y = (value) => top + height * (1 - value / high);
    const parts = [plotPart("text", { x: left, y: top - 6, class: "plottitle", text: title })];
    for (let value = 0; value <= high; value += step) {
      parts.push(
        plotPart("line", {
          x1: left, x2: width - right, y1: y(value), y2: y(value), class: value ? "plotgrid" : "plotaxis",
        }),
        plotPart("text", {
          x: left - 5, y: y(value) + 3, class: "plottick", "text-anchor": "end",
          text: value.toLocaleString("en-GB"),
        }),
      );
    }
    const stride = Math.max(1, Math.ceil(points.length / PLOT_POINTS));
    const kept = points.filter((_, index) => index % stride === 0 || index === points.length - 1);
    let before = y(0);
    const corners = [`${this._x(0, minutes).toFixed(1)},${before.toFixed(1)}`];
    for (const one of kept) {
      const x = this._x(Math.max(0, one[0] / 60), minutes).toFixed(1);
      corners.push(`${x},${before.toFixed(1)}`);
      before = y(one[column]);
      corners.push(`${x},${before.toFixed(1)}`);
    }
    parts.push(plotPart("polyline", { points: corners.join(" "), class: `plotline ${name}` }));
    return parts;
  }

  _minutes(minutes) {
    const { left, right, width, top, height, gap } = PLOT;
    const foot = top + 2 * height + gap;
    const step = plotStep(minutes, 5);
    const parts = [];
    for (let minute = 0; minute <= minutes; minute += step) {
      const x = this._x(minute, minutes);
      parts.push(
        plotPart("line", { x1: x, x2: x, y1: foot, y2: foot + 4, class: "plotaxis" }),
        plotPart("text", { x, y: foot + 13, class: "plottick", "text-anchor": "middle", text: minute }),
      );
    }
    parts.push(plotPart("text", {
      x: (left + width - right) / 2, y: foot + 24, class: "plottick", "text-anchor": "middle", text: "minutes",
    }));
    return parts;
  }
}
