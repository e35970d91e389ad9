// One streamed completion: its chunks as they come.

class Refused extends Error {}

const headers = (key) => (key ? { Authorization: `Bearer ${key}` } : {});

async function* completion(body, key, signal) {
  const answer = await fetch("v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers(key) },
    body: JSON.stringify(body),
    signal,
  });
  if (!answer.ok) throw new Refused(await reason(answer));
  const lines = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await lines.read();
    if (done) return;
    held += value;
    const events = held.split("\n\n");
    held = events.pop();
    for (const event of events) {
      if (!event.startsWith("data: {")) continue;
      const chunk = JSON.parse(event.slice(6));
      if (chunk.error) throw new Refused(chunk.error.message);
      yield chunk;
    }
  }
}

async function reason(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `the server answered ${answer.status}`;
  }
}

async function served(key) {
  const answer = await fetch("v1/models", { headers: headers(key) });
  if (!answer.ok) return { needsKey: answer.status === 401 };
  return { name: (await answer.json()).data[0].id };
}

async function nodesOf(text, key) {
  const answer = await fetch("v1/typeset", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers(key) },
    body: JSON.stringify({ text }),
  });
  return answer.ok ? (await answer.json()).nodes : [text];
}
