"""Ready-made knowledge about what customers are worth: its attributes and its job."""

from segments import regulars, score_attributes, value_attributes, value_job


def register_all() -> None:
    score_attributes.register_all()
    regulars.register_all()
    value_attributes.register_all()
    value_job.register_all()
