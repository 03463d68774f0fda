// Typesets the equations of the page. One that KaTeX cannot read is an error in the console, which a test reads.
for (const place of document.querySelectorAll(".math")) {
  katex.render(place.textContent, place, { displayMode: place.tagName === "DIV", throwOnError: true });
}
// They and their fonts have moved what lies below: go back to the heading that was asked for.
document.fonts.ready.then(() => {
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView({ behavior: "instant" });
});
