// Server-sent events from a fetch response. The browser's own EventSource can't send a key.

/** Yields {event, data} (data parsed as JSON). Ends when the stream does; throws when it breaks off. */
export async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = createParser();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield* parser.push(value);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Splits text that comes in any pieces into events. Comments and fields that are not known are passed over. */
export function createParser() {
  let rest = "";
  let event = "message";
  let data = [];
  return {
    *push(text) {
      rest += text;
      // A line ends with LF, CR or CRLF; a CR at the very end may be half of a CRLF.
      for (;;) {
        const match = /\r\n|\n|\r(?!$)/.exec(rest);
        if (!match) return;
        const line = rest.slice(0, match.index);
        rest = rest.slice(match.index + match[0].length);
        if (line === "") {
          if (data.length > 0) yield { event, data: JSON.parse(data.join("\n")) };
          event = "message";
          data = [];
          continue;
        }
        const colon = line.indexOf(":");
        const field = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (field === "event") event = value;
        if (field === "data") data.push(value);
      }
    },
  };
}
