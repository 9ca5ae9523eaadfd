"""What the tests stand on: real servers, a database made from a template, a mail catcher, workers and a browser."""
