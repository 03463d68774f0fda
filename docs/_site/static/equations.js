// Typesets the equations of the page. One that KaTeX cannot read is an error in the console, which a test reads.
for (const place of document.querySelectorAll(".math")) {
  katex.render(place.textContent, place, { displayMode: place.tagName === "DIV", throwOnError: true });
}
