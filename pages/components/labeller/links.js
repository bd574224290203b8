/**
 * Addresses of the sky's services at a position. Nothing is fetched here: a service learns a
 * position only when a person follows its link.
 */

const LINKS_SIZE_ARCSEC = 60; // where the size of the cutout is not known
const LINKS_SIZES_ARCSEC = [5, 3600];
const LINKS_VIEW_PX = 512; // about what a service's picture measures on screen

/** A number of degrees with `digits` decimals, never "-0.000000". */
function linksDegrees(value, digits = 6) {
  return (Number(value.toFixed(digits)) + 0).toFixed(digits);
}

/**
 * Links to a position in the services that astronomers look things up in.
 *
 * @param {number} ra right ascension in degrees (ICRS), any turn of the circle
 * @param {number} dec declination in degrees (ICRS), -90..90
 * @param {number} sizeArcsec side of the field that is looked at, in arcsec
 * @returns {{name: string, url: string, what: string}[]} none if that is no position
 */
function skyLinks(ra, dec, sizeArcsec = LINKS_SIZE_ARCSEC) {
  if (!Number.isFinite(ra) || !Number.isFinite(dec) || Math.abs(dec) > 90) return [];
  // Rounded before it is brought into 0..360: 359.9999999 is 0, not 360.
  const turned = Number(ra.toFixed(6)) % 360;
  const lon = linksDegrees(turned < 0 ? turned + 360 : turned);
  const lat = linksDegrees(dec);
  const signed = lat.startsWith("-") ? lat : `+${lat}`;
  const given = Number.isFinite(sizeArcsec) && sizeArcsec > 0 ? sizeArcsec : LINKS_SIZE_ARCSEC;
  const size = Math.min(Math.max(given, LINKS_SIZES_ARCSEC[0]), LINKS_SIZES_ARCSEC[1]);
  const position = encodeURIComponent(`${lon} ${signed}`);
  const fov = (2 * size / 3600).toFixed(5);
  const scale = (2 * size / LINKS_VIEW_PX).toFixed(4);
  // The viewer's map is 256 * 2^zoom pixels for the whole circle.
  const zoom = Math.round(Math.log2(360 * 3600 / (256 * Number(scale))));
  const sdss = "https://skyserver.sdss.org/dr18/VisualTools";
  return [
    {
      name: "SIMBAD", what: "known objects within half the cutout",
      url: "https://simbad.cds.unistra.fr/simbad/sim-coo"
        + `?Coord=${position}&CooFrame=ICRS&Radius=${(size / 2).toFixed(1)}&Radius.unit=arcsec`,
    },
    {
      name: "NED", what: "known galaxies within half the cutout",
      url: "https://ned.ipac.caltech.edu/conesearch?search_type=Near%20Position%20Search"
        + `&coordinates=${encodeURIComponent(`${lon}d ${signed}d`)}`
        + `&radius=${(size / 120).toFixed(4)}&in_csys=Equatorial&in_equinox=J2000`,
    },
    {
      name: "SkyServer chart", what: "SDSS DR18, the field",
      url: `${sdss}/navi?ra=${lon}&dec=${lat}&scale=${scale}`,
    },
    {
      name: "SkyServer object", what: "SDSS DR18, the nearest object",
      url: `${sdss}/explore/summary?ra=${lon}&dec=${lat}`,
    },
    {
      name: "Legacy Surveys", what: "the viewer, DR10",
      url: `https://www.legacysurvey.org/viewer?ra=${lon}&dec=${lat}`
        + `&layer=ls-dr10&zoom=${Math.min(Math.max(zoom, 5), 16)}&mark=${lon},${lat}`,
    },
    {
      name: "ESASky", what: "what space missions saw",
      url: `https://sky.esa.int/esasky/?target=${position}&fov=${fov}&cooframe=J2000&sci=true&lang=en`,
    },
    {
      name: "Aladin", what: "Aladin Lite in a tab of its own",
      url: `https://aladin.cds.unistra.fr/AladinLite/?target=${position}&fov=${fov}`
        + `&survey=${encodeURIComponent("CDS/P/DSS2/color")}`,
    },
  ];
}

/** A link that opens in another tab and tells that page nothing of this one. */
function outwardLink(url, text, title = "") {
  return el("a", {
    href: url, text, title: title || null, target: "_blank", rel: "noopener noreferrer",
    referrerpolicy: "no-referrer",
  });
}
