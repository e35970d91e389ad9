// The turns, as this browser keeps them. What is too much goes: members of old turns first, then old turns.

const PLACE = "selfagg.conversation";
const MOST_TURNS = 100;
const MOST_CHARACTERS = 2_000_000;

class Conversation {
  kept = this.read();

  read() {
    try {
      this.kept = JSON.parse(localStorage.getItem(PLACE));
    } catch {
      this.kept = null;
    }
    return (this.kept ??= { turns: [], dropped: 0 });
  }

  // Another tab may have written since: its turns stay.
  keep(turn) {
    const { turns } = this.read();
    const at = turns.findIndex(({ id }) => id === turn.id);
    if (at < 0) turns.push(turn);
    else turns[at] = turn;
    while (!this.write()) {
      const large = turns.findIndex(({ members }) => members.length);
      if (large >= 0) turns[large] = { ...turns[large], members: [] };
      else if (turns.length > 1) this.kept.dropped += turns.splice(0, 1).length;
      else return;
    }
  }

  write() {
    const text = JSON.stringify(this.kept);
    if (text.length > MOST_CHARACTERS || this.kept.turns.length > MOST_TURNS) return false;
    try {
      localStorage.setItem(PLACE, text);
      return true;
    } catch {
      return false;
    }
  }

  clear() {
    localStorage.removeItem(PLACE);
    this.read();
  }

  // What the server is told: the turns before this one that were answered, and its question.
  messages(turn) {
    const at = this.kept.turns.findIndex(({ id }) => id === turn.id);
    const before = (at < 0 ? this.kept.turns : this.kept.turns.slice(0, at)).filter(({ state }) => state === "done");
    return [
      ...before.flatMap(({ question, answer }) => [
        { role: "user", content: question },
        { role: "assistant", content: answer },
      ]),
      { role: "user", content: turn.question },
    ];
  }
}
