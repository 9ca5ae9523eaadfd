"""What the demo shop has made of its records: segments, personas and campaigns."""

from datetime import datetime

from campaigns.demo.journey import Journey


def create(*, journey: Journey, now: datetime) -> None:
    """Create what is not there yet."""
