import pytest
from pytest_django import Settings

from tests.campaigns.doors import ToyDoor


@pytest.fixture
def toy_door(settings: Settings) -> type[ToyDoor]:
    """E-mail leaves through a toy: no server, and every fate can be arranged."""
    ToyDoor.reset()
    settings.CAMPAIGN_DOORS = {"email": "tests.campaigns.doors.ToyDoor"}
    return ToyDoor
