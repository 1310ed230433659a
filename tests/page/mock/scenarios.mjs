// Worlds that the page is looked at in, by name.

import { World } from "./world.mjs";

const hour = 3_600_000;

/** Documents in every state, beside the demo's. */
function addStates(world) {
  world.addState("default", "/home/ada/ferries/berths-2026.pdf", { state: "processing", page_count: 0, progress: { pages_done: 17, pages: 48 }, at: -20_000 });
  world.addState("default", "/home/ada/ferries/timetable-winter.pdf", { state: "queued", at: -8_000, tags: { year: "2026" } });
  world.addState("default", "/home/ada/ferries/tender-hull-7.pdf", { state: "rejected", reason: "tender-hull-7.pdf needs a password to be opened", at: -2 * hour });
  world.addState("default", "/home/ada/ferries/drawing-A0.pdf", { state: "dead", reason: "drawing page 3 took longer than 60 s, in each of 3 attempts", attempts: 3, at: -26 * hour, tags: { kind: "drawing" } });
  world.addState("default", "/home/ada/ferries/log-2019.pdf", { state: "indexed", page_count: 212, failed_pages: [{ page: 44, reason: "its image is damaged" }, { page: 45, reason: "its image is damaged" }], at: -50 * hour, tags: { year: "2019", ship: "Saint Orla" } });
  return world;
}

export const scenarios = {
  demo: async () => addStates(await new World().addDemo()),
  composed: async () => addStates(await new World({ mode: "vlm", first_word_ms: 900, word_ms: 45 }).addDemo()),
  slow: async () => new World({ mode: "vlm", first_word_ms: 8000, word_ms: 120 }).addDemo(),
  empty: async () => new World({ page_ms: 1200 }),
  many: async () => (await new World().addDemo()).addMany("default", 100_000),
  keys: async () => {
    const world = new World({ keys: { "key-of-ada": "ada", "key-of-bo": "bo" } });
    await world.addDemo("ada", (document) => document.title.startsWith("Annual"));
    return world.addDemo("bo", (document) => document.title.startsWith("WL-40"));
  },
};
