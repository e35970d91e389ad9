// One streamed completion: its chunks as they come.

class Refused extends Error {}

const headers = (key) => (key ? { Authorization: `Bearer ${key}` } : {});

function post(path, body, key, signal) {
  const told = { "Content-Type": "application/json", ...headers(key) };
  return fetch(path, { method: "POST", headers: told, body: JSON.stringify(body), signal });
}

async function* completion(body, key, signal) {
  const answer = await post("v1/chat/completions", body, key, signal);
  if (!answer.ok) {
    const told = await answer.json().catch(() => null);
    throw new Refused(told?.error?.message ?? `the server answered ${answer.status}`);
  }
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

async function served(key) {
  const answer = await fetch("v1/models", { headers: headers(key) });
  if (!answer.ok) return { needsKey: answer.status === 401 };
  return { name: (await answer.json()).data[0].id };
}

async function nodesOf(text, key) {
  const answer = await post("v1/typeset", { text }, key);
  return answer.ok ? (await answer.json()).nodes : [text];
}
