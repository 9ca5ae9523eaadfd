"""The demo shop: the published purchases of Complete Journey, with synthetic people (``manage.py load_demo``)."""
