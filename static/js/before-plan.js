// Before PEV2 loads: its icons' style sheet is linked (static/vendor), so it must not be put into the page.
window.FontAwesomeConfig = { autoAddCss: false };
