"""Whatever the documented API is sent, it answers as documented, and never with an error of the server."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from crm import activity, consents, tokens
from crm.api.throttles import Requests
from crm.models import Customer
from segments.models import Segment
from tests.crm import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def api(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The schema, with something of everything in the shop, and a key that opens all of it."""
    cache.clear()
    monkeypatch.setattr(Requests, "rate", None, raising=False)
    root = User.objects.create_superuser("root")
    _, key = tokens.issue_token(user=root, name="everything", by=root)
    customer = make.customer(number="C1", card="29001", email="anna@example.com")
    product = make.product(sku="MILK", path="Food > Dairy")
    make.receipt(make.line(product), customer=customer)
    _did_everything(customer)
    Segment.objects.create(name="All")
    schema = schemathesis.openapi.from_wsgi("/api/schema/", get_wsgi_application())
    schema.config.update(headers={"Authorization": f"Token {key}"})
    yield schema
    cache.clear()


def _did_everything(customer: Customer) -> None:
    product = make.product(sku="HAM")
    activity.wish(customer=customer, product=product, now=make.NOW)
    said: dict[str, Any] = {"rating": 5, "text": "Good", "written_at": make.NOW, "now": make.NOW}
    activity.write_review(key=uuid.uuid4(), customer=customer, product=product, **said)
    visit = activity.Visit(key=uuid.uuid4(), visitor="b", path="/", visited_at=make.NOW, customer=customer)
    activity.record_visits(visits=[visit], now=make.NOW)
    consents.record_consent(customer=customer, channel="sms", granted=True, source="form", stated_at=make.NOW)


SETTINGS = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def test_every_documented_operation_answers_as_documented(api: Any) -> None:
    operations = [result.ok() for result in api.get_all_operations()]
    assert len(operations) >= 25
    for operation in operations:

        @SETTINGS
        @given(case=operation.as_strategy())
        def answers_as_documented(case: Any) -> None:
            case.call_and_validate(checks=CHECKS)

        answers_as_documented()
