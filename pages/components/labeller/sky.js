/**
 * From pixels to the sky and back, and how positions and angles are written.
 *
 * `sky` is item.sky: (xi, eta) = cd . (x - x_px, y - y_px) in degrees on the plane that touches
 * the sky at (ra_deg, dec_deg); xi to the east, eta to the north (gnomonic; Calabretta & Greisen
 * 2002, A&A 395, 1077). Pixels count from 0 at the centre of the first one.
 */

const SKY_RADIANS = Math.PI / 180;

/** @returns {{ra: number, dec: number}|null} degrees, ra in 0..360; null where it is not known */
function skyOf(sky, x, y) {
  if (!sky?.cd || !Number.isFinite(sky.ra_deg) || !Number.isFinite(sky.dec_deg)) return null;
  const [dx, dy] = [x - sky.x_px, y - sky.y_px];
  const [xi, eta] = sky.cd.map(([a, b]) => (a * dx + b * dy) * SKY_RADIANS);
  const dec0 = sky.dec_deg * SKY_RADIANS;
  const ahead = Math.cos(dec0) - eta * Math.sin(dec0);
  const up = Math.sin(dec0) + eta * Math.cos(dec0);
  const ra = sky.ra_deg + Math.atan2(xi, ahead) / SKY_RADIANS;
  return { ra: ((ra % 360) + 360) % 360, dec: Math.atan2(up, Math.hypot(xi, ahead)) / SKY_RADIANS };
}

/** @returns {{x: number, y: number}|null} null where it is not known, or behind the plane */
function pixelOf(sky, ra, dec) {
  if (!sky?.cd || !Number.isFinite(sky.ra_deg) || !Number.isFinite(sky.dec_deg)) return null;
  const turn = (ra - sky.ra_deg) * SKY_RADIANS;
  const [d, d0] = [dec * SKY_RADIANS, sky.dec_deg * SKY_RADIANS];
  const depth = Math.sin(d0) * Math.sin(d) + Math.cos(d0) * Math.cos(d) * Math.cos(turn);
  if (!(depth > 0)) return null;
  const xi = (Math.cos(d) * Math.sin(turn)) / depth / SKY_RADIANS;
  const eta = (Math.cos(d0) * Math.sin(d) - Math.sin(d0) * Math.cos(d) * Math.cos(turn)) / depth / SKY_RADIANS;
  const [[a, b], [c, e]] = sky.cd;
  const determinant = a * e - b * c;
  if (!determinant) return null;
  return { x: sky.x_px + (e * xi - b * eta) / determinant, y: sky.y_px + (a * eta - c * xi) / determinant };
}

/** Three sexagesimal parts of a positive number, rounded before they are split: never "60.0". */
function sexagesimal(value, digits) {
  const unit = 10 ** digits;
  const whole = Math.round(value * 3600 * unit);
  const seconds = ((whole % (60 * unit)) / unit).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  const minutes = String(Math.floor(whole / (60 * unit)) % 60).padStart(2, "0");
  return [Math.floor(whole / (3600 * unit)), minutes, seconds];
}

/** Right ascension in degrees as "12h22m54.00s". */
function formatRa(degrees, digits = 2) {
  const [hours, minutes, seconds] = sexagesimal((((degrees % 360) + 360) % 360) / 15, digits);
  return `${String(hours % 24).padStart(2, "0")}h${minutes}m${seconds}s`;
}

/** Declination in degrees as "+15°49′20.0″". */
function formatDec(degrees, digits = 1) {
  const [whole, minutes, seconds] = sexagesimal(Math.abs(degrees), digits);
  const sign = degrees < 0 && Number(`${whole}${minutes}${seconds}`) > 0 ? "−" : "+";
  return `${sign}${String(whole).padStart(2, "0")}°${minutes}′${seconds}″`;
}

/** An angle given in arcsec: "0.42″", "12.3″", "2.15′", "1.30°". */
function formatAngle(arcsec) {
  const [value, unit] = arcsec < 60 ? [arcsec, "″"] : arcsec < 3600 ? [arcsec / 60, "′"] : [arcsec / 3600, "°"];
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)}${unit}`;
}
