// The theme leaves these to each site: levels of the captions, names of the two side bars, scrolling by keys, a heading of the search.
document.querySelectorAll("p.caption[role=heading]").forEach((caption) => caption.setAttribute("aria-level", "2"));
document.querySelectorAll("pre, .table-wrapper").forEach((block) => block.setAttribute("tabindex", "0"));
for (const [name, label] of [["sidebar-drawer", "Handbook"], ["toc-drawer", "This page"]]) {
  document.querySelector(`aside.${name}`)?.setAttribute("aria-label", label);
}
if (!document.querySelector("h1")) {
  const heading = document.createElement("h1");
  heading.textContent = "Search";
  document.querySelector("article")?.prepend(heading);
}
