"""A badly written shop under load, to look at; docs/demo.md says what is wrong with it."""

SERVER_SLUG = "demo-shop"
