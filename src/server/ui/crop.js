// Which part of a page a card shows: the hot region, large enough to be read. Pure geometry, fractions of the page, top left origin.

/** No narrower than this part of the page's width: a word alone has no sense. */
const LEAST_WIDTH = 0.5;
/** How much of the room that is left over stands before the region, of 1. */
const BEFORE = 0.15;
/** Around the regions, in parts of the page's width. */
const MARGIN = 0.04;

/**
 * The window {left, top, width, height} of a page of `pageAspect` (height / width) for a frame of `frameAspect`. It holds the best
 * region, and as many of the others as fit.
 */
export function cropWindow(regions, pageAspect, frameAspect) {
  if (!regions || regions.length === 0) return clamp({ left: 0, top: 0, width: 1 }, pageAspect, frameAspect);
  const [best, ...others] = [...regions].sort((one, other) => (other.score ?? 0) - (one.score ?? 0));
  let box = grown(best, pageAspect);
  for (const region of others) {
    const both = union(box, grown(region, pageAspect));
    const width = Math.max(LEAST_WIDTH, both.right - both.left);
    if ((both.bottom - both.top) * pageAspect <= Math.min(1, width) * frameAspect) box = both;
  }
  // A region that is too high for its width shows its upper part at the least.
  const width = Math.min(1, Math.max(LEAST_WIDTH, box.right - box.left, Math.min(0.9, ((box.bottom - box.top) * pageAspect) / frameAspect)));
  const height = (width * frameAspect) / pageAspect;
  // What follows a place tells more than the margin before it.
  const left = box.left - (width - (box.right - box.left)) * BEFORE;
  const tall = box.bottom - box.top > height;
  const top = tall ? box.top : (box.top + box.bottom) / 2 - height / 2;
  return clamp({ left, top, width }, pageAspect, frameAspect);
}

function grown({ left, top, right, bottom }, pageAspect) {
  return { left: left - MARGIN, top: top - MARGIN / pageAspect, right: right + MARGIN, bottom: bottom + MARGIN / pageAspect };
}

function union(one, other) {
  return { left: Math.min(one.left, other.left), top: Math.min(one.top, other.top), right: Math.max(one.right, other.right), bottom: Math.max(one.bottom, other.bottom) };
}

function clamp({ left, top, width }, pageAspect, frameAspect) {
  const height = (width * frameAspect) / pageAspect;
  return {
    left: Math.max(0, Math.min(left, 1 - width)),
    top: height >= 1 ? (1 - height) / 2 : Math.max(0, Math.min(top, 1 - height)),
    width,
    height,
  };
}
