// Light or dark as chosen, before anything is painted. A classic script, so that it runs first. Without a choice the system decides.
(function () {
  try {
    const chosen = localStorage.getItem("quire.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // A browser that keeps nothing: the system decides.
  }
})();
