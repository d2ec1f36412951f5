// Filtering and sorting of the faults, and links into what a filter has hidden.
const sieve = document.querySelector(".sieve");
if (sieve) {
  sieve.hidden = false;
  const [search, show, sort] = sieve.elements;
  const tally = sieve.querySelector("output");
  const rows = document.querySelector(".rows");
  const faults = [...rows.querySelectorAll("details")];
  const cell = (fault, place) => Number(fault.querySelector("summary").children[place].textContent.replaceAll(",", ""));
  const ranks = {
    order: (fault) => faults.indexOf(fault),
    cases: (fault) => -cell(fault, 4),
    seconds: (fault) => -fault.dataset.seconds,
    killers: (fault) => cell(fault, 6),
  };
  const kept = { "": () => true, linked: (fault) => fault.querySelector("a"), only: (fault) => "only" in fault.dataset, survived: (fault) => "survived" in fault.dataset };
  const arrange = () => {
    const words = search.value.toLowerCase().replaceAll("_", " ").split(" ").filter(Boolean);
    const ranked = faults.map((fault) => [ranks[sort.value](fault), fault]).sort((a, b) => a[0] - b[0]);
    rows.append(...ranked.map(([, fault]) => fault));
    let shown = 0;
    for (const fault of faults) {
      const text = fault.textContent.toLowerCase().replaceAll("_", " ");
      fault.hidden = !(words.every((word) => text.includes(word)) && kept[show.value](fault));
      shown += !fault.hidden;
    }
    tally.textContent = shown < faults.length ? `${shown} of ${faults.length}` : "";
  };
  sieve.addEventListener("input", arrange);
  sieve.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => {
    const fault = document.getElementById(location.hash.slice(1))?.closest(".rows details");
    if (fault) {
      fault.hidden = false;
      fault.scrollIntoView({ block: "center" });
    }
  });
}
