/** Marks in words and as they are kept. */

function markRounded(value, digits = 4) {
  return Number(value.toFixed(digits));
}

function markCount(n) {
  return n === 1 ? "1 mark" : `${n} marks`;
}

/** "2.11″ · 3.9 kpc · 5.3 px · PA 134° (bright to faint) · flux 3.1 : 1 (1.2 mag)", as far as known. */
function markPairWords(pair) {
  const parts = [];
  if (Number.isFinite(pair.separation_arcsec)) parts.push(formatAngle(pair.separation_arcsec));
  if (Number.isFinite(pair.separation_kpc)) parts.push(`${Number(pair.separation_kpc.toPrecision(3))} kpc`);
  parts.push(`${pair.separation_px.toFixed(2)} px`);
  if (Number.isFinite(pair.position_angle_deg)) {
    parts.push(`PA ${turnInWords(pair.position_angle_deg, 1)}°${markDirection(pair)}`);
  }
  if (Number.isFinite(pair.flux_ratio)) {
    const mag = Number.isFinite(pair.delta_mag) ? ` (${pair.delta_mag.toFixed(2)} mag)` : "";
    parts.push(`flux ${Number(pair.flux_ratio.toPrecision(3))} : 1${mag}`);
  }
  return parts.join(" · ") + ".";
}

/** An angle of 0 to 360 degrees with `digits` decimals: what rounds to 360 is 0. */
function turnInWords(degrees, digits) {
  return (Number(degrees.toFixed(digits)) % 360).toFixed(digits);
}

/** " (bright to faint)": from where to where a position angle counts; "" if that is not told. */
function markDirection({ position_angle_direction: direction }) {
  return typeof direction === "string" && direction ? ` (${direction})` : "";
}

/**
 * Marks as they are kept: positions in pixels and, where known, on the sky. What was measured of
 * the first two nuclei is with the second; `position_angle_direction` says from which to which.
 * `flux_sigma` is the light of all bands, each in units of its noise. The points of an arc count theirs.
 * @param {object|null} pair what /api/measure said of the first two nuclei
 */
function markPayload(marks, pair, sky) {
  const nuclei = marks.filter((mark) => mark.kind === "nucleus");
  const arcs = [...new Set(marks.filter((mark) => mark.kind === "arc").map((mark) => mark.arc))];
  return marks.map((mark) => {
    const kept = { kind: mark.kind, x_px: markRounded(mark.x), y_px: markRounded(mark.y) };
    const place = skyOf(sky, mark.x, mark.y);
    if (place) Object.assign(kept, { ra_deg: markRounded(place.ra, 8), dec_deg: markRounded(place.dec, 8) });
    if (mark.kind === "arc") {
      const points = marks.filter((one) => one.kind === "arc" && one.arc === mark.arc);
      Object.assign(kept, { arc: arcs.indexOf(mark.arc) + 1, vertex: points.indexOf(mark) + 1 });
    }
    if (mark.kind !== "nucleus") return kept;
    kept.snapped = mark.snapped;
    if (Number.isFinite(mark.fluxSigma)) kept.flux_sigma = mark.fluxSigma;
    if (mark === nuclei[1] && pair) {
      for (const [name, value] of Object.entries(pair)) {
        if (Number.isFinite(value) || typeof value === "string") kept[name] = value;
      }
    }
    return kept;
  });
}
