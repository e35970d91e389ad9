// The page, from top to bottom.

showAbout(document.getElementById("about"));
showComparison(document.getElementById("comparison-body"));
showCurves(document.getElementById("curves-body"));
showQuestions(document.getElementById("questions-body"));

function follow() {
  const address = addressInUrl();
  if (address) go(address, true);
}

addEventListener("hashchange", follow);
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && reader.open) closeReader();
});
follow();
