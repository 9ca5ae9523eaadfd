"""Names for segments that the program makes."""

from segments.models import Segment

LENGTH = 200


def free_name(stem: str) -> str:
    """The name, or the same with a number where a segment has it already."""
    stem = stem[: LENGTH - 10]
    taken = set(Segment.objects.filter(name__startswith=stem).values_list("name", flat=True))
    tries = (stem if number == 1 else f"{stem} {number}" for number in range(1, len(taken) + 2))
    return next(one for one in tries if one not in taken)
