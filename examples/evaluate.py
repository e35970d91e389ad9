"""Evaluate RSA on a few questions, by a SIMULATED model or the one that is named: python evaluate.py local."""

import sys

import selfagg

QUESTIONS = [
    {"question": "What is 17 * 23?", "answer": 391, "kind": "math"},
    {"question": "What is 12 * 12?", "answer": 144, "kind": "math"},
    selfagg.Question("by hand", "What is 9 * 9?", kind="math", gold="81", group="small"),
]

evaluation = selfagg.evaluate(
    QUESTIONS,
    model=sys.argv[1] if len(sys.argv) > 1 else "simulated:p=0.4",
    method=selfagg.RSA(n=8, k=4, t=3),
    sampling=selfagg.Sampling(max_tokens=64),
)
for population in evaluation.populations:
    print(f"population {population.t}: {population.accuracy.mean:.0%} right, majority {population.majority.mean:.0%}")
answer = evaluation.answer
print(f"answer: {answer.mean:.0%} (95 %: {answer.low:.0%} to {answer.high:.0%}), {evaluation.summary.calls} calls")
for one in evaluation.questions:
    print(one.question.id, [member.answer for member in one.populations[-1].values()])
