"""A question that is the last user turn of a conversation: everything around it stays in every prompt."""

from selfagg.prompts import aggregation, first
from selfagg.types import Member, Question, Reply

SYSTEM = {"role": "system", "content": "be brief"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TURN = {
    "role": "user",
    "name": "ann",
    "content": [{"type": "text", "text": "What is this?"}, IMAGE, {"type": "text", "text": "And why?"}],
}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
RESULT = {"role": "tool", "tool_call_id": "1", "content": "4"}
CANDIDATES = [Member(1, i, reply=Reply(f"candidate {i}")) for i in range(2)]
TEXTS = [member.text for member in CANDIDATES]


def test_parts_and_name_stay_in_every_prompt_in_their_order() -> None:
    question = Question("q", "What is this?\n\nAnd why?", context=(SYSTEM,), turn=TURN)
    assert first(question).messages([]) == (SYSTEM, TURN)
    system, turn = aggregation(question, CANDIDATES).messages(TEXTS)
    assert system == SYSTEM
    assert turn["name"] == "ann"
    before, *own, after = turn["content"]
    assert own == TURN["content"]
    assert before["text"].rstrip().endswith("Problem:")
    assert "candidate 0" in after["text"]
    assert "candidate 1" in after["text"]


def test_an_instruction_is_added_to_the_parts() -> None:
    question = Question("q", "What is this?", kind="math", turn=TURN)
    (turn,) = first(question).messages([])
    assert turn["content"][:3] == TURN["content"]
    assert "boxed" in turn["content"][3]["text"]


def test_an_agents_turns_after_the_question_stay_where_they_are() -> None:
    question = Question("q", "2 + 2?", context=(SYSTEM,), after=(CALL, RESULT))
    asked = {"role": "user", "content": "2 + 2?"}
    assert first(question).messages([]) == (SYSTEM, asked, CALL, RESULT)
    *conversation, last = aggregation(question, CANDIDATES).messages(TEXTS)
    assert conversation == [SYSTEM, asked, CALL, RESULT]
    assert last["role"] == "user"
    assert "2 + 2?" in last["content"]
    assert "candidate 1" in last["content"]
