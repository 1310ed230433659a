// Icons as inline SVG, drawn on 20 by 20 with one stroke. They stand beside words and are hidden from readers of the screen.

const PATHS = {
  ask: "M9 15a6 6 0 1 1 4.3-1.800L17 17",
  documents: "M6 3h6l4 4v10H6zM12 3v4h4M3 6v14",
  behind: "M3 10h4l2-6 3 12 2-6h3",
  upload: "M10 13V4m0 0L6.5 7.500M10 4l3.5 3.500M4 13v3h12v-3",
  sun: "M10 6.500a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7M10 2v1.500M10 16.500V18M2 10h1.500M16.5 10H18M4.3 4.300l1.1 1.100M14.6 14.600l1.1 1.100M4.3 15.700l1.1-1.100M14.6 5.400l1.1-1.1",
  moon: "M16 11.500A6.5 6.5 0 1 1 8.5 4a5.2 5.2 0 0 0 7.5 7.500z",
  auto: "M10 3.500a6.5 6.5 0 1 1 0 13zM10 3.500a6.5 6.5 0 0 0 0 13",
  help: "M7.3 7.500a2.7 2.7 0 1 1 3.9 2.400c-.8.4-1.2.9-1.2 1.800M10 14.500v.2M10 2.500a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15",
  key: "M12.5 4a3.5 3.5 0 1 1-3 5.300L3 15.500V17h2.500v-2H8v-2l1.7-1.700M13 7v.2",
  send: "M4 10h11m0 0-4.5-4.500M15 10l-4.5 4.5",
  stop: "M6 6h8v8H6z",
  quote: "M8 10.500H4v-4h4V11c0 1.8-1 3-3 3.500M16 10.500h-4v-4h4V11c0 1.8-1 3-3 3.500",
  pen: "M4 16l1-4 8.5-8.5 3 3L8 15zM12 5l3 3",
  warn: "M10 3.5 17.5 16h-15zM10 8v4M10 14v.2",
  nothing: "M9 15a6 6 0 1 1 4.3-1.800L17 17M6.5 9h5",
  broken: "M3.5 8.500a9 9 0 0 1 9-2.200M16.5 8.500l-1-.8M6 11.500a5.5 5.5 0 0 1 3-1.400M10 15.500v.2M4 3l12 13",
  picture: "M3 4.500h14v11H3zM3 13l4-4 4 4 2-2 4 4M12.5 7.500v.2",
  back: "M15 10H5m0 0 4-4M5 10l4 4",
  previous: "M12 5l-5 5 5 5",
  next: "M8 5l5 5-5 5",
  plus: "M10 4.500v11M4.5 10h11",
  minus: "M4.5 10h11",
  fit: "M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4",
  text: "M4 5h12M4 8.500h12M4 12h12M4 15.500h7",
  original: "M8 5H4v11h11v-4M11 4h5v5M16 4l-7 7",
  link: "M8.5 11.500l3-3M7 9 5 11a2.8 2.8 0 0 0 4 4l2-2M13 11l2-2a2.8 2.8 0 0 0-4-4L9 7",
  copy: "M7 7h9v10H7zM13 7V3H4v10h3",
  retry: "M16 10a6 6 0 1 1-2-4.500M14.5 2.500V6H11",
  trash: "M4 6h12M8 6V4h4v2M6 6l.7 10.500h6.600L14 6M8.7 9v5M11.3 9v5",
  close: "M5 5l10 10M15 5 5 15",
  queued: "M10 3a7 7 0 1 1 0 14 7 7 0 0 1 0-14M10 6.500V10l2.5 1.5",
  processing: "M10 3a7 7 0 0 1 7 7M10 3a7 7 0 0 0-7 7c0 3 2 5.6 4.5 6.500M12.5 16.500c1-.4 1.9-1 2.6-1.8",
  indexed: "M10 3a7 7 0 1 1 0 14 7 7 0 0 1 0-14M6.8 10.200l2.2 2.2 4.3-4.6",
  partly: "M10 3a7 7 0 1 1 0 14 7 7 0 0 1 0-14M6.5 10h7",
  rejected: "M10 3a7 7 0 1 1 0 14 7 7 0 0 1 0-14M7.5 7.500l5 5M12.5 7.500l-5 5",
  dead: "M7 3h6l4 4v6l-4 4H7l-4-4V7zM10 6.500v4M10 13.300v.2",
  deleting: "M4 6h12M8 6V4h4v2M6 6l.7 10.500h6.600L14 6",
  story: "M5 4v12M5 5.500h.1M9 5.500h7M9 10h7M9 14.500h5M4 5.500h2M4 10h2M4 14.500h2",
  folder: "M3 5h5l1.5 2H17v9H3z",
  filter: "M3 5h14l-5.5 6.500V16l-3 1v-5.500z",
};

const SVG = "http://www.w3.org/2000/svg";

/** The icon `name`. */
export function icon(name, extra = "") {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 20 20", width: "20", height: "20", "aria-hidden": "true", class: `icon ${extra}`.trim() })) svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
