// Scripts run: what works only with them may show.
document.documentElement.classList.remove("no-script");
