"""The records: who the customers are, what they did, what they allow."""

from crm.models.access import ApiToken
from crm.models.activity import Answer, Review, SignupForm, Survey, WebVisit, WishlistItem
from crm.models.consents import Consent, Purpose, Suppression
from crm.models.jobs import Job
from crm.models.loyalty import LoyaltyCard, LoyaltyEntry
from crm.models.people import Channel, Company, Customer, ExternalId, Gender, Household
from crm.models.profile import ChangeMark, CustomerCategory, CustomerProfile
from crm.models.receipts import Receipt, ReceiptKind, ReceiptLine, ReceiptMail, SalesChannel
from crm.models.shop import Category, Product, Shop, Store

__all__ = [
    "Answer",
    "ApiToken",
    "Category",
    "ChangeMark",
    "Channel",
    "Company",
    "Consent",
    "Customer",
    "CustomerCategory",
    "CustomerProfile",
    "ExternalId",
    "Gender",
    "Household",
    "Job",
    "LoyaltyCard",
    "LoyaltyEntry",
    "Product",
    "Purpose",
    "Receipt",
    "ReceiptKind",
    "ReceiptLine",
    "ReceiptMail",
    "Review",
    "SalesChannel",
    "Shop",
    "SignupForm",
    "Store",
    "Suppression",
    "Survey",
    "WebVisit",
    "WishlistItem",
]
