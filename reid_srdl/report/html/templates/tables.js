// Tables sort by a click on a heading, and show the rows that hold what is typed.
document.querySelectorAll("figure.sorts").forEach((figure) => {
  const body = figure.querySelector("tbody");
  const rows = [...body.rows];
  const filter = document.createElement("input");
  filter.className = "filter";
  filter.type = "search";
  filter.placeholder = "Show rows with ...";
  filter.setAttribute("aria-label", "Show rows with these words");
  if (rows.length > 1) figure.insertBefore(filter, figure.querySelector(".wide"));
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row) => {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    });
  });
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const numbers = [Number(a), Number(b)];
    return numbers.some(Number.isNaN) ? a.localeCompare(b) : numbers[0] - numbers[1];
  };
  figure.querySelectorAll("tr.columns th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending" && head.classList.contains("right");
      const up = head.getAttribute("aria-sort") === "ascending";
      const order = down || (up && !head.classList.contains("right")) ? -1 : 1;
      figure.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order < 0 ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.sort;
      const sorted = [...rows].sort((a, b) =>
        value(a) === "" || value(b) === "" ? compare(value(a), value(b)) : order * compare(value(a), value(b)));
      body.append(...sorted);
    });
  });
});
