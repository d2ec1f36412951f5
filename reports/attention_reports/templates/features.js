const wanted = document.getElementById("wanted"), red = document.getElementById("red");
function filter() {
  const words = wanted.value.toLowerCase();
  for (const row of document.querySelectorAll("tr[data-name]"))
    row.hidden = !row.dataset.name.toLowerCase().includes(words) || (red.checked && !("red" in row.dataset));
  for (const box of document.querySelectorAll("input.group"))
    for (const cell of document.querySelectorAll(`[data-group="${CSS.escape(box.value)}"]`)) cell.hidden = !box.checked;
}
document.addEventListener("input", filter);
addEventListener("hashchange", () => { const one = document.getElementById(location.hash.slice(1)); if (one) one.open = true; });
